//! A gate as a `[[gate]]` table.

use std::fmt::Write as _;

use racegate_model::field::{Field, FieldGroup};
use racegate_model::gate::Strategy;
use racegate_model::gate::keys::{Key, Keys, Value};
use racegate_model::scenario::{
    ExportRequest, GateSpec, JobDone, MediaTypeFilter, Permission, SidecarName, Slots,
};

use super::value;
use crate::gate::START;

/// The gate as TOML, with the keys that differ from their defaults.
#[must_use]
pub fn gate(spec: &GateSpec) -> String {
    let mut table = Lines(String::from("[[gate]]\n"));
    table.line("name", &format!("\"{}\"", spec.name));
    let name = spec.strategy.name();
    table.line("strategy", &format!("\"{name}\""));
    let default = Strategy::named(name).map(|strategy| Texts::of(&strategy).0);
    for (position, (key, text)) in Texts::of(&spec.strategy).0.into_iter().enumerate() {
        let usual = default.as_ref().and_then(|texts| texts.get(position));
        let is_usual = usual.is_some_and(|(_, usual)| *usual == text);
        if key.required.is_some() || !is_usual {
            table.line(key.name, &text);
        }
    }
    if let Some((word, _)) = START[1..].iter().find(|(_, start)| *start == spec.start) {
        table.line("start", &format!("\"{word}\""));
    }
    if let Some(repair) = spec.repair {
        table.line("max_exports", &repair.max_exports.to_string());
        table.line("repair_delay", &value::duration(repair.delay));
    }
    request(&mut table, &spec.request);
    table.0
}

fn request(table: &mut Lines, request: &ExportRequest) {
    let allowed = [
        (request.reading, "recordings:read"),
        (request.exporting, "recordings:export"),
    ];
    if allowed.iter().any(|(may, _)| *may == Permission::Missing) {
        let granted = allowed
            .iter()
            .filter(|(may, _)| *may == Permission::Granted);
        table.line("scopes", &value::list(granted.map(|(_, scope)| *scope)));
    }
    if request.sidecar_name == SidecarName::Wrong {
        table.line("sidecar_suffix", "\".json\"");
    }
    if request.done_when == JobDone::Counters {
        table.line("done_when", "\"counters\"");
    }
    match request.jobs_at_once {
        Some(Slots::Limited(count)) => table.line("jobs_at_once", &count.to_string()),
        Some(Slots::Unlimited) => table.line("jobs_at_once", "\"unlimited\""),
        None => {}
    }
    let included = Field::METADATA.into_iter();
    let included = included.filter(|field| request.include.contains(*field));
    let (softphone, common): (Vec<Field>, Vec<Field>) =
        included.partition(|field| field.group() == Some(FieldGroup::Webrtc));
    let mut filters = Vec::new();
    if !common.is_empty() {
        filters.push("include_metadata = true".to_owned());
    }
    if !softphone.is_empty() {
        filters.push("include_webrtc_metadata = true".to_owned());
    }
    if let Some(kind) = request.media_type {
        let word = match kind {
            MediaTypeFilter::Webrtc => "webRTC",
            MediaTypeFilter::Sip => "SIP",
            MediaTypeFilter::Webcam => "WEBCAM",
        };
        filters.push(format!("media_type = \"{word}\""));
    }
    if !filters.is_empty() {
        table.line("filters", &format!("{{ {} }}", filters.join(", ")));
    }
}

struct Lines(String);

impl Lines {
    fn line(&mut self, key: &str, value: &str) {
        // Writing to a string does not fail.
        _ = writeln!(self.0, "{key} = {value}");
    }
}

/// The keys of a strategy, each with its value as text.
pub(super) struct Texts(pub(super) Vec<(Key, String)>);

impl Texts {
    pub(super) fn of(strategy: &Strategy) -> Self {
        let mut texts = Self(Vec::new());
        strategy.clone().keys(&mut texts);
        texts
    }
}

impl Keys for Texts {
    fn key(&mut self, key: Key, value: Value<'_>) {
        self.0.push((key, value::text(&value)));
    }
}
