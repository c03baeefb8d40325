//! The one place where what is visible of a recording becomes JSON, and JSON becomes that again.

use std::fmt;
use std::net::Ipv4Addr;

use racegate_model::draws::{Draws, Purpose, Seed};
use racegate_model::field::{Field, FieldSet, Kind};
use racegate_model::ids::{RecordingIndex, SessionId};
use racegate_model::timeline::{Hold, RecordingState, Timeline, View};
use racegate_model::workload::Call;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use super::{Epoch, Maybe, WallTime};

/// What is true of a recording, whatever its metadata says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    seed: Seed,
    recording: RecordingIndex,
    kind: Kind,
    hold: Hold,
    started: WallTime,
    ended: WallTime,
}

/// A false date is off by that much: far more than a late hang-up.
const FALSE_MINUTES: i64 = 12;
/// A date is false when it is off by more than this: sessions end a little late under load.
const DATE_TOLERANCE_MILLIS: u64 = 60_000;
/// Position of the address among the draws of a call's identity; 1 to 3 are its public ids.
const IDENTITY_ADDRESS: u32 = 16;

impl Facts {
    /// The facts of a recording on the platform.
    #[must_use]
    pub fn of_timeline(seed: Seed, epoch: Epoch, timeline: &Timeline) -> Self {
        Self {
            seed,
            recording: timeline.recording,
            kind: timeline.kind,
            hold: timeline.hold,
            started: epoch.date(timeline.started_at),
            ended: epoch.date(timeline.ended_at),
        }
    }

    /// The facts of a planned call: what a client that knows the plan expects.
    #[must_use]
    pub fn of_call(seed: Seed, epoch: Epoch, call: &Call) -> Self {
        Self {
            seed,
            recording: call.index,
            kind: call.kind,
            hold: call.hold,
            started: epoch.date(call.arrival),
            ended: epoch.date(call.ended_at()),
        }
    }

    /// The recording.
    #[must_use]
    pub const fn recording(&self) -> RecordingIndex {
        self.recording
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// When the call began.
    #[must_use]
    pub const fn started(&self) -> WallTime {
        self.started
    }

    /// When the session ended.
    #[must_use]
    pub const fn ended(&self) -> WallTime {
        self.ended
    }

    /// The softphone's session id.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId::of(self.seed, self.recording)
    }

    /// The softphone's address: derived, for most sessions have no network of their own.
    #[must_use]
    pub const fn client_ip(&self) -> Ipv4Addr {
        let draw = Draws::of_call(self.seed, self.recording.0)
            .draw_nth(Purpose::Identity, IDENTITY_ADDRESS)
            .to_le_bytes();
        Ipv4Addr::new(10, draw[0], draw[1], draw[2])
    }

    /// The neighbour that false values are borrowed from.
    const fn other(&self) -> Self {
        Self { recording: RecordingIndex(self.recording.0 ^ 1), ..*self }
    }

    fn holds(&self, field: Field, said: &Scalar) -> bool {
        match (field, said) {
            (Field::LegalHoldFlag, Scalar::Bool(flag)) => *flag == (self.hold == Hold::Held),
            (Field::MediaType, Scalar::Text(text)) => text.eq_ignore_ascii_case(self.kind.name()),
            (Field::StartTime, Scalar::Text(text)) => near(self.started, text),
            (Field::EndTime, Scalar::Text(text)) => near(self.ended, text),
            (Field::WebrtcSessionId, Scalar::Text(text)) => {
                SessionId::parse(text) == Some(self.session())
            }
            (Field::ClientIp, Scalar::Text(text)) => text.parse() == Ok(self.client_ip()),
            _ => false,
        }
    }
}

fn near(truth: WallTime, said: &str) -> bool {
    WallTime::parse(said)
        .is_some_and(|said| said.distance_millis(truth) <= DATE_TOLERANCE_MILLIS)
}

/// The metadata fields as they are served: absent, null, true or false.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::http) struct Fields {
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    legal_hold_flag: Maybe<bool>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    media_type: Maybe<&'static str>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    start_time: Maybe<WallTime>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    end_time: Maybe<WallTime>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    webrtc_session_id: Maybe<Shown<SessionId>>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    client_ip: Maybe<Ipv4Addr>,
}

impl Fields {
    /// What `view` shows of `facts`.
    pub(in crate::http) fn of(view: &View, facts: &Facts) -> Self {
        let held = facts.hold == Hold::Held;
        let other = facts.other();
        let other_kind = match facts.kind {
            Kind::Webrtc => Kind::Sip,
            Kind::Sip => Kind::Webrtc,
        };
        let late = |date: WallTime| date.plus_minutes(FALSE_MINUTES);
        Self {
            legal_hold_flag: said(view, Field::LegalHoldFlag, || held, || !held),
            media_type: said(view, Field::MediaType, || facts.kind.name(), || other_kind.name()),
            start_time: said(view, Field::StartTime, || facts.started, || late(facts.started)),
            end_time: said(view, Field::EndTime, || facts.ended, || late(facts.ended)),
            webrtc_session_id: said(
                view,
                Field::WebrtcSessionId,
                || Shown(facts.session()),
                || Shown(other.session()),
            ),
            client_ip: said(view, Field::ClientIp, || facts.client_ip(), || other.client_ip()),
        }
    }

    pub(in crate::http) const fn legal_hold_flag(&self) -> Maybe<bool> {
        self.legal_hold_flag
    }

    pub(in crate::http) const fn media_type(&self) -> Maybe<&'static str> {
        self.media_type
    }

    pub(in crate::http) const fn start_time(&self) -> Maybe<WallTime> {
        self.start_time
    }

    pub(in crate::http) const fn end_time(&self) -> Maybe<WallTime> {
        self.end_time
    }

    pub(in crate::http) const fn session_id(&self) -> Maybe<Shown<SessionId>> {
        self.webrtc_session_id
    }
}

fn said<T>(
    view: &View,
    field: Field,
    truth: impl FnOnce() -> T,
    falsehood: impl FnOnce() -> T,
) -> Maybe<T> {
    if view.present.contains(field) {
        Maybe::Value(if view.wrong.contains(field) { falsehood() } else { truth() })
    } else if view.null.contains(field) {
        Maybe::Null
    } else {
        Maybe::Absent
    }
}

/// Something that goes over the wire as it is displayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) struct Shown<T>(pub(in crate::http) T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// What a server says of a recording. Tolerant: a value of a strange type is a false value.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct RecordingBody {
    state: Maybe<Scalar>,
    #[serde(rename = "fileState")]
    file_state: Maybe<Scalar>,
    legal_hold_flag: Maybe<Scalar>,
    media_type: Maybe<Scalar>,
    start_time: Maybe<Scalar>,
    end_time: Maybe<Scalar>,
    webrtc_session_id: Maybe<Scalar>,
    client_ip: Maybe<Scalar>,
    metadata: Option<Box<Self>>,
}

impl RecordingBody {
    /// What the body shows to somebody who knows the facts.
    #[must_use]
    pub fn view(&self, facts: &Facts) -> View {
        let mut view = View {
            present: FieldSet::EMPTY,
            null: FieldSet::EMPTY,
            wrong: FieldSet::EMPTY,
            state: RecordingState::Processing,
        };
        for field in Field::METADATA {
            match self.said(field) {
                Maybe::Absent => {}
                Maybe::Null => view.null.insert(field),
                Maybe::Value(said) => {
                    view.present.insert(field);
                    if !facts.holds(field, said) {
                        view.wrong.insert(field);
                    }
                }
            }
        }
        if self.file_state.says("AVAILABLE") {
            view.present.insert(Field::Media);
        }
        if self.state.says("COMPLETED") {
            view.state = RecordingState::Completed;
        }
        view
    }

    /// What is said of a field: in the body itself or in its `metadata`.
    fn said(&self, field: Field) -> Maybe<&Scalar> {
        let inner = self.metadata.as_deref().map_or(Maybe::Absent, |inner| inner.own(field));
        self.own(field).or(inner)
    }

    fn own(&self, field: Field) -> Maybe<&Scalar> {
        let key = match field {
            Field::LegalHoldFlag => &self.legal_hold_flag,
            Field::MediaType => &self.media_type,
            Field::StartTime => &self.start_time,
            Field::EndTime => &self.end_time,
            Field::WebrtcSessionId => &self.webrtc_session_id,
            Field::ClientIp => &self.client_ip,
            Field::Media => &self.file_state,
        };
        match key {
            Maybe::Absent => Maybe::Absent,
            Maybe::Null => Maybe::Null,
            Maybe::Value(said) => Maybe::Value(said),
        }
    }
}

/// A value as it was said, whatever its type.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Scalar {
    Bool(bool),
    Text(Box<str>),
    Other,
}

impl Maybe<Scalar> {
    fn says(&self, word: &str) -> bool {
        matches!(self, Self::Value(Scalar::Text(text)) if **text == *word)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.into()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Scalar, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}
