//! What came of every order of a platform's writes against a gate's looks, in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use racegate_model::field::{FieldSet, Kind};
use racegate_model::history::Settled;
use racegate_model::outcome::OutcomeKind;
use racegate_model::repro::{Order, Orders};
use serde_json::{Value, json};

/// What came of all orders of a gate on recordings of a kind.
pub(crate) struct Certificate {
    pub(crate) gate: String,
    pub(crate) kind: Kind,
    pub(crate) writes: Vec<String>,
    pub(crate) looks: usize,
    pub(crate) orders: u64,
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// Orders without an end: the gate waits for something that does not come.
    pub(crate) waiting: u64,
    pub(crate) broken: u64,
    /// The first of them in a line.
    pub(crate) example: Option<String>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) live: Option<Agreement>,
}

/// How orders that were forced compare with the model's.
#[derive(Default)]
pub(crate) struct Agreement {
    pub(crate) forced: u64,
    pub(crate) agreed: u64,
    /// The first that differs.
    pub(crate) differs: Option<String>,
}

impl Certificate {
    /// Nothing was tried yet.
    pub(crate) fn new(gate: String, kind: Kind, looks: usize, orders: &Orders<'_>) -> Self {
        Self {
            gate,
            kind,
            writes: orders.writes().iter().map(ToString::to_string).collect(),
            looks,
            orders: 0,
            outcomes: BTreeMap::new(),
            waiting: 0,
            broken: 0,
            example: None,
            files: Vec::new(),
            live: None,
        }
    }

    /// Counts an order.
    pub(crate) fn count(&mut self, order: &Order) {
        self.orders += 1;
        match &order.settled {
            Some(settled) => *self.outcomes.entry(settled.outcome.name()).or_default() += 1,
            None => self.waiting += 1,
        }
        if breaks(order.settled.as_ref()) {
            self.broken += 1;
            self.example.get_or_insert_with(|| order.line());
        }
    }

    fn sentence(&self) -> String {
        let (gate, kind, orders) = (&self.gate, self.kind.name(), self.orders);
        let writes = self.writes.len();
        match &self.example {
            None => format!(
                "{gate} ({kind}): in none of {orders} orders of {writes} writes and up to {} looks \
                 does it export an incomplete manifest.",
                self.looks
            ),
            Some(example) => format!(
                "{gate} ({kind}): exports an incomplete manifest in {} of {orders} orders, such as\n    \
                 {example}",
                self.broken
            ),
        }
    }
}

impl Agreement {
    /// Compares an order with what became of it over HTTP.
    pub(crate) fn add(&mut self, order: &Order, forced: Option<&Settled>) {
        let seen = |settled: &Settled| (settled.outcome, settled.missing);
        let model = order.settled.as_ref().map(seen);
        let live = forced.map(seen);
        self.forced += 1;
        if model == live {
            self.agreed += 1;
            return;
        }
        self.differs.get_or_insert_with(|| {
            format!(
                "{}: the model says {}, over HTTP it is {}",
                order.line(),
                said(model),
                said(live)
            )
        });
    }
}

fn said(settled: Option<(OutcomeKind, FieldSet)>) -> String {
    settled.map_or("never settled".to_owned(), |(outcome, missing)| {
        let names: Vec<&str> = missing.iter().map(|field| field.name()).collect();
        if names.is_empty() {
            return outcome.name().to_owned();
        }
        format!("{} without {}", outcome.name(), names.join(", "))
    })
}

/// Whether a manifest was written that lacks something or says something false.
pub(crate) fn breaks(settled: Option<&Settled>) -> bool {
    settled.is_some_and(|settled| match settled.outcome {
        OutcomeKind::Incomplete | OutcomeKind::Inconsistent => true,
        OutcomeKind::Complete
        | OutcomeKind::Rejected
        | OutcomeKind::Skipped
        | OutcomeKind::Abandoned
        | OutcomeKind::Errored => false,
    })
}

/// Tables of all gates, and a sentence each.
pub(crate) fn describe(found: &[Certificate]) -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        let mut of_kind = found.iter().filter(|one| one.kind == kind).peekable();
        let Some(first) = of_kind.peek() else {
            continue;
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{}: {} writes ({})\n",
            kind.name(),
            first.writes.len(),
            first.writes.join(", ")
        );
        let columns = [
            "complete",
            "incomplete",
            "inconsistent",
            "abandoned",
            "other",
        ];
        let _ = write!(text, "{:<20}{:>7}{:>9}", "gate", "looks", "orders");
        columns.iter().for_each(|name| {
            let _ = write!(text, "{name:>13}");
        });
        text.push('\n');
        for one in of_kind {
            let _ = write!(text, "{:<20}{:>7}{:>9}", one.gate, one.looks, one.orders);
            let of = |name: &str| one.outcomes.get(name).copied().unwrap_or(0);
            let told: u64 = columns.iter().map(|name| of(name)).sum();
            for name in &columns[..4] {
                let _ = write!(text, "{:>13}", of(name));
            }
            let _ = writeln!(text, "{:>13}", one.orders - told);
        }
        text.push('\n');
    }
    for one in found {
        let _ = writeln!(text, "{}", one.sentence());
        for path in &one.files {
            let _ = writeln!(text, "    racegate replay {}", path.display());
        }
        if let Some(live) = &one.live {
            let _ = writeln!(
                text,
                "    forced over HTTP: {} of {} orders agree with the model",
                live.agreed, live.forced
            );
        }
        if let Some(differs) = one.live.as_ref().and_then(|live| live.differs.as_ref()) {
            let _ = writeln!(text, "    {differs}");
        }
    }
    text.trim_end().to_owned()
}

/// A certificate as JSON.
pub(crate) fn body(one: &Certificate) -> Value {
    json!({
        "gate": one.gate,
        "kind": one.kind.name(),
        "writes": one.writes,
        "looks": one.looks,
        "orders": one.orders,
        "outcomes": one.outcomes,
        "never_settled": one.waiting,
        "broken": one.broken,
        "example": one.example,
        "files": one.files,
        "live": one.live.as_ref().map(|live| json!({
            "forced": live.forced,
            "agreed": live.agreed,
            "differs": live.differs,
        })),
    })
}
