//! What a fulfilled job leaves in storage: audio, sidecars and a manifest.

use std::sync::Arc;

use racegate_model::draws::Seed;
use racegate_model::field::Field;
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex};
use racegate_model::org::{Export, Sidecar};

use super::ids::job_id;
use super::truth::truth_of_timeline;
use super::{Service, TenantConfig};
use crate::storage::layout::{manifest_key, media_key, sidecar_key};
use crate::storage::manifest::{FailedEntry, JobManifest, ManifestEntry};
use crate::storage::sidecar::SidecarDocument;
use crate::storage::{JobWrites, StoreError, Write};

/// Writes everything; the manifest comes last, so whoever finds it finds the rest. `writes` knows
/// what is under way, and what was refused.
pub(super) fn write(
    service: &Service,
    tenant: &TenantConfig,
    export: &Export,
    writes: &Arc<JobWrites>,
) {
    let mut manifest = JobManifest {
        job: job_id(tenant, export.job).to_string(),
        organization: tenant.organization.clone(),
        snapshot_at: export.snapshot_at,
        media_read_at: export.media_read_at,
        recordings: Vec::with_capacity(export.sidecars.len()),
        failed: Vec::new(),
    };
    for sidecar in &export.sidecars {
        match write_recording(service, tenant, export, (sidecar, writes)) {
            Ok(Some(entry)) => manifest.recordings.push(entry),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "an export could not be stored");
                writes.refuse(sidecar.recording);
            }
        }
    }
    manifest.failed.extend(
        export
            .failed
            .iter()
            .map(|recording| failed(service.seed(), *recording)),
    );
    let key = manifest_key(&tenant.organization, &manifest.job);
    let (seed, epoch, refused) = (service.seed(), service.epoch(), Arc::clone(writes));
    let body = move || {
        let refused = refused.refused();
        let refused = refused.iter().map(|recording| failed(seed, *recording));
        manifest.fail(refused);
        manifest.to_json(epoch)
    };
    let last = Write::new(writes, None);
    let stored = service
        .store()
        .export_last(&tenant.organization, &key, body, last);
    if let Err(error) = stored {
        tracing::error!(%error, "a manifest could not be stored");
    }
}

fn write_recording(
    service: &Service,
    tenant: &TenantConfig,
    export: &Export,
    (sidecar, writes): (&Sidecar, &Arc<JobWrites>),
) -> Result<Option<ManifestEntry>, StoreError> {
    let Some(timeline) = service.timelines(tenant.arm).get(sidecar.recording) else {
        return Ok(None);
    };
    let store = service.store();
    let write = || Write::new(writes, Some(sidecar.recording));
    let truth = truth_of_timeline(service.seed(), service.epoch(), &timeline);
    let organization = &tenant.organization;
    let key = media_key(
        organization,
        truth.start_time,
        truth.conversation,
        truth.recording,
    );
    let media = sidecar.view.present.contains(Field::Media)
        && store.export_media(sidecar.recording, organization, &key, write())?;
    let mut view = sidecar.view;
    if !media {
        // A sidecar does not promise audio that is not there.
        view.present = view.present.without(Field::Media);
    }
    let document = SidecarDocument {
        organization,
        dialect: service.dialect(),
        truth: &truth,
        view,
        snapshot_at: export.snapshot_at,
        epoch: service.epoch(),
    };
    let sidecar_key = sidecar_key(&key);
    store.export(organization, &sidecar_key, document.to_json(), write())?;
    Ok(Some(ManifestEntry {
        conversation: truth.conversation,
        recording: truth.recording,
        media_key: media.then_some(key),
        sidecar_key,
    }))
}

fn failed(seed: Seed, recording: RecordingIndex) -> FailedEntry {
    FailedEntry {
        conversation: ConversationId::of(seed, recording),
        recording: RecordingId::of(seed, recording),
    }
}
