//! Whether a body is what its schema says: what must be there is, and what is there has the type,
//! the words and the range that the document promises. The document is the one place that says so,
//! for every route. A deserializer alone would end at the first mistake, and would take an array
//! for an object's fields in their order, which nobody means.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::mistakes::{Mistake, Mistakes, Wrong};
use super::openapi;
use super::wire::ApiDate;

/// How deep schemas are followed; a body is not read deeper than that either.
const DEPTH_MAX: usize = 128;

/// Looks for what of a body does not fit into a `T`.
pub(super) fn check<T: ToSchema>(body: &Value) -> Mistakes {
    let mut walk = Walk::default();
    walk.whole::<T>(body);
    walk.mistakes
}

/// The same in a list of `T`.
pub(super) fn check_list<T: ToSchema>(body: &Value) -> Mistakes {
    let mut walk = Walk::default();
    for (nth, item) in body.as_array().into_iter().flatten().enumerate() {
        if walk.mistakes.is_full() {
            break;
        }
        walk.within(Step::Item(nth), |walk| walk.whole::<T>(item));
    }
    walk.mistakes
}

static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    let mut document = serde_json::to_value(openapi()).unwrap_or_default();
    document["components"]["schemas"].take()
});

/// A step on the way to a part of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    Member(String),
    Item(usize),
}

#[derive(Default)]
struct Walk {
    /// The way to what is looked at.
    path: Vec<Step>,
    mistakes: Mistakes,
}

impl Walk {
    fn whole<T: ToSchema>(&mut self, body: &Value) {
        let own;
        let schema = match SCHEMAS.get(&*T::name()) {
            Some(schema) => schema,
            None => {
                own = serde_json::to_value(T::schema()).unwrap_or_default();
                &own
            }
        };
        self.visit(body, schema, 0);
    }

    fn within(&mut self, step: Step, look: impl FnOnce(&mut Self)) {
        self.path.push(step);
        look(self);
        self.path.pop();
    }

    fn visit(&mut self, value: &Value, schema: &Value, depth: usize) {
        if depth > DEPTH_MAX || self.mistakes.is_full() || value.is_null() {
            return;
        }
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap_or_default();
            return self.visit(value, &SCHEMAS[name], depth + 1);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return parts
                .iter()
                .for_each(|part| self.visit(value, part, depth + 1));
        }
        let choice = ["oneOf", "anyOf"]
            .iter()
            .find_map(|key| schema[key].as_array());
        if let Some(choice) = choice {
            return self.visit_one(value, choice, depth);
        }
        match value {
            Value::Null => {}
            Value::Array(items) => {
                if !admits(schema, "array") {
                    return self.misplaced("an array");
                }
                for (nth, item) in items.iter().enumerate() {
                    let look = |walk: &mut Self| walk.visit(item, &schema["items"], depth + 1);
                    self.within(Step::Item(nth), look);
                }
            }
            Value::Object(members) => {
                if !admits(schema, "object") {
                    return self.misplaced("an object");
                }
                self.visit_members(members, schema, depth);
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => self.visit_plain(value, schema),
        }
    }

    fn visit_members(&mut self, members: &Map<String, Value>, schema: &Value, depth: usize) {
        let required = schema["required"].as_array().into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            let known = &schema["properties"][name];
            let there = members.get(name);
            if there.is_none_or(|value| value.is_null() && !is_nullable(known)) {
                let field = self.field(Some(name));
                self.mistakes.missing(field);
            }
        }
        for (key, member) in members {
            let schema = match schema["properties"].get(key) {
                Some(known) => known,
                None => &schema["additionalProperties"],
            };
            let look = |walk: &mut Self| walk.visit(member, schema, depth + 1);
            self.within(Step::Member(key.clone()), look);
        }
    }

    /// A body of several shapes fits if it fits any of them. If it fits none, the one that it fits
    /// furthest is meant; if all end at once, only the deserializer can say what is wrong.
    fn visit_one(&mut self, value: &Value, choice: &[Value], depth: usize) {
        let before = self.mistakes.len();
        let mut options = choice.iter().filter(|one| one["type"] != "null");
        if let (Some(only), None) = (options.next(), options.next()) {
            return self.visit(value, only, depth + 1);
        }
        let own_depth = self.path.len();
        let mut best: Vec<Mistake> = Vec::new();
        let mut deepest = 0;
        for one in choice.iter().filter(|one| one["type"] != "null") {
            let mut inner = Self {
                path: self.path.clone(),
                mistakes: Mistakes::default(),
            };
            inner.visit(value, one, depth + 1);
            if inner.mistakes.is_empty() {
                self.mistakes.take_back_to(before);
                return;
            }
            let structured = value.is_array() || value.is_object();
            let depth_of = inner.deepest(own_depth);
            if depth_of > deepest || best.is_empty() && structured {
                deepest = depth_of;
                best = inner.mistakes.take_back_to(0);
            }
        }
        best.into_iter()
            .for_each(|mistake| self.mistakes.add(mistake));
    }

    /// How many steps below `own` the deepest mistake is.
    fn deepest(&self, own: usize) -> usize {
        let steps = |details: &super::wire::ErrorDetail| {
            let name = details.field_name.as_ref();
            if name.is_empty() {
                0
            } else {
                1 + name.matches(['.', '[']).count()
            }
        };
        let deepest = self.mistakes.details().iter().map(steps).max();
        deepest.unwrap_or(0).saturating_sub(own)
    }

    fn visit_plain(&mut self, value: &Value, schema: &Value) {
        // What a whole body must be is the deserializer's to say.
        if self.path.is_empty() {
            return;
        }
        let words = schema["enum"].as_array();
        if words.is_some_and(|words| words.contains(value)) {
            return;
        }
        if let (Some(words), true) = (words, value.is_string()) {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            return self.not_allowed(value, words.join(", "));
        }
        let kinds: &[&str] = match value {
            Value::Bool(_) => &["boolean"],
            Value::Number(number) if is_whole(number) => &["integer", "number"],
            Value::Number(_) => &["number"],
            Value::String(_) => &["string"],
            Value::Null | Value::Array(_) | Value::Object(_) => return,
        };
        if !kinds.iter().any(|kind| admits(schema, kind)) {
            return self.mistyped(schema);
        }
        match value {
            Value::Number(number) => {
                let (least, most) = range_of(schema);
                let Some(number) = number.as_f64() else {
                    return;
                };
                if least.is_some_and(|least| number < least)
                    || most.is_some_and(|most| number > most)
                {
                    self.not_allowed(value, range_said(least, most));
                }
            }
            Value::String(text) => self.visit_text(text, schema),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }

    fn visit_text(&mut self, text: &str, schema: &Value) {
        let said = Value::String(text.to_owned());
        if schema["format"] == "date-time" && ApiDate::parse(text).is_none() {
            return self.not_allowed(&said, "dates like 2026-03-07T09:00:00.000Z");
        }
        let length = || text.chars().count() as u64;
        if let Some(most) = schema["maxLength"].as_u64()
            && length() > most
        {
            return self.not_allowed(&said, format!("up to {most} characters"));
        }
        if let Some(least) = schema["minLength"].as_u64()
            && length() < least
        {
            self.not_allowed(&said, format!("{least} characters and more"));
        }
    }

    fn not_allowed(&mut self, value: &Value, allowed: impl Into<Cow<'static, str>>) {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let field = self.field(None);
        self.mistakes.invalid(field, &text, allowed);
    }

    fn mistyped(&mut self, schema: &Value) {
        let must = [
            ("string", "text"),
            ("boolean", "true or false"),
            ("integer", "a whole number"),
            ("number", "a number"),
            ("array", "an array"),
            ("object", "an object"),
        ];
        let must = must.iter().find(|(kind, _)| admits(schema, kind));
        let Some((_, must)) = must else { return };
        let place = self.place();
        self.add(Wrong::Type(format!("{place} must be {must}").into()));
    }

    fn misplaced(&mut self, what: &str) {
        let place = self.place();
        self.add(Wrong::Type(format!("{place} must not be {what}").into()));
    }

    fn add(&mut self, wrong: Wrong) {
        let field = self.field(None).into();
        self.mistakes.add(Mistake { field, wrong });
    }

    /// As in `/conversationQuery/segmentFilters/0`.
    fn place(&self) -> String {
        if self.path.is_empty() {
            return "it".to_owned();
        }
        let steps = self.path.iter().map(|step| match step {
            Step::Member(key) => format!("/{key}"),
            Step::Item(nth) => format!("/{nth}"),
        });
        steps.collect()
    }

    /// As in `conversationQuery.segmentFilters[0].type`.
    fn field(&self, member: Option<&str>) -> String {
        let mut name = String::new();
        for step in &self.path {
            match step {
                Step::Member(key) if name.is_empty() => name.push_str(key),
                // Writing to a string does not fail.
                Step::Member(key) => write!(name, ".{key}").unwrap_or(()),
                Step::Item(nth) => write!(name, "[{nth}]").unwrap_or(()),
            }
        }
        match member {
            Some(member) if name.is_empty() => member.to_owned(),
            Some(member) => format!("{name}.{member}"),
            None => name,
        }
    }
}

/// Whether a schema that names its types names this one. One that names none admits all.
fn admits(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn is_nullable(schema: &Value) -> bool {
    let choice = |key: &str| schema[key].as_array().into_iter().flatten();
    let mut options = choice("oneOf").chain(choice("anyOf"));
    let refers = ["$ref", "oneOf", "anyOf", "allOf"]
        .iter()
        .any(|key| !schema[key].is_null());
    options.any(|one| one["type"] == "null") || !refers && admits(schema, "null")
}

fn is_whole(number: &serde_json::Number) -> bool {
    // JSON does not tell `65` from `65.0`.
    !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// The least and the greatest number that a schema allows.
fn range_of(schema: &Value) -> (Option<f64>, Option<f64>) {
    let short = schema["format"] == "int32";
    let bound = |key: &str, of_short: i32| {
        let said = schema[key].as_f64();
        said.or_else(|| short.then(|| f64::from(of_short)))
    };
    (bound("minimum", i32::MIN), bound("maximum", i32::MAX))
}

fn range_said(least: Option<f64>, most: Option<f64>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("{least} and up"),
        (None, Some(most)) => format!("up to {most}"),
        (None, None) => "numbers".to_owned(),
    }
}
