//! The schema of `[[gate]]`: one form per strategy, with exactly its keys.

use racegate_model::gate::Strategy;
use racegate_model::gate::keys::{Key, Keys, Value as Place};
use racegate_model::scenario::{Backoff, Readiness};
use serde_json::{Map, Value, json};

use crate::gate::{LEARNED, VERIFY_REPAIR};
use crate::request::SCOPES;

use super::parts::{array, extend, name, object, one_of, reference, slots, words};

/// One `[[gate]]`.
pub(super) fn schema() -> Value {
    let strategies = || Strategy::all().into_iter();
    let mut forms: Vec<Value> = strategies()
        .map(|mut strategy| {
            let listed = Listed::of(|keys| strategy.keys(keys));
            form(json!({ "const": strategy.name() }), listed)
        })
        .collect();
    forms.extend(strategies().map(|mut inner| {
        let mut listed = Listed::of(|keys| inner.keys(keys));
        let name = inner.name();
        listed.properties["inner"] = json!({ "const": name });
        if inner != Strategy::NONE {
            listed.required.push("inner");
        }
        form(json!({ "const": VERIFY_REPAIR }), listed)
    }));
    one_of(forms)
}

/// The keys of a back-off.
pub(super) fn backoff() -> Value {
    Listed::of(|keys| Backoff::default().keys(keys)).properties
}

/// A gate with the keys that every strategy has.
fn form(strategy: Value, mut listed: Listed) -> Value {
    let common = json!({
        "name": name(),
        "strategy": strategy,
        "start": words(&["session-end", "media"]),
        "max_exports": { "type": "integer", "minimum": 2, "maximum": 1000 },
        "repair_delay": reference("duration"),
        "filters": object(
            json!({
                "include_metadata": { "type": "boolean" },
                "include_webrtc_metadata": { "type": "boolean" },
                "media_type": words(&["webRTC", "SIP", "WEBCAM"]),
            }),
            &[],
        ),
        "scopes": array(words(&SCOPES.map(|(scope, _)| scope)), 0, 16),
        "sidecar_suffix": words(&["_metadata.json", ".json"]),
        "done_when": words(&["status", "counters"]),
        "jobs_at_once": slots(),
    });
    extend(&mut listed.properties, common);
    let required = [&["name", "strategy"], &listed.required[..]].concat();
    object(listed.properties, &required)
}

/// Keys as properties, and those that are required.
struct Listed {
    properties: Value,
    required: Vec<&'static str>,
}

impl Listed {
    fn of(list: impl FnOnce(&mut dyn Keys)) -> Self {
        let mut listed = Self {
            properties: Value::Object(Map::new()),
            required: Vec::new(),
        };
        list(&mut listed);
        listed
    }
}

impl Keys for Listed {
    fn key(&mut self, key: Key, value: Place<'_>) {
        let mut property = property(&value);
        if let Value::Object(property) = &mut property {
            property.insert("description".into(), key.help.into());
        }
        self.properties[key.name] = property;
        self.required
            .extend(key.required.is_some().then_some(key.name));
    }
}

fn property(place: &Place<'_>) -> Value {
    let or_none = |other| one_of(vec![words(&["none"]), other]);
    let count =
        |low: &u32, high: &u32| json!({ "type": "integer", "minimum": low, "maximum": high });
    match place {
        Place::Duration(_) | Place::Interval(_) => reference("duration"),
        Place::Limit(_) => or_none(reference("duration")),
        Place::Count(_, low, high) => count(low, high),
        Place::CountLimit(_, low, high) => or_none(count(low, high)),
        Place::Number(_, low, high) => {
            json!({ "type": "number", "minimum": low, "maximum": high })
        }
        Place::Pace(_) => or_none(reference("rate")),
        Place::Law(_) => one_of(vec![words(&[LEARNED]), reference("distribution")]),
        Place::Word(choice) => words(&choice.words()),
        Place::Checks(_) => {
            let checks: Vec<&str> = Readiness::words().collect();
            array(words(&checks), 1, checks.len())
        }
    }
}
