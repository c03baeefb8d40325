//! What a gate's client sends along: filters, scopes, and the name it looks for.

use racegate_model::field::{Field as ManifestField, FieldGroup, FieldSet};
use racegate_model::scenario::{ExportRequest, JobDone, MediaTypeFilter, Permission, SidecarName};

use crate::platform;
use crate::reader::{Field, Table};

/// Scopes of the two forum threads, and what they allow.
pub(crate) const SCOPES: [(&str, Scope); 4] = [
    ("recordings:read", Scope::Read),
    ("recording:view", Scope::Read),
    ("recordings:export", Scope::Export),
    ("recording:export", Scope::Export),
];

/// What a scope allows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Read,
    Export,
}

/// Reads `filters`, `scopes`, `sidecar_suffix`, `done_when` and `jobs_at_once` of a gate.
pub(crate) fn read(gate: &mut Table<'_>) -> ExportRequest {
    let mut request = ExportRequest::default();
    if let Some(field) = gate.get("scopes") {
        let scopes: Vec<Scope> = field
            .items(16)
            .iter()
            .filter_map(|item| item.choice(&SCOPES))
            .collect();
        let permission = |scope| {
            if scopes.contains(&scope) {
                Permission::Granted
            } else {
                Permission::Missing
            }
        };
        request.reading = permission(Scope::Read);
        request.exporting = permission(Scope::Export);
    }
    request.sidecar_name = gate.or("sidecar_suffix", SidecarName::Right, |field| {
        field.choice(&[
            ("_metadata.json", SidecarName::Right),
            (".json", SidecarName::Wrong),
        ])
    });
    request.done_when = gate.or("done_when", JobDone::Status, |field| {
        field.choice(&[("status", JobDone::Status), ("counters", JobDone::Counters)])
    });
    request.jobs_at_once = gate.or("jobs_at_once", None, |field| {
        platform::slots(field).map(Some)
    });
    let mut filter = gate.table("filters");
    let of_softphones = |field: &ManifestField| field.group() == Some(FieldGroup::Webrtc);
    let (softphone, common): (Vec<ManifestField>, Vec<ManifestField>) =
        ManifestField::METADATA.into_iter().partition(of_softphones);
    for (key, fields) in [
        ("include_metadata", common),
        ("include_webrtc_metadata", softphone),
    ] {
        if filter.or(key, false, Field::boolean) {
            let fields: FieldSet = fields.into_iter().collect();
            request.include = request.include.union(fields);
        }
    }
    request.media_type = filter.or("media_type", None, |field| {
        let words = [
            ("webRTC", MediaTypeFilter::Webrtc),
            ("SIP", MediaTypeFilter::Sip),
            ("WEBCAM", MediaTypeFilter::Webcam),
        ];
        field.choice(&words).map(Some)
    });
    filter.finish();
    request
}
