//! The manifest of an export job: which recordings it wrote and where, and which it did not.
//!
//! The real integration writes none; the threads speak of one, and an exporter that knows the
//! keys need not search a bucket for them.

use bytes::Bytes;
use racegate_model::ids::{ConversationId, RecordingId};
use racegate_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::layout::RunEpoch;

/// Bytes of a manifest at most: 100,000 recordings and more.
pub const MANIFEST_MAX: usize = 64 << 20;

/// What a job wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobManifest {
    /// The job's public id.
    pub job: String,
    /// The organization.
    pub organization: String,
    /// When the sidecars were taken.
    pub snapshot_at: Timestamp,
    /// When the media was read, if not then.
    pub media_read_at: Option<Timestamp>,
    /// Recordings with a sidecar.
    pub recordings: Vec<ManifestEntry>,
    /// Recordings for which the job failed.
    pub failed: Vec<FailedEntry>,
}

/// A recording that was exported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestEntry {
    /// Its conversation.
    pub conversation: ConversationId,
    /// Itself.
    pub recording: RecordingId,
    /// The key of its audio; none if it was not there yet.
    pub media_key: Option<String>,
    /// The key of its sidecar.
    pub sidecar_key: String,
}

/// A recording that was not exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailedEntry {
    /// Its conversation.
    pub conversation: ConversationId,
    /// Itself.
    pub recording: RecordingId,
}

/// Why a manifest cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is longer than [`MANIFEST_MAX`].
    #[error("a manifest has at most {MANIFEST_MAX} bytes, this one {length}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// It is not JSON, or lacks a key, or has a value of the wrong type.
    #[error("not a manifest")]
    Malformed(#[from] serde_json::Error),
    /// Something that must be an id is none.
    #[error("{text:?} is not an id")]
    Id {
        /// What it is.
        text: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    job_id: String,
    organization_id: String,
    #[serde(default)]
    snapshot_at: String,
    snapshot_at_nanos: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_read_at_nanos: Option<u64>,
    recordings: Vec<WireEntry>,
    failed_recordings: Vec<WireFailed>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEntry {
    conversation_id: String,
    recording_id: String,
    media_key: Option<String>,
    metadata_key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFailed {
    conversation_id: String,
    recording_id: String,
}

impl JobManifest {
    /// The job failed for these recordings after all.
    pub fn fail(&mut self, recordings: impl Iterator<Item = FailedEntry>) {
        for failed in recordings {
            self.recordings
                .retain(|entry| entry.recording != failed.recording);
            self.failed.push(failed);
        }
    }

    /// The manifest as JSON.
    #[must_use]
    pub fn to_json(&self, epoch: RunEpoch) -> Bytes {
        let entry = |entry: &ManifestEntry| WireEntry {
            conversation_id: entry.conversation.to_string(),
            recording_id: entry.recording.to_string(),
            media_key: entry.media_key.clone(),
            metadata_key: entry.sidecar_key.clone(),
        };
        let failed = |entry: &FailedEntry| WireFailed {
            conversation_id: entry.conversation.to_string(),
            recording_id: entry.recording.to_string(),
        };
        let wire = Wire {
            job_id: self.job.clone(),
            organization_id: self.organization.clone(),
            snapshot_at: epoch.wall_time(self.snapshot_at).to_string(),
            snapshot_at_nanos: self.snapshot_at.as_nanos(),
            media_read_at_nanos: self.media_read_at.map(Timestamp::as_nanos),
            recordings: self.recordings.iter().map(entry).collect(),
            failed_recordings: self.failed.iter().map(failed).collect(),
        };
        let json = serde_json::to_vec(&wire).expect("strings and numbers serialize");
        Bytes::from(json)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_MAX {
            return Err(ManifestError::TooLong {
                length: bytes.len(),
            });
        }
        let wire: Wire = serde_json::from_slice(bytes)?;
        let entry = |entry: WireEntry| {
            Ok(ManifestEntry {
                conversation: conversation(&entry.conversation_id)?,
                recording: recording(&entry.recording_id)?,
                media_key: entry.media_key,
                sidecar_key: entry.metadata_key,
            })
        };
        let failed = |entry: WireFailed| {
            Ok(FailedEntry {
                conversation: conversation(&entry.conversation_id)?,
                recording: recording(&entry.recording_id)?,
            })
        };
        let recordings: Result<Vec<_>, ManifestError> =
            wire.recordings.into_iter().map(entry).collect();
        let failed: Result<Vec<_>, ManifestError> =
            wire.failed_recordings.into_iter().map(failed).collect();
        Ok(Self {
            job: wire.job_id,
            organization: wire.organization_id,
            snapshot_at: Timestamp::from_nanos(wire.snapshot_at_nanos),
            media_read_at: wire.media_read_at_nanos.map(Timestamp::from_nanos),
            recordings: recordings?,
            failed: failed?,
        })
    }
}

fn conversation(text: &str) -> Result<ConversationId, ManifestError> {
    ConversationId::parse(text).ok_or_else(|| ManifestError::Id {
        text: text.to_owned(),
    })
}

fn recording(text: &str) -> Result<RecordingId, ManifestError> {
    RecordingId::parse(text).ok_or_else(|| ManifestError::Id {
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use racegate_model::draws::Seed;
    use racegate_model::ids::RecordingIndex;

    use super::*;

    fn manifest() -> JobManifest {
        let ids = |index| {
            let index = RecordingIndex(index);
            (
                ConversationId::of(Seed(3), index),
                RecordingId::of(Seed(3), index),
            )
        };
        let entry = |index, media: Option<&str>| ManifestEntry {
            conversation: ids(index).0,
            recording: ids(index).1,
            media_key: media.map(str::to_owned),
            sidecar_key: format!("k{index}_metadata.json"),
        };
        let (conversation, recording) = ids(9);
        JobManifest {
            job: "job".to_owned(),
            organization: "org".to_owned(),
            snapshot_at: Timestamp::from_nanos(u64::MAX - 1),
            media_read_at: Some(Timestamp::from_nanos(u64::MAX - 2)),
            recordings: vec![entry(1, Some("k1")), entry(2, None)],
            failed: vec![FailedEntry {
                conversation,
                recording,
            }],
        }
    }

    #[test]
    fn a_manifest_reads_back_as_written() {
        let json = manifest().to_json(RunEpoch::from_unix_millis(0));
        assert_eq!(JobManifest::parse(&json).unwrap(), manifest());
    }

    #[test]
    fn garbage_is_an_error_value() {
        let json = manifest().to_json(RunEpoch::from_unix_millis(0));
        for end in 0..json.len() {
            assert!(JobManifest::parse(&json[..end]).is_err());
        }
        let text = String::from_utf8(json.to_vec()).unwrap();
        let id = manifest().recordings[0].recording.to_string();
        let error = JobManifest::parse(text.replace(&id, "x").as_bytes());
        assert!(matches!(error, Err(ManifestError::Id { .. })));
    }
}
