//! A whole run, written and read again.

use racegate_model::analysis::{Accumulator, Context, Replay, Tenant};
use racegate_model::history::{End, EndReason, Entry, JobRecord, Settled};
use racegate_model::ids::ArmIndex;
use racegate_model::recorder::Sink;
use racegate_model::scenario::{Engine, Scenario};
use racegate_model::summary::Summary;
use racegate_model::time::Timestamp;
use racegate_model::timeline::Timeline;
use racegate_scenario::Source;

use super::{Existing, HISTORY, HistoryWriter, NewRun, RunFolder};
use crate::live::Arms;

const SCENARIO: &str = r#"
name = "small"
seed = 3
engine = "sim"
[workload]
executor = "stepped-arrival-rate"
arrivals = "poisson"
warmup = "1s"
stages = [{ name = "calm", duration = "5s", rate = "10/s" }]
call_duration = { constant = "2s" }
[[platform.metadata.stage]]
name = "inject"
workers = 2
service = { exponential = { mean = "300ms" } }
[[gate]]
name = "ungated"
strategy = "none"
[[gate]]
name = "patient"
strategy = "fixed-delay"
delay = "3s"
[[gate]]
name = "hasty"
strategy = "forum-backoff"
attempts = 1
"#;

/// Writes and counts.
struct Both {
    writer: HistoryWriter,
    counted: Accumulator,
}

impl Sink for Both {
    fn timeline(&mut self, arm: ArmIndex, timeline: &Timeline) {
        self.counted.timeline(arm, timeline);
        self.writer.write(Entry::Timeline {
            arm,
            timeline: timeline.clone(),
        });
    }

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        self.counted.settled(settled, timeline);
        self.writer.write(Entry::Settled(settled.clone()));
    }

    fn job(&mut self, job: &JobRecord) {
        self.counted.job(job);
        self.writer.write(Entry::Job(job.clone()));
    }

    fn end(&mut self, at: Timestamp, reason: EndReason, ended: &[u64]) {
        let end = End {
            at,
            reason,
            ended: ended.to_vec(),
            invalid_reasons: Vec::new(),
        };
        self.counted.end(&end);
        self.writer.write(Entry::End(end));
    }
}

fn context(scenario: &Scenario) -> Context {
    Context {
        tool: "racegate test".into(),
        engine: Engine::Sim,
        tenants: Tenant::all(scenario),
        plan_hash: 1,
    }
}

/// Runs the scenario into a folder below `parent`.
fn run(parent: &std::path::Path) -> (Scenario, RunFolder, Accumulator) {
    let source = Source::new("small.toml", SCENARIO);
    let scenario = racegate_scenario::parse(&source, &[]).unwrap();
    let path = parent.join("run");
    let new = NewRun {
        out: Some(&path),
        existing: Existing::Kept,
        scenario: &scenario,
        source: &source,
        overrides: &[],
        gates: &[],
        until: &[],
        arms: Arms::Base,
        engine: Engine::Sim,
    };
    let folder = RunFolder::create(&new).unwrap();
    let counted = Accumulator::new(&scenario, context(&scenario));
    let mut both = Both {
        writer: folder.history().unwrap(),
        counted,
    };
    racegate_model::sim::run(&scenario, &mut both);
    both.writer.finish().unwrap();
    (scenario, folder, both.counted)
}

fn replayed(scenario: &Scenario, folder: &RunFolder) -> (Summary, bool) {
    let mut replay = Replay::new(scenario, context(scenario));
    let mut history = folder.read_history().unwrap();
    history.by_ref().for_each(|entry| replay.add(&entry));
    (replay.finish().summary(), history.is_whole())
}

#[test]
fn the_history_on_disk_gives_the_numbers_of_the_run() {
    let parent = tempfile::tempdir().unwrap();
    let (scenario, folder, counted) = run(parent.path());
    let reopened = RunFolder::open(folder.path()).unwrap();
    assert_eq!(reopened.stored().scenario, SCENARIO);
    assert_eq!(replayed(&scenario, &reopened), (counted.summary(), true));
    let summary = counted.summary();
    assert!(
        summary.valid && summary.recordings > 20,
        "{:?}",
        summary.invalid_reasons
    );
    folder.write_latency(&counted).unwrap();
    let log = std::fs::read_to_string(folder.path().join("latency.hlog")).unwrap();
    assert!(log.contains("Tag=base/patient,"), "{log}");
}

#[test]
fn a_killed_run_is_read_as_interrupted() {
    let parent = tempfile::tempdir().unwrap();
    let (scenario, folder, _) = run(parent.path());
    let history = folder.path().join(HISTORY);
    let bytes = std::fs::read(&history).unwrap();
    for length in [0, 1, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&history, &bytes[..length]).unwrap();
        let (summary, _) = replayed(&scenario, &folder);
        assert!(
            summary.interrupted && summary.valid,
            "{length}: {:?}",
            summary.invalid_reasons
        );
    }
}

#[test]
fn the_table_has_one_row_per_gate_and_recording() {
    let parent = tempfile::tempdir().unwrap();
    let (scenario, folder, counted) = run(parent.path());
    folder
        .write_recordings(&scenario, &Tenant::all(&scenario))
        .unwrap();
    let table = std::fs::read_to_string(folder.path().join("recordings.csv")).unwrap();
    let summary = counted.summary();
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(
        rows.len() as u64,
        3 * (summary.recordings + summary.warmup_recordings)
    );
    let complete = rows.iter().filter(|row| {
        row.contains(",complete,") && row.starts_with("base,ungated,") && row.contains(",calm,")
    });
    assert_eq!(
        complete.count() as u64,
        summary.gates[0].total.outcomes.complete
    );
    assert!(table.contains("base,patient,"), "{table}");
}

#[test]
fn what_gates_gave_up_is_listed_with_what_their_last_look_missed() {
    let parent = tempfile::tempdir().unwrap();
    let (scenario, folder, counted) = run(parent.path());
    folder
        .write_dead_letters(&scenario, &Tenant::all(&scenario))
        .unwrap();
    let table = std::fs::read_to_string(folder.path().join("dead-letters.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|it| it.split(',').collect())
        .collect();
    let summary = counted.summary();
    let abandoned = summary.gates[2].total.outcomes.abandoned;
    assert!(abandoned > 10, "{abandoned} abandoned");
    // The warm-up's are there too, and are not counted.
    assert!(rows.len() as u64 >= abandoned, "{table}");
    for row in &rows {
        assert_eq!(row.len(), 12, "{row:?}");
        assert_eq!(row[..2], ["base", "hasty"]);
        assert_eq!((row[5], row[8], row[9]), ("abandoned", "1", "0"));
        assert!(["queue_wait", "service"].contains(&row[6]), "{row:?}");
        assert!(row[7].contains("legal_hold_flag media_type"), "{row:?}");
        // It looked when the session ended, slept a second, and gave up.
        let at = |cell: &str| cell.parse::<f64>().unwrap();
        assert!((at(row[11]) - at(row[10]) - 1.0).abs() < 1e-6, "{row:?}");
    }
}
