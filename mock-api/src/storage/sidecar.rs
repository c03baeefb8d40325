//! The sidecar of an exported recording: what the platform knew of it at the snapshot.
//!
//! A field that was visible is a key with its value, one that was null a key with null, and one
//! that was absent no key at all. Who knows the truth can read a [`View`] back.
//!
//! `mediaType`, `provider`, `userIds`, `conversationId`, `recordingId`, `startTime`, `endTime`,
//! `durationMs` and `initialDirection` are the real sidecar's. The forum dialect adds the fields
//! by their names (`legal_hold_flag` …) and `state`. `organizationId`, `fileState`,
//! `mediaDigest`, `snapshotAt` and `snapshotAtNanos` are ours; the last says exactly when the
//! snapshot was taken, in nanoseconds since the run's start.

use std::net::IpAddr;

use bytes::Bytes;
use racegate_model::field::{Field, FieldSet, Kind};
use racegate_model::ids::{ConversationId, RecordingId, SessionId};
use racegate_model::time::Timestamp;
use racegate_model::timeline::{Hold, RecordingState, View};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::layout::{RunEpoch, WallTime};

/// Bytes of a sidecar at most; ours have about 800.
pub const SIDECAR_MAX: usize = 64 << 10;

/// What is true of a recording, whatever its metadata says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Truth {
    /// Its conversation.
    pub conversation: ConversationId,
    /// Itself.
    pub recording: RecordingId,
    /// Its kind; `media_type` on the wire.
    pub kind: Kind,
    /// Whether it is under legal hold.
    pub hold: Hold,
    /// Start of the call.
    pub start_time: WallTime,
    /// End of the call.
    pub end_time: WallTime,
    /// The softphone's session; for other kinds the id that it would have.
    pub session: SessionId,
    /// The softphone's address; for other kinds that of the trunk.
    pub client_ip: IpAddr,
    /// The digest of its audio, if there is audio and somebody computed it.
    pub media_digest: Option<String>,
}

/// Whose keys a sidecar has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// The real API's only. It has no key for hold, session and address.
    Genesys,
    /// The forum threads' too.
    Forum,
}

/// A sidecar to be written.
#[derive(Clone, PartialEq, Debug)]
pub struct SidecarDocument<'a> {
    /// The organization that exports.
    pub organization: &'a str,
    /// Whose keys it has.
    pub dialect: Dialect,
    /// What is true.
    pub truth: &'a Truth,
    /// What of it is visible.
    pub view: View,
    /// When the snapshot was taken.
    pub snapshot_at: Timestamp,
    /// The run's start.
    pub epoch: RunEpoch,
}

/// What a sidecar says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParsedSidecar {
    /// What was visible, and what of it is false.
    pub view: View,
    /// When the snapshot was taken.
    pub snapshot_at: Timestamp,
}

/// Why a sidecar cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    /// It is longer than [`SIDECAR_MAX`].
    #[error("a sidecar has at most {SIDECAR_MAX} bytes, this one {length}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// It is no JSON object, or one of its own keys has a value of the wrong type.
    #[error("not a sidecar")]
    Malformed(#[from] serde_json::Error),
    /// It does not say when it was taken.
    #[error("snapshotAtNanos is missing")]
    NoSnapshot,
    /// It is of another recording.
    #[error("the sidecar is of recording {found:?}, not of {expected}")]
    OtherRecording {
        /// What it says.
        found: Option<String>,
        /// What was asked for.
        expected: RecordingId,
    },
}

/// A key of a document: absent, null or there.
#[derive(Clone, PartialEq, Debug, Default)]
enum Slot<T> {
    #[default]
    Absent,
    Null,
    There(T),
}

impl<T> Slot<T> {
    const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    fn of(view: &View, field: Field, value: impl FnOnce() -> T) -> Self {
        if view.present.contains(field) {
            Self::There(value())
        } else if view.null.contains(field) {
            Self::Null
        } else {
            Self::Absent
        }
    }
}

impl<T: Serialize> Serialize for Slot<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Null => serializer.serialize_none(),
            Self::There(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Slot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::<T>::deserialize(deserializer)?;
        Ok(value.map_or(Self::Null, Self::There))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    organization_id: &'a str,
    conversation_id: String,
    recording_id: String,
    #[serde(skip_serializing_if = "Slot::is_absent")]
    media_type: Slot<&'static str>,
    provider: &'static str,
    user_ids: [&'static str; 0],
    initial_direction: &'static str,
    #[serde(skip_serializing_if = "Slot::is_absent")]
    start_time: Slot<String>,
    #[serde(skip_serializing_if = "Slot::is_absent")]
    end_time: Slot<String>,
    #[serde(skip_serializing_if = "Slot::is_absent")]
    duration_ms: Slot<i64>,
    #[serde(skip_serializing_if = "Slot::is_absent")]
    file_state: Slot<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_digest: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    forum: Option<WrittenForum>,
    snapshot_at: String,
    snapshot_at_nanos: u64,
}

#[derive(Serialize)]
struct WrittenForum {
    state: RecordingState,
    #[serde(skip_serializing_if = "Slot::is_absent")]
    legal_hold_flag: Slot<bool>,
    #[serde(skip_serializing_if = "Slot::is_absent")]
    media_type: Slot<&'static str>,
    #[serde(skip_serializing_if = "Slot::is_absent")]
    start_time: Slot<String>,
    #[serde(skip_serializing_if = "Slot::is_absent")]
    end_time: Slot<String>,
    #[serde(skip_serializing_if = "Slot::is_absent")]
    webrtc_session_id: Slot<String>,
    #[serde(skip_serializing_if = "Slot::is_absent")]
    client_ip: Slot<String>,
}

/// What real sidecars call a voice call.
const CALL: &str = "Call";
/// A time that is false is late by that much, as in the threads: 12 minutes.
const FALSE_TIME_SHIFT_MILLIS: i64 = 12 * 60 * 1000;
/// What stands for a false id or address.
const FALSE_TEXT: &str = "unknown";

const AVAILABLE: &str = "AVAILABLE";
const UPLOADING: &str = "UPLOADING";
const ERROR: &str = "ERROR";

/// The values of a recording's fields, as they are written: the truth, or something false.
struct Values<'a> {
    truth: &'a Truth,
    view: View,
}

impl Values<'_> {
    fn is_false(&self, field: Field) -> bool {
        self.view.wrong.contains(field)
    }

    fn held(&self) -> bool {
        (self.truth.hold == Hold::Held) != self.is_false(Field::LegalHoldFlag)
    }

    fn kind(&self) -> &'static str {
        match (self.truth.kind, self.is_false(Field::MediaType)) {
            (Kind::Webrtc, false) | (Kind::Sip, true) => Kind::Webrtc.name(),
            (Kind::Sip, false) | (Kind::Webrtc, true) => Kind::Sip.name(),
        }
    }

    fn call(&self) -> &'static str {
        if self.is_false(Field::MediaType) {
            "Chat"
        } else {
            CALL
        }
    }

    fn time(&self, field: Field, truth: WallTime) -> WallTime {
        let shift = if self.is_false(field) {
            FALSE_TIME_SHIFT_MILLIS
        } else {
            0
        };
        WallTime::from_unix_millis(truth.unix_millis() + shift)
    }

    fn start_time(&self) -> WallTime {
        self.time(Field::StartTime, self.truth.start_time)
    }

    fn end_time(&self) -> WallTime {
        self.time(Field::EndTime, self.truth.end_time)
    }

    fn text(&self, field: Field, truth: impl ToString) -> String {
        if self.is_false(field) {
            FALSE_TEXT.to_owned()
        } else {
            truth.to_string()
        }
    }

    fn forum(&self) -> WrittenForum {
        let (view, truth) = (&self.view, self.truth);
        let start = || self.start_time().to_string();
        let end = || self.end_time().to_string();
        let session = || self.text(Field::WebrtcSessionId, truth.session);
        let client_ip = || self.text(Field::ClientIp, truth.client_ip);
        WrittenForum {
            state: view.state,
            legal_hold_flag: Slot::of(view, Field::LegalHoldFlag, || self.held()),
            media_type: Slot::of(view, Field::MediaType, || self.kind()),
            start_time: Slot::of(view, Field::StartTime, start),
            end_time: Slot::of(view, Field::EndTime, end),
            webrtc_session_id: Slot::of(view, Field::WebrtcSessionId, session),
            client_ip: Slot::of(view, Field::ClientIp, client_ip),
        }
    }

    fn duration(&self) -> Slot<i64> {
        let times = [Field::StartTime, Field::EndTime];
        if times
            .into_iter()
            .all(|field| self.view.present.contains(field))
        {
            Slot::There(self.end_time().unix_millis() - self.start_time().unix_millis())
        } else {
            Slot::Absent
        }
    }

    fn file_state(&self) -> Slot<&'static str> {
        match Slot::of(&self.view, Field::Media, || self.is_false(Field::Media)) {
            Slot::There(true) => Slot::There(ERROR),
            Slot::There(false) => Slot::There(AVAILABLE),
            Slot::Null => Slot::Null,
            Slot::Absent => Slot::There(UPLOADING),
        }
    }
}

impl SidecarDocument<'_> {
    /// The document as JSON.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        let (truth, view) = (self.truth, &self.view);
        let values = Values {
            truth,
            view: self.view,
        };
        let digest = truth.media_digest.as_deref();
        let written = Written {
            organization_id: self.organization,
            conversation_id: truth.conversation.to_string(),
            recording_id: truth.recording.to_string(),
            media_type: Slot::of(view, Field::MediaType, || values.call()),
            provider: "edge",
            user_ids: [],
            initial_direction: "inbound",
            start_time: Slot::of(view, Field::StartTime, || values.start_time().to_string()),
            end_time: Slot::of(view, Field::EndTime, || values.end_time().to_string()),
            duration_ms: values.duration(),
            file_state: values.file_state(),
            media_digest: digest.filter(|_| view.present.contains(Field::Media)),
            forum: (self.dialect == Dialect::Forum).then(|| values.forum()),
            snapshot_at: self.epoch.wall_time(self.snapshot_at).to_string(),
            snapshot_at_nanos: self.snapshot_at.as_nanos(),
        };
        let json = serde_json::to_vec(&written).expect("strings and numbers serialize");
        Bytes::from(json)
    }
}

/// What is read. Fields are of any JSON type: one of the wrong type is false, not malformed.
#[derive(Deserialize)]
struct Read {
    #[serde(rename = "recordingId")]
    recording: Option<String>,
    #[serde(rename = "snapshotAtNanos")]
    snapshot_at_nanos: Option<u64>,
    #[serde(rename = "fileState", default)]
    file_state: Slot<Value>,
    #[serde(rename = "mediaDigest", default)]
    media_digest: Slot<Value>,
    #[serde(rename = "mediaType", default)]
    real_media_type: Slot<Value>,
    #[serde(rename = "startTime", default)]
    real_start_time: Slot<Value>,
    #[serde(rename = "endTime", default)]
    real_end_time: Slot<Value>,
    #[serde(default)]
    state: Slot<Value>,
    #[serde(default)]
    legal_hold_flag: Slot<Value>,
    #[serde(default)]
    media_type: Slot<Value>,
    #[serde(default)]
    start_time: Slot<Value>,
    #[serde(default)]
    end_time: Slot<Value>,
    #[serde(default)]
    webrtc_session_id: Slot<Value>,
    #[serde(default)]
    client_ip: Slot<Value>,
}

/// Reads a sidecar of the recording that `truth` is about.
///
/// Where both dialects have a key for a field the forum's counts.
///
/// # Errors
/// [`SidecarError`].
pub fn parse(bytes: &[u8], truth: &Truth) -> Result<ParsedSidecar, SidecarError> {
    if bytes.len() > SIDECAR_MAX {
        return Err(SidecarError::TooLong {
            length: bytes.len(),
        });
    }
    let read: Read = serde_json::from_slice(bytes)?;
    let expected = truth.recording;
    if read.recording.as_deref().and_then(RecordingId::parse) != Some(expected) {
        return Err(SidecarError::OtherRecording {
            found: read.recording,
            expected,
        });
    }
    let snapshot_at = read.snapshot_at_nanos.ok_or(SidecarError::NoSnapshot)?;
    Ok(ParsedSidecar {
        view: read.view(truth),
        snapshot_at: Timestamp::from_nanos(snapshot_at),
    })
}

impl Read {
    fn view(&self, truth: &Truth) -> View {
        let completed = matches!(&self.state, Slot::There(state) if state == "COMPLETED");
        let state = if completed {
            RecordingState::Completed
        } else {
            RecordingState::Processing
        };
        let empty = FieldSet::EMPTY;
        let mut view = View {
            present: empty,
            null: empty,
            wrong: empty,
            state,
        };
        let held = truth.hold == Hold::Held;
        see(&mut view, Field::LegalHoldFlag, &self.legal_hold_flag, held);
        if self.media_type.is_absent() {
            see(&mut view, Field::MediaType, &self.real_media_type, CALL);
        } else {
            see(
                &mut view,
                Field::MediaType,
                &self.media_type,
                truth.kind.name(),
            );
        }
        let start_time = first(&self.start_time, &self.real_start_time);
        see(
            &mut view,
            Field::StartTime,
            start_time,
            truth.start_time.to_string(),
        );
        let end_time = first(&self.end_time, &self.real_end_time);
        see(
            &mut view,
            Field::EndTime,
            end_time,
            truth.end_time.to_string(),
        );
        let session = truth.session.to_string();
        see(
            &mut view,
            Field::WebrtcSessionId,
            &self.webrtc_session_id,
            session,
        );
        see(
            &mut view,
            Field::ClientIp,
            &self.client_ip,
            truth.client_ip.to_string(),
        );
        self.see_media(&mut view, truth);
        view
    }

    fn see_media(&self, view: &mut View, truth: &Truth) {
        if !matches!(&self.file_state, Slot::There(state) if state == UPLOADING) {
            see(view, Field::Media, &self.file_state, AVAILABLE);
        }
        if let (Slot::There(digest), Some(expected)) = (&self.media_digest, &truth.media_digest)
            && view.present.contains(Field::Media)
            && digest != expected
        {
            view.wrong.insert(Field::Media);
        }
    }
}

fn first<'a>(forum: &'a Slot<Value>, real: &'a Slot<Value>) -> &'a Slot<Value> {
    if forum.is_absent() { real } else { forum }
}

/// Enters what a key says of a field whose true value is `truth`.
fn see(view: &mut View, field: Field, slot: &Slot<Value>, truth: impl Into<Value>) {
    match slot {
        Slot::Absent => {}
        Slot::Null => {
            view.null.insert(field);
            // No flag says the same as a false one.
            if truth.into() != Value::Bool(false) {
                view.wrong.insert(field);
            }
        }
        Slot::There(value) => {
            view.present.insert(field);
            if *value != truth.into() {
                view.wrong.insert(field);
            }
        }
    }
}
