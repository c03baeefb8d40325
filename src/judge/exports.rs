//! What the exporter wrote: sidecars of export jobs in its bucket, or files of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use mock_api::http::wire::truth_of_timeline;
use mock_api::service::Service;
use mock_api::storage::ListQuery;
use mock_api::storage::manifest::{JobManifest, ManifestEntry};
use mock_api::storage::sidecar::{self, Truth};
use racegate_model::ids::{ArmIndex, RecordingId, RecordingIndex};
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::View;

use super::fields::FieldMap;

/// Where the exporter's results are looked for.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Sidecars that its export jobs wrote into its bucket.
    Jobs,
    /// JSON files of its own in a folder.
    Folder(PathBuf, FieldMap),
    /// JSON objects of its own in its bucket, under a prefix.
    Bucket(String, FieldMap),
}

/// One export of one recording.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Written {
    /// When it was taken, in the run's time.
    pub(crate) at: Timestamp,
    /// When its media was read, if not then.
    pub(super) media_read_at: Option<Timestamp>,
    /// What it holds; none if a later export replaced it before it was looked at.
    pub(crate) view: Option<View>,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exports {
    /// By recording, each in the order of time.
    pub(crate) written: BTreeMap<RecordingIndex, Vec<Written>>,
    /// Recordings that a job lists as failed.
    pub(super) failed: BTreeSet<RecordingIndex>,
    /// What could not be understood, a line each.
    pub(super) unreadable: Vec<String>,
    /// Manifests that have been read.
    read: BTreeSet<String>,
}

/// Lines about what cannot be understood, at most; a broken exporter may write thousands.
const UNREADABLE_MAX: usize = 20;

impl Exports {
    /// Reads the manifests of jobs that are new in `organization`'s bucket.
    pub(crate) fn read_jobs(&mut self, service: &Service, organization: &str) {
        let prefix = format!("{organization}/jobs/");
        for key in keys(service, organization, &prefix) {
            if !key.ends_with("/manifest.json") || self.read.contains(&key) {
                continue;
            }
            let Some(object) = service.store().get(organization, &key) else {
                continue;
            };
            match JobManifest::parse(&object.body()) {
                Ok(manifest) => self.add_job(service, organization, &manifest),
                Err(error) => self.complain(format!("{key}: {error}")),
            }
            self.read.insert(key);
        }
    }

    fn add_job(&mut self, service: &Service, organization: &str, manifest: &JobManifest) {
        let index = |id: RecordingId| id.index(service.seed());
        self.failed.extend(
            manifest
                .failed
                .iter()
                .filter_map(|entry| index(entry.recording)),
        );
        for entry in &manifest.recordings {
            let Some(recording) = index(entry.recording) else {
                continue;
            };
            let view = self.sidecar(service, organization, manifest, entry);
            self.add(
                recording,
                Written {
                    at: manifest.snapshot_at,
                    media_read_at: manifest.media_read_at,
                    view,
                },
            );
        }
    }

    /// The view of a sidecar; none if it is that of a later export.
    fn sidecar(
        &mut self,
        service: &Service,
        organization: &str,
        manifest: &JobManifest,
        entry: &ManifestEntry,
    ) -> Option<View> {
        let truth = truth(service, entry.recording)?;
        let object = service.store().get(organization, &entry.sidecar_key)?;
        match sidecar::parse(&object.body(), &truth) {
            Ok(parsed) => (parsed.snapshot_at == manifest.snapshot_at).then_some(parsed.view),
            Err(error) => {
                self.complain(format!("{}: {error}", entry.sidecar_key));
                None
            }
        }
    }

    /// Reads JSON files of the exporter's own, in `folder` and what is below it.
    pub(super) fn read_folder(&mut self, service: &Service, folder: &Path, fields: &FieldMap) {
        for path in files_below(folder) {
            let read = std::fs::read(&path).and_then(|bytes| {
                let at = std::fs::metadata(&path)?.modified()?;
                Ok((bytes, at))
            });
            match read {
                Ok((bytes, at)) => {
                    self.add_own(service, &path.display().to_string(), &bytes, at, fields)
                }
                Err(error) => self.complain(format!("{}: {error}", path.display())),
            }
        }
    }

    /// Reads JSON objects of the exporter's own in its bucket.
    pub(super) fn read_bucket(
        &mut self,
        service: &Service,
        bucket: &str,
        prefix: &str,
        fields: &FieldMap,
    ) {
        for key in keys(service, bucket, prefix) {
            if !key.ends_with(".json") {
                continue;
            }
            if let Some(object) = service.store().get(bucket, &key) {
                self.add_own(
                    service,
                    &key,
                    &object.body(),
                    object.last_modified(),
                    fields,
                );
            }
        }
    }

    fn add_own(
        &mut self,
        service: &Service,
        name: &str,
        bytes: &[u8],
        modified: SystemTime,
        fields: &FieldMap,
    ) {
        match fields.read(bytes, |recording| truth(service, recording), service.seed()) {
            Ok(Some((recording, view))) => self.add(
                recording,
                Written {
                    at: run_time(service, modified),
                    media_read_at: None,
                    view: Some(view),
                },
            ),
            // A file about something else, a manifest say.
            Ok(None) => {}
            Err(reason) => self.complain(format!("{name}: {reason}")),
        }
    }

    fn add(&mut self, recording: RecordingIndex, written: Written) {
        let all = self.written.entry(recording).or_default();
        let at = all.partition_point(|earlier| earlier.at <= written.at);
        all.insert(at, written);
    }

    fn complain(&mut self, line: String) {
        if self.unreadable.len() < UNREADABLE_MAX {
            self.unreadable.push(line);
        }
    }
}

/// What is true of a recording of the first arm, once its session has ended.
fn truth(service: &Service, recording: RecordingId) -> Option<Truth> {
    let index = recording.index(service.seed())?;
    let timeline = service.timelines(ArmIndex(0)).get(index)?;
    Some(truth_of_timeline(
        service.seed(),
        service.epoch(),
        &timeline,
    ))
}

/// A date of the wall clock in the run's time; what lies before the run is its beginning.
fn run_time(service: &Service, at: SystemTime) -> Timestamp {
    let start = service.epoch().wall_time(Timestamp::ZERO).unix_millis();
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let start = std::time::Duration::from_millis(start.unsigned_abs());
    let since = at.saturating_sub(start).as_nanos();
    Timestamp::ZERO + Duration::from_nanos(u64::try_from(since).unwrap_or(u64::MAX))
}

fn keys(service: &Service, bucket: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let query = ListQuery {
            after: after.as_deref(),
            ..ListQuery::of_prefix(prefix)
        };
        let Some(page) = service.store().list(bucket, &query) else {
            return found;
        };
        found.extend(page.objects.iter().map(|(key, _)| key.to_string()));
        match page.next_after {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

/// The JSON files of a folder and of those below it, in order.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            // Links are not followed: they may lead in a circle.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() && path.extension().is_some_and(|end| end == "json") => {
                    found.push(path);
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    found.sort();
    found
}
