//! Whether the arrays and objects of a body stand where its schema has them. A deserializer would
//! take an array for an object's fields in their order, which nobody means.

use std::sync::LazyLock;

use serde_json::Value;
use utoipa::ToSchema;

use super::openapi;

/// How deep schemas are followed; a body is not read deeper than that either.
const DEPTH_MAX: usize = 128;

/// An array or object that stands where none may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Misplaced {
    /// Where, as in `/conversationQuery/segmentFilters/0`; empty for the body itself.
    pub(super) at: String,
}

/// Looks for an array that does not belong into a `T`.
pub(super) fn check<T: ToSchema>(body: &Value) -> Result<(), Misplaced> {
    let own;
    let schema = match SCHEMAS.get(&*T::name()) {
        Some(schema) => schema,
        None => {
            own = serde_json::to_value(T::schema()).unwrap_or_default();
            &own
        }
    };
    Walk::default().finish(|walk| walk.fits(body, schema, 0))
}

/// The same in a list of `T`.
pub(super) fn check_list<T: ToSchema>(body: &Value) -> Result<(), Misplaced> {
    let items = body.as_array().into_iter().flatten();
    items.enumerate().try_for_each(|(nth, item)| {
        check::<T>(item).map_err(|Misplaced { at }| Misplaced {
            at: format!("/{nth}{at}"),
        })
    })
}

static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    let mut document = serde_json::to_value(openapi()).unwrap_or_default();
    document["components"]["schemas"].take()
});

#[derive(Default)]
struct Walk {
    /// The way to what does not fit, from the inside out.
    path: Vec<String>,
}

impl Walk {
    fn finish(mut self, fits: impl FnOnce(&mut Self) -> bool) -> Result<(), Misplaced> {
        if fits(&mut self) {
            return Ok(());
        }
        let at = self.path.iter().rev();
        Err(Misplaced {
            at: at.map(|part| format!("/{part}")).collect(),
        })
    }

    fn fits(&mut self, value: &Value, schema: &Value, depth: usize) -> bool {
        if depth > DEPTH_MAX {
            return true;
        }
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap_or_default();
            return self.fits(value, &SCHEMAS[name], depth + 1);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return parts.iter().all(|part| self.fits(value, part, depth + 1));
        }
        let choice = ["oneOf", "anyOf"]
            .iter()
            .find_map(|key| schema[key].as_array());
        if let Some(choice) = choice {
            return self.fits_one(value, choice, depth);
        }
        match value {
            Value::Array(items) => {
                let allowed = admits(schema, "array") || schema["type"].is_null();
                allowed && self.all_fit(items.iter().enumerate(), |_| &schema["items"], depth)
            }
            Value::Object(members) => {
                if !admits(schema, "object") && !schema["type"].is_null() {
                    return false;
                }
                let of = |key: &&String| match schema["properties"].get(key.as_str()) {
                    Some(known) => known,
                    None => &schema["additionalProperties"],
                };
                self.all_fit(members, of, depth)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }

    /// A body of several shapes fits if it fits any of them.
    fn fits_one(&mut self, value: &Value, choice: &[Value], depth: usize) -> bool {
        let before = self.path.len();
        let mut deepest = Vec::new();
        for one in choice {
            self.path.truncate(before);
            if self.fits(value, one, depth + 1) {
                return true;
            }
            if self.path.len() > deepest.len() {
                deepest.clone_from(&self.path);
            }
        }
        self.path = deepest;
        choice.is_empty()
    }

    fn all_fit<'v, 's, K: ToString>(
        &mut self,
        parts: impl IntoIterator<Item = (K, &'v Value)>,
        schema_of: impl Fn(&K) -> &'s Value,
        depth: usize,
    ) -> bool {
        for (key, part) in parts {
            if !self.fits(part, schema_of(&key), depth + 1) {
                self.path.push(key.to_string());
                return false;
            }
        }
        true
    }
}

/// Whether a schema that names its types names this one.
fn admits(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}
