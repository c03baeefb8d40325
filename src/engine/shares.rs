//! The run of a scenario's own seed on all cores: each takes its share of the recordings through
//! gates and accounts. What is counted and written is the same whatever their number.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use racegate_model::analysis::Accumulator;
use racegate_model::history::{End, EndReason, Entry, JobRecord, Settled};
use racegate_model::ids::{ArmIndex, RecordingIndex, TenantIndex};
use racegate_model::outcome::OutcomeKind;
use racegate_model::recorder::Sink;
use racegate_model::scenario::Scenario;
use racegate_model::sim::{Share, run_share};
use racegate_model::time::Timestamp;
use racegate_model::timeline::{Decided, Timeline};

use crate::signals::Signals;
use crate::sinks::FAILING_MAX;
use crate::store::HistoryWriter;

/// What one core counts and writes.
struct ShareSink<'a> {
    accumulator: Accumulator,
    /// The first share's alone: it has every recording within the history's limit.
    history: Option<HistoryWriter>,
    limit: u64,
    failing: Failing,
    signals: Option<&'a Signals>,
}

/// Failing pairs beyond the history's limit: those of the first recordings.
#[derive(Debug, Default)]
struct Failing(BTreeMap<(RecordingIndex, TenantIndex), Settled>);

impl Failing {
    fn add(&mut self, settled: &Settled) {
        let key = (settled.recording, settled.tenant);
        if self.0.len() >= FAILING_MAX {
            if self.0.last_key_value().is_some_and(|(last, _)| *last < key) {
                return;
            }
            self.0.pop_last();
        }
        self.0.insert(key, settled.clone());
    }
}

/// Simulates `scenario` on as many threads as there are cores. Counts with copies of `accumulator`,
/// which has counted nothing yet.
pub(super) fn run(
    scenario: &Scenario,
    accumulator: &Accumulator,
    history: HistoryWriter,
    signals: &Signals,
) -> (Accumulator, HistoryWriter) {
    run_on(cores(), scenario, accumulator, history, Some(signals))
}

/// Simulates the run of the scenario's own seed as `racegate run` does: counted by copies of
/// `accumulator` on all cores, and written to `history`, which is handed back.
#[must_use]
pub fn play_seed(
    scenario: &Scenario,
    accumulator: &Accumulator,
    history: HistoryWriter,
) -> (Accumulator, HistoryWriter) {
    run_on(cores(), scenario, accumulator, history, None)
}

fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get) as u64
}

fn run_on(
    threads: u64,
    scenario: &Scenario,
    accumulator: &Accumulator,
    history: HistoryWriter,
    signals: Option<&Signals>,
) -> (Accumulator, HistoryWriter) {
    let limit = scenario.limits.history;
    let sink = |history| ShareSink {
        accumulator: accumulator.clone(),
        history,
        limit,
        failing: Failing::default(),
        signals,
    };
    let simulate = |share: Share, mut sink: ShareSink<'_>| {
        run_share(share, scenario, &mut sink);
        (sink.accumulator, sink.history, sink.failing)
    };
    let mut shares = Share::split(threads, limit);
    let first = shares.next().expect("there is one share at least");
    let (mut counted, writer, mut failing) = std::thread::scope(|scope| {
        let others: Vec<_> = shares
            .map(|share| scope.spawn(move || simulate(share, sink(None))))
            .collect();
        let (mut counted, writer, mut failing) = simulate(first, sink(Some(history)));
        for other in others {
            let (more, _, others) = other.join().expect("the simulator does not panic");
            counted = counted.with_share(&more);
            others.0.values().for_each(|settled| failing.add(settled));
        }
        (counted, writer, failing)
    });
    let mut history = writer.expect("the first share has the history");
    while let Some((_, settled)) = failing.0.pop_first() {
        history.write(Entry::Settled(settled));
    }
    if let Some(end) = counted.run_end().cloned() {
        counted.end(&end);
        history.write(Entry::End(end));
    }
    (counted, history)
}

impl ShareSink<'_> {
    fn write(&mut self, recording: RecordingIndex, entry: impl FnOnce() -> Entry) {
        if recording.0 < self.limit
            && let Some(history) = &mut self.history
        {
            history.write(entry());
        }
    }
}

impl Sink for ShareSink<'_> {
    fn timeline(&mut self, arm: ArmIndex, timeline: &Timeline) {
        self.decided(arm, timeline);
    }

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        self.concluded(settled, timeline);
    }

    fn decided(&mut self, arm: ArmIndex, recording: &impl Decided) {
        self.accumulator.decided(arm, recording);
        self.write(recording.recording(), || Entry::Timeline {
            arm,
            timeline: recording.timeline(),
        });
    }

    #[inline]
    fn concluded(&mut self, settled: &Settled, recording: &impl Decided) {
        self.accumulator.concluded(settled, recording);
        if settled.recording.0 < self.limit {
            self.write(settled.recording, || Entry::Settled(settled.clone()));
        } else if settled.outcome != OutcomeKind::Complete {
            self.failing.add(settled);
        }
    }

    fn job(&mut self, job: &JobRecord) {
        // A job of many recordings counts by its number.
        self.job_of(RecordingIndex(job.ordinal.0), job);
    }

    fn job_of(&mut self, recording: RecordingIndex, job: &JobRecord) {
        self.accumulator.job(job);
        self.write(recording, || Entry::Job(job.clone()));
    }

    fn not_established(&mut self, recording: RecordingIndex, stage: &str) {
        self.accumulator.not_established(recording, stage);
        self.write(RecordingIndex(0), || Entry::NotEstablished {
            recording,
            stage: stage.to_owned(),
        });
    }

    fn is_stopped(&self) -> bool {
        self.signals.is_some_and(Signals::is_ending)
    }

    fn end(&mut self, at: Timestamp, reason: EndReason, ended: &[u64]) {
        self.accumulator.end(&End {
            at,
            reason,
            ended: ended.to_vec(),
            invalid_reasons: Vec::new(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use racegate_model::analysis::Tenant;
    use racegate_scenario::{Override, Source, parse};

    use super::*;
    use crate::load::context;

    #[test]
    fn a_run_counts_and_writes_the_same_on_one_two_and_seven_threads() {
        let text = include_str!("../../scenarios/c09-fixed-delay.toml");
        let set = ["workload.rate=\"400/s\""].map(Override::set);
        let scenario = parse(&Source::new("c09.toml", text), &set);
        let mut scenario = scenario.unwrap_or_else(|_| panic!("the scenario is right"));
        scenario.limits.history = 20_000;
        let fresh = Accumulator::new(&scenario, context(&scenario, Tenant::all(&scenario)));
        let folder = tempfile::tempdir().unwrap();
        let on = |threads: u64| {
            let path = folder.path().join(threads.to_string());
            let writer = HistoryWriter::waiting(File::create(&path).unwrap()).unwrap();
            let (counted, writer) = run_on(threads, &scenario, &fresh, writer, None);
            writer.finish().unwrap();
            let written = zstd::decode_all(File::open(&path).unwrap()).unwrap();
            (counted.summary(), String::from_utf8(written).unwrap())
        };
        let (summary, written) = on(1);
        assert!(summary.recordings > 40_000 && summary.valid);
        // Timelines and settlements within the limit, and failing ones beyond it.
        assert!(written.lines().count() > 20_000 * 9 + 20_000);
        for threads in [2, 7] {
            let (other, lines) = on(threads);
            assert_eq!(other, summary);
            assert!(lines == written, "on {threads} threads");
        }
    }
}
