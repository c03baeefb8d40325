//! The one place where what is visible of a recording becomes JSON, and JSON becomes that again.

use std::fmt;
use std::net::IpAddr;

use racegate_model::field::{Field, FieldSet, Kind};
use racegate_model::ids::SessionId;
use racegate_model::timeline::{Hold, RecordingState, View};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::written::{Object, key};
use super::{ApiDate, Maybe};
use crate::storage::layout::WallTime;
use crate::storage::sidecar::Truth;

/// A false date is late by that much: far more than a late hang-up. As in sidecars.
const FALSE_MINUTES: i64 = 12;
/// What stands for a false id or address. As in sidecars.
const FALSE_TEXT: &str = "unknown";
/// A date is false when it is off by more than this: sessions end a little late under load.
const DATE_TOLERANCE_MILLIS: u64 = 60_000;

fn holds(truth: &Truth, field: Field, said: &Scalar) -> bool {
    match (field, said) {
        (Field::LegalHoldFlag, Scalar::Bool(flag)) => *flag == (truth.hold == Hold::Held),
        (Field::MediaType, Scalar::Text(text)) => text.eq_ignore_ascii_case(truth.kind.name()),
        (Field::StartTime, Scalar::Text(text)) => near(truth.start_time, text),
        (Field::EndTime, Scalar::Text(text)) => near(truth.end_time, text),
        (Field::WebrtcSessionId, Scalar::Text(text)) => {
            SessionId::parse(text) == Some(truth.session)
        }
        (Field::ClientIp, Scalar::Text(text)) => text.parse() == Ok(truth.client_ip),
        _ => false,
    }
}

fn near(truth: WallTime, said: &str) -> bool {
    ApiDate::parse(said).is_some_and(|said| {
        said.0.unix_millis().abs_diff(truth.unix_millis()) <= DATE_TOLERANCE_MILLIS
    })
}

/// A text that is true or is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) enum TextOf<T> {
    True(T),
    False,
}

impl Object<'_> {
    /// A session's id, true or not.
    pub(super) fn session(&mut self, key: &'static str, id: TextOf<SessionId>) {
        match id {
            TextOf::True(id) => self.plain(key, &id.text()),
            TextOf::False => self.plain(key, FALSE_TEXT.as_bytes()),
        }
    }
}

impl<T: fmt::Display> fmt::Display for TextOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::True(value) => value.fmt(f),
            Self::False => f.write_str(FALSE_TEXT),
        }
    }
}

impl<T: fmt::Display> Serialize for TextOf<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The metadata fields as they are served: absent, null, true or false.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(in crate::http) struct Fields {
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<bool>, required = false)]
    legal_hold_flag: Maybe<bool>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    media_type: Maybe<&'static str>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<ApiDate>, required = false)]
    start_time: Maybe<ApiDate>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<ApiDate>, required = false)]
    end_time: Maybe<ApiDate>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    webrtc_session_id: Maybe<TextOf<SessionId>>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    #[schema(value_type = Option<String>, required = false)]
    client_ip: Maybe<TextOf<IpAddr>>,
}

impl Fields {
    /// What `view` shows of `truth`.
    pub(in crate::http) fn of(view: &View, truth: &Truth) -> Self {
        let held = truth.hold == Hold::Held;
        let other_kind = match truth.kind {
            Kind::Webrtc => Kind::Sip,
            Kind::Sip => Kind::Webrtc,
        };
        let (start, end) = (ApiDate(truth.start_time), ApiDate(truth.end_time));
        let late = |date: ApiDate| date.plus_minutes(FALSE_MINUTES);
        let (session, address) = (truth.session, truth.client_ip);
        Self {
            legal_hold_flag: said(view, Field::LegalHoldFlag, || held, || !held),
            media_type: said(
                view,
                Field::MediaType,
                || truth.kind.name(),
                || other_kind.name(),
            ),
            start_time: said(view, Field::StartTime, || start, || late(start)),
            end_time: said(view, Field::EndTime, || end, || late(end)),
            webrtc_session_id: said(
                view,
                Field::WebrtcSessionId,
                || TextOf::True(session),
                || TextOf::False,
            ),
            client_ip: said(
                view,
                Field::ClientIp,
                || TextOf::True(address),
                || TextOf::False,
            ),
        }
    }

    /// Writes what `Serialize` does.
    pub(super) fn write(&self, object: &mut Object<'_>) {
        object.maybe(
            key!("legal_hold_flag"),
            self.legal_hold_flag,
            |o, key, flag| {
                o.raw(key, if flag { "true" } else { "false" });
            },
        );
        object.maybe(key!("media_type"), self.media_type, |o, key, kind| {
            o.plain(key, kind.as_bytes());
        });
        object.maybe(key!("start_time"), self.start_time, Object::date);
        object.maybe(key!("end_time"), self.end_time, Object::date);
        object.maybe(
            key!("webrtc_session_id"),
            self.webrtc_session_id,
            Object::session,
        );
        object.maybe(
            key!("client_ip"),
            self.client_ip,
            |o, key, address| match address {
                TextOf::True(address) => o.address(key, address),
                TextOf::False => o.plain(key, FALSE_TEXT.as_bytes()),
            },
        );
    }

    pub(in crate::http) const fn legal_hold_flag(&self) -> Maybe<bool> {
        self.legal_hold_flag
    }

    pub(in crate::http) const fn media_type(&self) -> Maybe<&'static str> {
        self.media_type
    }

    pub(in crate::http) const fn start_time(&self) -> Maybe<ApiDate> {
        self.start_time
    }

    pub(in crate::http) const fn end_time(&self) -> Maybe<ApiDate> {
        self.end_time
    }

    pub(in crate::http) const fn session_id(&self) -> Maybe<TextOf<SessionId>> {
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
        Maybe::Value(if view.wrong.contains(field) {
            falsehood()
        } else {
            truth()
        })
    } else if view.null.contains(field) {
        Maybe::Null
    } else {
        Maybe::Absent
    }
}

/// Something that goes over the wire as it is displayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) struct Shown<T>(pub(in crate::http) T);

/// The schema of every [`Shown`] id.
pub(in crate::http) struct Id;

impl PartialSchema for Id {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::Custom("uuid".to_owned());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(format))
            .into()
    }
}

impl ToSchema for Id {}

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
    /// What the body shows to somebody who knows the truth.
    #[must_use]
    pub fn view(&self, truth: &Truth) -> View {
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
                    if !holds(truth, field, said) {
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
        let inner = self
            .metadata
            .as_deref()
            .map_or(Maybe::Absent, |inner| inner.own(field));
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
