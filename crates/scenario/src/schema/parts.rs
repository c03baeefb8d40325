//! Building blocks of the schema, and the definitions that are used in many places.

use racegate_model::field::{Field, FieldGroup};
use serde_json::{Map, Value, json};

/// A table with exactly these keys.
pub(super) fn object(properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Puts the keys of `more` into `properties`.
pub(super) fn extend(properties: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(from)) = (properties, more) {
        into.extend(from);
    }
}

/// A definition of [`definitions`].
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// One of a closed set of words.
pub(super) fn words(words: &[&str]) -> Value {
    json!({ "enum": words })
}

/// An array of `low` to `high` elements.
pub(super) fn array(items: Value, low: usize, high: usize) -> Value {
    json!({ "type": "array", "items": items, "minItems": low, "maxItems": high })
}

/// One of several forms.
pub(super) fn one_of(forms: Vec<Value>) -> Value {
    json!({ "oneOf": forms })
}

/// A name.
pub(super) fn name() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" })
}

/// What is used in many places.
pub(super) fn definitions() -> Value {
    let number = "([0-9][0-9_]*(\\.[0-9_]*)?|\\.[0-9_]+)([eE][+-]?[0-9]+)?";
    let unit = "(ns|nsec|nanoseconds?|us|\u{b5}s|\u{3bc}s|usec|microseconds?|ms|msec|milliseconds?\
                |s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)";
    let duration = format!("({number}\\s*{unit}\\s*)+");
    let fields = Field::METADATA.map(Field::name);
    let sip = Field::METADATA
        .into_iter()
        .filter(|field| field.group() != Some(FieldGroup::Webrtc));
    let sip: Vec<&str> = sip.map(Field::name).collect();
    json!({
        "duration": {
            "type": "string",
            "description": "A duration with units: 250ms, 1.5s, 1m30s, 2h.",
            "pattern": format!("^\\s*{duration}$"),
        },
        "rate": {
            "type": "string",
            "description": "A rate with its unit: 10/s, 300/min, 5/h, 50/10s.",
            "pattern": format!("^\\s*{number}\\s*/\\s*({unit}\\s*|{duration})$"),
        },
        "share": {
            "description": "A share of one: 0.05 or 5%.",
            "oneOf": [
                { "type": "number", "minimum": 0, "maximum": 1 },
                { "type": "string", "pattern": "^\\s*\\+?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?\\s*%\\s*$" },
            ],
        },
        "field": { "enum": fields },
        "sip_field": { "enum": sip },
        "group": { "enum": FieldGroup::ALL.map(FieldGroup::name) },
        "simple_distribution": { "oneOf": simple_families() },
        "distribution": distribution(),
    })
}

/// A table with one key, which names the family.
fn family(name: &str, parameters: Value) -> Value {
    object(one(name, parameters), &[name])
}

fn one(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// The families that a mixture may consist of, with their parameters.
fn families() -> Vec<(&'static str, Value)> {
    let time = || reference("duration");
    let shaped = || {
        let shape = json!({ "type": "number", "minimum": 0.01, "maximum": 10_000 });
        object(
            json!({ "shape": shape, "scale": time() }),
            &["shape", "scale"],
        )
    };
    let number = |low: f64, high: f64| json!({ "type": "number", "minimum": low, "maximum": high });
    let lognormal = one_of(vec![
        object(
            json!({ "median": time(), "p99": time() }),
            &["median", "p99"],
        ),
        object(
            json!({ "mu": number(-25.0, 15.0), "sigma": number(0.0, 20.0) }),
            &["mu", "sigma"],
        ),
    ]);
    let pair = json!({
        "type": "array",
        "prefixItems": [reference("share"), time()],
        "minItems": 2,
        "maxItems": 2,
    });
    let empirical = one_of(vec![
        object(
            json!({ "samples": array(time(), 1, 100_000) }),
            &["samples"],
        ),
        object(
            json!({ "quantiles": array(pair, 2, 100_000) }),
            &["quantiles"],
        ),
        object(json!({ "file": { "type": "string" } }), &["file"]),
    ]);
    vec![
        ("constant", time()),
        (
            "uniform",
            object(json!({ "min": time(), "max": time() }), &["min", "max"]),
        ),
        ("exponential", object(json!({ "mean": time() }), &["mean"])),
        ("lognormal", lognormal),
        ("weibull", shaped()),
        ("pareto", shaped()),
        ("gamma", shaped()),
        ("empirical", empirical),
    ]
}

fn simple_families() -> Vec<Value> {
    families()
        .into_iter()
        .map(|(name, parameters)| family(name, parameters))
        .collect()
}

fn distribution() -> Value {
    let component = |(name, parameters): (&str, Value)| {
        let weight = json!({
            "oneOf": [
                { "type": "number", "exclusiveMinimum": 0 },
                { "type": "string", "pattern": "%\\s*$" },
            ],
        });
        let mut properties = one(name, parameters);
        extend(&mut properties, json!({ "weight": weight }));
        object(properties, &["weight", name])
    };
    let components = one_of(families().into_iter().map(component).collect());
    json!({
        "description": "A duration, or a table that names one distribution.",
        "oneOf": [
            reference("duration"),
            reference("simple_distribution"),
            family("mixture", array(components, 1, 32)),
        ],
    })
}

/// Export jobs at once.
pub(super) fn slots() -> Value {
    one_of(vec![
        words(&["unlimited"]),
        json!({ "type": "integer", "minimum": 1, "maximum": 10_000 }),
    ])
}
