//! Where the fields of a recording stand in an exporter's own JSON.

use std::collections::BTreeMap;

use mock_api::storage::sidecar::{self, Truth};
use racegate_model::draws::Seed;
use racegate_model::field::Field;
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex};
use racegate_model::timeline::View;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Where the fields stand: JSON pointers (`/metadata/hold`) or names of the outermost object. Of
/// several the first that is there counts.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldMap {
    /// The recording's id.
    #[serde(default = "recording_keys")]
    recording: Places,
    /// The conversation's id, where there is no recording's.
    #[serde(default = "conversation_keys")]
    conversation: Places,
    /// Each field by its name; a field that is not named stands under its own.
    #[serde(default)]
    fields: BTreeMap<String, Places>,
}

/// One place or several.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(untagged)]
enum Places {
    One(String),
    Several(Vec<String>),
}

fn recording_keys() -> Places {
    several(&["recordingId", "recording_id", "id"])
}

fn conversation_keys() -> Places {
    several(&["conversationId", "conversation_id"])
}

fn several(names: &[&str]) -> Places {
    Places::Several(names.iter().map(|name| (*name).to_owned()).collect())
}

/// The fields that a sidecar holds, media apart.
const FIELDS: [Field; 6] = [
    Field::LegalHoldFlag,
    Field::MediaType,
    Field::StartTime,
    Field::EndTime,
    Field::WebrtcSessionId,
    Field::ClientIp,
];

impl Default for FieldMap {
    fn default() -> Self {
        Self {
            recording: recording_keys(),
            conversation: conversation_keys(),
            fields: BTreeMap::new(),
        }
    }
}

impl Places {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }

    fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.names().iter().find_map(|name| {
            if name.starts_with('/') {
                document.pointer(name)
            } else {
                document.get(name)
            }
        })
    }
}

impl FieldMap {
    /// Reads a map.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // A list would be read as the values of the keys in their order.
        if !text.trim_start().starts_with('{') {
            return Err("a field map is a JSON object, e.g. {\"recording\": \"id\"}".to_owned());
        }
        let map: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let known: Vec<&str> = FIELDS.iter().map(|field| field.name()).collect();
        match map
            .fields
            .keys()
            .find(|name| !known.contains(&name.as_str()))
        {
            Some(unknown) => Err(format!(
                "`{unknown}` is no field; there are {}",
                known.join(", ")
            )),
            None => Ok(map),
        }
    }

    /// What a document says of its recording; none if it is about none that there is.
    pub(super) fn read(
        &self,
        bytes: &[u8],
        truth: impl Fn(RecordingId) -> Option<Truth>,
        seed: Seed,
    ) -> Result<Option<(RecordingIndex, View)>, String> {
        let document: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let Some(recording) = self.recording_of(&document, seed) else {
            return Ok(None);
        };
        let Some(truth) = truth(RecordingId::of(seed, recording)) else {
            return Ok(None);
        };
        let native = self.native(&document, &truth);
        let text = serde_json::to_vec(&native).map_err(|error| error.to_string())?;
        let parsed = sidecar::parse(&text, &truth).map_err(|error| error.to_string())?;
        Ok(Some((recording, parsed.view)))
    }

    fn recording_of(&self, document: &Value, seed: Seed) -> Option<RecordingIndex> {
        let text = |places: &Places| places.find(document)?.as_str();
        let named = text(&self.recording).and_then(RecordingId::parse);
        named.and_then(|id| id.index(seed)).or_else(|| {
            text(&self.conversation)
                .and_then(ConversationId::parse)
                .and_then(|id| id.index(seed))
        })
    }

    /// The same as a sidecar of an export job. An exporter that reads recordings itself is judged by
    /// its metadata; whether it has the audio too is not in its JSON.
    fn native(&self, document: &Value, truth: &Truth) -> Value {
        let mut native = Map::new();
        for field in FIELDS {
            let name = field.name();
            let own = own_places(name);
            let places = self.fields.get(name).unwrap_or(&own);
            if let Some(value) = places.find(document) {
                // The real API calls every medium of a call so, under a key of its own.
                let real = field == Field::MediaType && value == "call";
                let key = if real { "mediaType" } else { name };
                native.insert(key.to_owned(), same_date(value, field, truth));
            }
        }
        native.insert("recordingId".into(), json!(truth.recording.to_string()));
        native.insert("fileState".into(), json!("AVAILABLE"));
        native.insert("snapshotAtNanos".into(), json!(0));
        Value::Object(native)
    }
}

/// Where a field stands unless told otherwise: outermost, or as the API's own recordings have it.
fn own_places(name: &str) -> Places {
    let camel = camel(name);
    let beneath = |name: &str| format!("/metadata/{name}");
    Places::Several(vec![
        name.to_owned(),
        beneath(name),
        camel.clone(),
        beneath(&camel),
    ])
}

/// A date in another notation than the sidecar's is the same date.
fn same_date(value: &Value, field: Field, truth: &Truth) -> Value {
    let expected = match field {
        Field::StartTime => truth.start_time,
        Field::EndTime => truth.end_time,
        Field::LegalHoldFlag
        | Field::MediaType
        | Field::WebrtcSessionId
        | Field::ClientIp
        | Field::Media => return value.clone(),
    };
    let millis = match value {
        Value::String(text) => text
            .parse::<jiff::Timestamp>()
            .map(|at| at.as_millisecond())
            .ok(),
        Value::Number(number) => number.as_i64(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    if millis == Some(expected.unix_millis()) {
        json!(expected.to_string())
    } else {
        value.clone()
    }
}

/// `legal_hold_flag` as `legalHoldFlag`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| {
        let mut letters = word.chars();
        let head = letters.next().map(|letter| letter.to_ascii_uppercase());
        text + &head.into_iter().chain(letters).collect::<String>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_with_a_field_that_does_not_exist_is_refused_by_name() {
        let error = FieldMap::parse(r#"{"fields": {"hold": "/x"}}"#).expect_err("no such field");
        assert!(
            error.contains("`hold`") && error.contains("legal_hold_flag"),
            "{error}"
        );
        assert!(FieldMap::parse(r#"{"field": {}}"#).is_err());
        assert!(FieldMap::parse("[]").is_err());
    }

    #[test]
    fn a_recording_as_the_api_shows_it_has_its_fields_where_they_are_looked_for() {
        let found = |document: Value| own_places("legal_hold_flag").find(&document).cloned();
        assert_eq!(found(json!({"legal_hold_flag": true})), Some(json!(true)));
        assert_eq!(found(json!({"legalHoldFlag": true})), Some(json!(true)));
        let beneath = json!({"id": "x", "metadata": {"legal_hold_flag": false}});
        assert_eq!(found(beneath), Some(json!(false)));
        assert_eq!(found(json!({"metadata": null})), None);
    }

    #[test]
    fn a_place_is_a_name_or_a_pointer_and_the_first_that_is_there_counts() {
        let document = json!({"a": {"b": 1}, "c": null});
        let find = |names: &[&str]| several(names).find(&document).cloned();
        assert_eq!(find(&["/a/b"]), Some(json!(1)));
        assert_eq!(find(&["x", "c"]), Some(Value::Null));
        assert_eq!(find(&["b"]), None);
    }

    #[test]
    fn names_of_fields_are_read_in_both_spellings() {
        assert_eq!(camel("legal_hold_flag"), "legalHoldFlag");
        assert_eq!(camel("client_ip"), "clientIp");
    }
}
