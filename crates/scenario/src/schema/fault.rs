//! The schema of `[[fault]]`.

use racegate_model::fault::{Fault, FaultKind, Strike};
use racegate_model::time::Duration;
use serde_json::{Value, json};

use super::parts::{extend, name, object, one_of, reference, words};

/// One `[[fault]]`: the keys depend on the fault, and a share or a count must be there.
pub(super) fn schema() -> Value {
    let forms = [
        (Strike::SetUp, Lasting::No),
        (Strike::SetUp, Lasting::For),
        (Strike::At, Lasting::No),
        (Strike::Over, Lasting::For),
    ];
    let mut all = Vec::new();
    for (strike, lasting) in forms {
        let alike = |kind: &&FaultKind| {
            let lasts = kind.lasts > Duration::ZERO;
            kind.strike == strike && lasts == (lasting == Lasting::For) && kind.fault != Fault::Loss
        };
        let names: Vec<&str> = Fault::ALL
            .iter()
            .filter(alike)
            .map(|kind| kind.name)
            .collect();
        let mut own = json!({ "name": words(&names) });
        if strike != Strike::SetUp {
            extend(&mut own, json!({ "at": reference("share") }));
        }
        if lasting == Lasting::For {
            extend(&mut own, json!({ "lasts": reference("duration") }));
        }
        all.extend(shared(&own));
    }
    all.extend(shared(&json!({
        "name": words(&[Fault::Loss.name()]),
        "at": reference("share"),
        "loss": reference("share"),
    })));
    one_of(all)
}

/// Whether a fault lasts a time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lasting {
    For,
    No,
}

/// The same with a probability, and with a count.
fn shared(own: &Value) -> [Value; 2] {
    let count = json!({ "type": "integer", "minimum": 1, "maximum": 10_000_000 });
    [("probability", reference("share")), ("count", count)].map(|(key, value)| {
        let mut properties = own.clone();
        extend(&mut properties, json!({ "phase": name() }));
        extend(&mut properties, json!({ key: value }));
        object(properties, &["name", key])
    })
}
