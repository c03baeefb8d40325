//! A repro as text: first what happens, in sentences, then what makes it happen.

use std::fmt::Write as _;

use racegate_model::repro::{Decides, explain};

use super::{REPRO_SCHEMA, Repro, platform, recording, words};
use crate::write::gate;

/// What is promised of the file, in comments.
const PROMISE: &str = "\
# Times are since the run's start. A field that is not named never comes; `null` and `index` are when
# it reads as null and when the search index shows it, where that is another time than `get`.
# Everything here is a value: nothing of the platform is drawn when it is replayed. The schema's
# meaning does not change; a later version either reads it as it is, or refuses it and says so. The
# hash is what this version makes of it. Another version that gets another hash says that its gates
# decide differently, and whether the failure is still the same.
";

impl Repro {
    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.head(&mut out);
        self.tables(&mut out);
        self.edges(&mut out);
        for given in &self.case.recordings {
            out.push_str("\n[[recording]]\n");
            recording::write(&mut out, given);
        }
        out
    }

    fn head(&self, out: &mut String) {
        let expect = &self.expect;
        let failing = self.case.failing.0;
        let gate = self.case.arm.gates.first().map_or("", |gate| &gate.name);
        // Writing to a string does not fail.
        _ = writeln!(
            out,
            "# Recording {failing} is {} under the gate {gate}: {}.\n#",
            expect.outcome.name(),
            match (expect.cause, &expect.stage) {
                (Some(cause), Some(stage)) => format!("{} in {stage}", cause.name()),
                (Some(cause), None) => cause.name().to_owned(),
                (None, _) => "of no known cause".to_owned(),
            }
        );
        for sentence in self.sentences() {
            _ = writeln!(out, "# {sentence}");
        }
        _ = writeln!(out, "#\n{PROMISE}");
    }

    /// What happens, in order.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let played = self.case.play();
        let edges = played.map(|played| explain(&self.case, &played));
        let edges = edges.unwrap_or_default();
        edges
            .iter()
            .map(racegate_model::repro::Edge::sentence)
            .collect()
    }

    fn tables(&self, out: &mut String) {
        let Self { case, expect, .. } = self;
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        // Writing to a string does not fail.
        _ = writeln!(out, "schema = \"{REPRO_SCHEMA}\"");
        _ = writeln!(out, "tool = {}", quoted(&self.tool));
        _ = writeln!(out, "\n[origin]");
        _ = writeln!(out, "scenario = {}", quoted(&self.origin.scenario));
        _ = writeln!(out, "recordings = {}", self.origin.recordings);
        _ = writeln!(out, "failing = {}", self.origin.failing);
        _ = writeln!(out, "\n[case]");
        _ = writeln!(out, "level = \"{}\"", self.level.name());
        _ = writeln!(out, "recording = {}", case.failing.0);
        _ = writeln!(
            out,
            "seed = {} # ids, a gate's jitter, a job's selection",
            case.seed.0
        );
        _ = writeln!(out, "drain = {}", words::seconds(case.drain));
        _ = writeln!(out, "hash = \"{}\"", self.hash);
        _ = writeln!(out, "\n[expect]");
        _ = writeln!(out, "outcome = \"{}\"", expect.outcome.name());
        if let Some(cause) = expect.cause {
            _ = writeln!(out, "cause = \"{}\"", cause.name());
        }
        if let Some(stage) = &expect.stage {
            _ = writeln!(out, "stage = {}", quoted(stage));
        }
        _ = writeln!(out, "missing = {}", words::fields(expect.missing));
        platform::write(out, &case.arm);
        for spec in &case.arm.gates {
            _ = write!(out, "\n{}", gate(spec));
        }
    }

    fn edges(&self, out: &mut String) {
        let Some(played) = self.case.play() else {
            return;
        };
        out.push_str("\n# Derived from the instants below: what happened before what.\n");
        for edge in explain(&self.case, &played) {
            // Writing to a string does not fail.
            _ = writeln!(out, "[[edge]]");
            _ = writeln!(out, "before = \"{}\"", edge.before);
            _ = writeln!(out, "after = \"{}\"", edge.after);
            let kind = match edge.decides {
                Decides::Race => "race",
                Decides::Leads => "leads",
            };
            _ = writeln!(out, "kind = \"{kind}\"\n");
        }
    }
}
