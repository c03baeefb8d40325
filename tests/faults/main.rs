//! Every fault of the catalogue, live over loopback, against the rule that predicts its outcome.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use racegate::live::{self, Arms, LiveOptions, Stop};
use racegate_model::conformance::Conformance;
use racegate_model::fault::{Effect, Fault, FaultKind};
use racegate_model::history::{EndReason, JobRecord, Settled};
use racegate_model::ids::{ArmIndex, RecordingIndex};
use racegate_model::recorder::Sink;
use racegate_model::scenario::Scenario;
use racegate_model::summary::{ConformanceSummary, FaultSummary, GeneratorSummary};
use racegate_model::time::Timestamp;
use racegate_model::timeline::Timeline;
use racegate_scenario::{Color, Override, Source, parse};
use tokio::sync::watch;

const SCENARIO: &str = include_str!("faults.toml");
/// Sessions that each fault strikes.
const EACH: u64 = 2;

/// The scenario with `faults`, each striking [`EACH`] sessions.
fn scenario(faults: &[&FaultKind], overrides: &[&str]) -> Scenario {
    let mut text = SCENARIO.to_owned();
    for kind in faults {
        let name = kind.name;
        writeln!(text, "[[fault]]\nname = \"{name}\"\ncount = {EACH}").expect("strings take text");
        if kind.fault == Fault::StoreLate {
            text.push_str("lasts = \"1s\"\n");
        }
        if takes_long(kind) {
            text.push_str("at = 0.1\n");
        }
    }
    let overrides: Vec<Override> = overrides.iter().map(|set| Override::set(*set)).collect();
    match parse(&Source::new("faults.toml", text), &overrides) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{}", diagnostics.render(Color::Never)),
    }
}

/// Hands what each engine settles to the comparison, and counts what never came up.
struct Compare<'a> {
    scenario: &'a Scenario,
    live: bool,
    conformance: Conformance,
    not_established: [Vec<(RecordingIndex, String)>; 2],
}

impl Sink for Compare<'_> {
    fn timeline(&mut self, _: ArmIndex, _: &Timeline) {}

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        let arm = &self.scenario.arms[0];
        if self.live {
            self.conformance.live(settled, timeline, arm);
        } else {
            self.conformance.simulated(settled, timeline, arm);
        }
    }

    fn not_established(&mut self, recording: RecordingIndex, stage: &str) {
        self.not_established[usize::from(self.live)].push((recording, stage.to_owned()));
    }

    fn job(&mut self, _: &JobRecord) {}
    fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {}
}

#[expect(clippy::print_stdout, reason = "the table is what the test shows")]
/// Runs the scenario live and in the simulator.
async fn both(scenario: &Scenario) -> (GeneratorSummary, ConformanceSummary) {
    let (_stop, stopped) = watch::channel(Stop::No);
    let options = LiveOptions {
        arms: Arms::Base,
        keep_audio: None,
        shards: None,
    };
    let mut sink = Compare {
        scenario,
        live: true,
        conformance: Conformance::default(),
        not_established: [Vec::new(), Vec::new()],
    };
    let report = live::run(scenario, &options, &mut sink, stopped, |_| {}).await;
    let generator = report.expect("loopback sockets can be had").finish();
    println!("{}", table(&generator.faults));
    sink.live = false;
    racegate_model::sim::run(scenario, &mut sink);
    let [mut simulated, mut live] = sink.not_established;
    simulated.sort();
    live.sort();
    let calls = |list: &[(RecordingIndex, String)]| list.iter().map(|(call, _)| *call).collect();
    let (simulated, live): (Vec<_>, Vec<_>) = (calls(&simulated), calls(&live));
    assert_eq!(simulated, live, "the same sessions never come up");
    (
        generator,
        sink.conformance.summary(|tenant| tenant.0.to_string()),
    )
}

fn table(faults: &[FaultSummary]) -> String {
    let words = |counts: &BTreeMap<String, u64>| {
        let parts: Vec<String> = counts
            .iter()
            .map(|(word, n)| format!("{n} {word}"))
            .collect();
        parts.join(", ")
    };
    let row = |(group, name, predicted, seen): (&str, &str, String, String)| {
        format!("{group:<11}{name:<22}{predicted:<20}{seen}\n")
    };
    let head = row(("group", "fault", "predicted".to_owned(), "seen".to_owned()));
    let rows = faults.iter().map(|fault| {
        row((
            &fault.group,
            &fault.name,
            words(&fault.predicted),
            words(&fault.seen),
        ))
    });
    std::iter::once(head).chain(rows).collect()
}

fn check(generator: &GeneratorSummary, conformance: &ConformanceSummary, faults: usize) {
    assert_eq!(generator.faults.len(), faults);
    for fault in &generator.faults {
        assert_eq!((fault.sessions, fault.agreed), (EACH, EACH), "{fault:?}");
        assert_eq!(fault.acted, EACH, "it did nothing: {fault:?}");
    }
    assert_eq!(generator.digest_mismatches_unexpected, 0, "{generator:?}");
    assert!(conformance.pairs > 0);
    assert_eq!(
        conformance.unexplained, 0,
        "{:#?}",
        conformance.disagreements
    );
}

/// What the server notices only after a time that is longer than most calls.
fn takes_long(kind: &FaultKind) -> bool {
    let slow = [Effect::Consent, Effect::Silence, Effect::Unheard];
    slow.contains(&kind.effect)
}

/// The page of what was predicted and what was seen; both calls of a fault met the same, or there is no page.
fn page(faults: &[FaultSummary]) -> String {
    let words = |counts: &BTreeMap<String, u64>| {
        let words: Vec<&str> = counts.keys().map(String::as_str).collect();
        words.join(", ")
    };
    let mut text = HEAD.to_owned();
    for kind in Fault::ALL {
        let summary = faults.iter().find(|fault| fault.name == kind.name);
        let summary = summary.expect("every fault was played");
        let (predicted, seen) = (words(&summary.predicted), words(&summary.seen));
        let group = kind.group.name();
        writeln!(text, "| `{}` | {group} | {predicted} | {seen} |", kind.name)
            .expect("strings take text");
    }
    text
}

const HEAD: &str = "\
# Faults of sessions: predicted and seen

What each fault of `[[fault]]` does stands in [the scenario format](scenario-format.md#fault). This page
is what the test `faults` wrote: it plays every fault twice, live over loopback, on calls of 4 s (24 s
where the server needs that long to notice), checks that each did something to its session, and compares
what became of the session with what the model predicts. An `unharmed` session is recorded as it was
said, packet by packet, to its planned end.

| fault | acts on | predicted | seen |
| --- | --- | --- | --- |
";

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_does_what_the_model_predicts() {
    let (slow, quick): (Vec<_>, Vec<_>) = Fault::ALL.iter().partition(|kind| takes_long(kind));
    let few_and_long = [
        "workload.duration=\"600ms\"",
        "workload.call_duration=\"24s\"",
    ];
    let (many, few) = (scenario(&quick, &[]), scenario(&slow, &few_and_long));
    let (many, few) = tokio::join!(both(&many), both(&few));
    check(&many.0, &many.1, quick.len());
    check(&few.0, &few.1, slow.len());
    let page = page(&[many.0.faults, few.0.faults].concat());
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.md");
    std::fs::write(&written, &page).expect("the target folder takes files");
    let known = std::fs::read_to_string("docs/faults.md").unwrap_or_default();
    assert_eq!(page, known, "copy {} to docs/faults.md", written.display());
}
