//! Recordings, as the real API shows them and as the forum threads believe it does.

use racegate_model::ids::{ConversationId, RecordingId, SessionId};
use racegate_model::timeline::RecordingState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::annotation::Annotation;
use super::fields::{Fields, Id, Shown, TextOf};
use super::written::{Object, Written, key};
use super::{ApiDate, Maybe};

/// Where a recording's file is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::http) enum FileState {
    Archived,
    Available,
    Deleted,
    Restored,
    Restoring,
    Uploading,
    Error,
}

/// The states that a client may say of a recording: a file's upload, its loss and its deletion are
/// the platform's alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::http) enum StateSaid {
    Archived,
    Available,
    Restored,
    Restoring,
}

/// Where archived files go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::http) enum ArchiveMedium {
    CloudArchive,
}

/// `Recording`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Recording {
    #[schema(value_type = Id)]
    pub(in crate::http) id: Shown<RecordingId>,
    #[schema(value_type = Id)]
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<ApiDate>, required = false)]
    pub(in crate::http) start_time: Maybe<ApiDate>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<ApiDate>, required = false)]
    pub(in crate::http) end_time: Maybe<ApiDate>,
    pub(in crate::http) media: &'static str,
    pub(in crate::http) media_subtype: &'static str,
    pub(in crate::http) annotations: Vec<Annotation>,
    pub(in crate::http) file_state: FileState,
    #[schema(value_type = Option<std::collections::BTreeMap<String, MediaUri>>)]
    pub(in crate::http) media_uris: Option<MediaUris>,
    pub(in crate::http) output_duration_ms: u64,
    #[serde(flatten)]
    pub(in crate::http) retention: RetentionDates,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    pub(in crate::http) session_id: Maybe<TextOf<SessionId>>,
    #[schema(value_type = Vec<String>)]
    pub(in crate::http) users: [(); 0],
    pub(in crate::http) recording_file_role: &'static str,
    pub(in crate::http) creation_time: ApiDate,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ForumExtras)]
    pub(in crate::http) forum: Option<ForumExtras>,
    pub(in crate::http) self_uri: String,
}

impl Written for Recording {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        object.plain(key!("id"), &self.id.0.text());
        object.plain(key!("conversationId"), &self.conversation_id.0.text());
        object.maybe(key!("startTime"), self.start_time, Object::date);
        object.maybe(key!("endTime"), self.end_time, Object::date);
        object.plain(key!("media"), self.media.as_bytes());
        object.plain(key!("mediaSubtype"), self.media_subtype.as_bytes());
        match self.annotations.as_slice() {
            [] => object.raw(key!("annotations"), "[]"),
            some => object.value(key!("annotations"), &some),
        }
        object.plain(key!("fileState"), self.file_state.name().as_bytes());
        match &self.media_uris {
            None => object.raw(key!("mediaUris"), "null"),
            Some(uris) => object.object(key!("mediaUris"), |o| uris.write(o)),
        }
        object.number(key!("outputDurationMs"), self.output_duration_ms);
        self.retention.write(&mut object);
        object.maybe(key!("sessionId"), self.session_id, Object::session);
        object.raw(key!("users"), "[]");
        object.plain(
            key!("recordingFileRole"),
            self.recording_file_role.as_bytes(),
        );
        object.date(key!("creationTime"), self.creation_time);
        if let Some(forum) = &self.forum {
            let state = match forum.state {
                RecordingState::Processing => "PROCESSING",
                RecordingState::Completed => "COMPLETED",
            };
            object.plain(key!("state"), state.as_bytes());
            forum.fields.write(&mut object);
        }
        object.plain(key!("selfUri"), self.self_uri.as_bytes());
        object.close();
    }
}

impl<const N: usize> Written for [Recording; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (nth, recording) in self.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            recording.write(out);
        }
        out.push(b']');
    }
}

impl FileState {
    const fn name(self) -> &'static str {
        match self {
            Self::Archived => "ARCHIVED",
            Self::Available => "AVAILABLE",
            Self::Deleted => "DELETED",
            Self::Restored => "RESTORED",
            Self::Restoring => "RESTORING",
            Self::Uploading => "UPLOADING",
            Self::Error => "ERROR",
        }
    }
}

/// What is to become of a recording, and what has.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RetentionDates {
    pub(in crate::http) restore_expiration_time: Option<ApiDate>,
    pub(in crate::http) archive_date: Option<ApiDate>,
    /// Left out rather than null, which the Python SDK cannot read of an enum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) archive_medium: Option<ArchiveMedium>,
    pub(in crate::http) delete_date: Option<ApiDate>,
    /// When the recording is to be exported.
    pub(in crate::http) export_date: Option<ApiDate>,
    /// When it was: the one proof of an export.
    pub(in crate::http) exported_date: Option<ApiDate>,
}

/// The part of a `Recording` that a client may change.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecordingUpdate {
    /// Goes to the archive then; none takes it back.
    pub(in crate::http) archive_date: Option<ApiDate>,
    /// There is one.
    #[expect(dead_code, reason = "it is checked only")]
    pub(in crate::http) archive_medium: Option<ArchiveMedium>,
    /// Is deleted then; none keeps it.
    pub(in crate::http) delete_date: Option<ApiDate>,
    /// Until when a recording that is restored stays so, if no archive date says it.
    pub(in crate::http) restore_expiration_time: Option<ApiDate>,
    /// Whoever changes a date sends the whole recording back, with the state that it was shown.
    /// Nothing but the dates decides; a state that only the platform sets is refused.
    #[expect(dead_code, reason = "it is checked only")]
    pub(in crate::http) file_state: Option<StateSaid>,
}

impl RetentionDates {
    fn write(&self, object: &mut Object<'_>) {
        object.date_or_null(key!("restoreExpirationTime"), self.restore_expiration_time);
        object.date_or_null(key!("archiveDate"), self.archive_date);
        if let Some(medium) = &self.archive_medium {
            object.value(key!("archiveMedium"), medium);
        }
        object.date_or_null(key!("deleteDate"), self.delete_date);
        object.date_or_null(key!("exportDate"), self.export_date);
        object.date_or_null(key!("exportedDate"), self.exported_date);
    }
}

/// The audio under each key that clients look for. There is one channel: it is the first, `0`, and the
/// whole, `S`, which the real API has where it puts channels together.
pub(in crate::http) struct MediaUris(pub(in crate::http) MediaUri);

impl Serialize for MediaUris {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(["0", "S"].map(|key| (key, &self.0)))
    }
}

impl MediaUris {
    fn write(&self, object: &mut Object<'_>) {
        for key in [key!("0"), key!("S")] {
            object.object(key, |o| {
                o.text(key!("mediaUri"), &self.0.media_uri);
                o.raw(key!("waveformData"), "[]");
            });
        }
    }
}

/// Where the audio is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct MediaUri {
    pub(in crate::http) media_uri: String,
    /// Not made here.
    #[schema(value_type = Vec<f32>)]
    pub(in crate::http) waveform_data: [(); 0],
}

/// `RecordingMetadata`: its times are those of screen recordings only, so null here.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecordingMetadata {
    #[schema(value_type = Id)]
    pub(in crate::http) id: Shown<RecordingId>,
    #[schema(value_type = Id)]
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    pub(in crate::http) start_time: Option<ApiDate>,
    pub(in crate::http) end_time: Option<ApiDate>,
    pub(in crate::http) media: &'static str,
    pub(in crate::http) media_subtype: &'static str,
    /// There once the file is AVAILABLE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) annotations: Option<Vec<Annotation>>,
    pub(in crate::http) file_state: FileState,
    #[serde(flatten)]
    pub(in crate::http) retention: RetentionDates,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    pub(in crate::http) session_id: Maybe<TextOf<SessionId>>,
    pub(in crate::http) region: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ForumExtras)]
    pub(in crate::http) forum: Option<ForumExtras>,
    pub(in crate::http) self_uri: String,
}

/// What the forum dialect adds to a real recording.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ForumExtras {
    #[schema(value_type = ForumState, required = false)]
    pub(in crate::http) state: RecordingState,
    #[serde(flatten)]
    pub(in crate::http) fields: Fields,
}

/// The forum dialect's states, for the document.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "it documents the model's own enum")]
enum ForumState {
    Processing,
    Completed,
}

/// The forum threads' `GET /api/v2/recordings/recording/{id}`.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ForumRecording {
    #[schema(value_type = Id)]
    pub(in crate::http) id: Shown<RecordingId>,
    #[serde(rename = "conversationId")]
    #[schema(value_type = Id)]
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    #[schema(value_type = ForumState)]
    pub(in crate::http) state: RecordingState,
    #[serde(rename = "fileState")]
    pub(in crate::http) file_state: FileState,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<bool>, required = false)]
    pub(in crate::http) legal_hold_flag: Maybe<bool>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    pub(in crate::http) media_type: Maybe<&'static str>,
    pub(in crate::http) metadata: Fields,
    #[serde(rename = "selfUri")]
    pub(in crate::http) self_uri: String,
}

/// `RecordingRetention`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecordingRetention {
    #[schema(value_type = Id)]
    pub(in crate::http) conversation_id: Shown<ConversationId>,
    #[schema(value_type = Id)]
    pub(in crate::http) recording_id: Shown<RecordingId>,
    pub(in crate::http) archive_date: Option<ApiDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) archive_medium: Option<ArchiveMedium>,
    pub(in crate::http) delete_date: Option<ApiDate>,
    pub(in crate::http) export_date: Option<ApiDate>,
    pub(in crate::http) exported_date: Option<ApiDate>,
    pub(in crate::http) creation_time: ApiDate,
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;
    use racegate_model::draws::Seed;
    use racegate_model::field::{Field, FieldSet, Kind};
    use racegate_model::ids::RecordingIndex;
    use racegate_model::timeline::{Hold, View};

    use super::*;
    use crate::http::wire::annotation::AnnotationBody;
    use crate::http::wire::job::Reference;
    use crate::storage::layout::WallTime;
    use crate::storage::sidecar::Truth;

    fn truth(index: u64) -> Truth {
        let (seed, index) = (Seed(7), RecordingIndex(index));
        Truth {
            conversation: ConversationId::of(seed, index),
            recording: RecordingId::of(seed, index),
            kind: Kind::Webrtc,
            hold: Hold::Held,
            start_time: WallTime::from_unix_millis(1_772_874_000_000),
            end_time: WallTime::from_unix_millis(1_772_874_007_001),
            session: SessionId::of(seed, index),
            client_ip: IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)),
            media_digest: None,
        }
    }

    fn annotation(text: String) -> Annotation {
        let reference = |id: &str| Reference {
            id: id.to_owned(),
            self_uri: format!("/x/{id}"),
        };
        Annotation {
            id: "a".to_owned(),
            said: AnnotationBody {
                name: Some(text),
                ..AnnotationBody::default()
            },
            user: reference("u"),
            self_uri: "/y".to_owned(),
        }
    }

    fn fields_of(states: &[u8; 6]) -> View {
        let of = |wanted: &[u8]| {
            let fields = Field::METADATA.into_iter().zip(states);
            fields
                .filter(|(_, state)| wanted.contains(state))
                .map(|(field, _)| field)
                .collect::<FieldSet>()
        };
        View {
            present: of(&[2, 3]),
            null: of(&[1]),
            wrong: of(&[3]),
            state: RecordingState::Completed,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_by_hand_is_what_a_serializer_writes(
            states in proptest::array::uniform6(0_u8..4),
            dates in proptest::option::of(0_i64..4_000_000_000_000),
            forum: bool,
            url in proptest::option::of(".{0,30}"),
            note in proptest::option::of(".{0,20}"),
            index in 0_u64..1_000_000,
        ) {
            let truth = truth(index);
            let fields = Fields::of(&fields_of(&states), &truth);
            let date = dates.map(ApiDate::of_unix_millis);
            let recording = || Recording {
                id: Shown(truth.recording),
                conversation_id: Shown(truth.conversation),
                start_time: fields.start_time(),
                end_time: fields.end_time(),
                media: "audio",
                media_subtype: "Station",
                annotations: note.clone().map(annotation).into_iter().collect(),
                file_state: if forum { FileState::Available } else { FileState::Restoring },
                media_uris: url.clone().map(|media_uri| MediaUris(MediaUri {
                    media_uri,
                    waveform_data: [],
                })),
                output_duration_ms: index,
                retention: RetentionDates {
                    restore_expiration_time: date,
                    archive_date: date,
                    archive_medium: date.map(|_| ArchiveMedium::CloudArchive),
                    delete_date: None,
                    export_date: date,
                    exported_date: None,
                },
                session_id: fields.session_id(),
                users: [],
                recording_file_role: "CUSTOMER_EXPERIENCE",
                creation_time: ApiDate(truth.end_time),
                forum: forum.then_some(ForumExtras { state: RecordingState::Completed, fields }),
                self_uri: format!("/api/{index}"),
            };
            let mut written = Vec::new();
            [recording(), recording()].write(&mut written);
            let expected = serde_json::to_string(&[recording(), recording()]).unwrap();
            prop_assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
    }
}
