//! Order, streams and replications change nothing that they should not.

use proptest::prelude::*;

use super::world::{context, ended, expectation, scenario, series};
use crate::analysis::{Accumulator, REPLICATIONS_MIN, Replay};
use crate::draws::{Seed, mix64};
use crate::history::{End, EndReason, Entry, JobRecord, Settled};
use crate::ids::ArmIndex;
use crate::outcome::OutcomeKind;
use crate::recorder::Sink;
use crate::scenario::{Aggregate, Comparison, Labels, Metric, Scenario, Series};
use crate::summary::{Summary, Verdict};
use crate::time::Timestamp;
use crate::timeline::Timeline;

/// Writes the history and feeds the stream.
struct Both {
    entries: Vec<Entry>,
    stream: Accumulator,
}

impl Sink for Both {
    fn timeline(&mut self, arm: ArmIndex, timeline: &Timeline) {
        self.entries.push(ended(arm.0, timeline));
        self.stream.timeline(arm, timeline);
    }

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        self.entries.push(Entry::Settled(settled.clone()));
        self.stream.settled(settled, timeline);
    }

    fn job(&mut self, job: &JobRecord) {
        self.entries.push(Entry::Job(job.clone()));
        self.stream.job(job);
    }

    fn end(&mut self, at: Timestamp, reason: EndReason, ended: &[u64]) {
        let end = End {
            at,
            reason,
            ended: ended.to_vec(),
            invalid_reasons: Vec::new(),
        };
        self.entries.push(Entry::End(end.clone()));
        self.stream.end(&end);
    }
}

fn run(scenario: &Scenario) -> Both {
    let stream = Accumulator::new(scenario, context(scenario));
    let mut both = Both {
        entries: Vec::new(),
        stream,
    };
    crate::sim::run(scenario, &mut both);
    both
}

fn expecting() -> Scenario {
    let mut scenario = scenario();
    let incomplete = Metric::OutcomeRate(OutcomeKind::Incomplete);
    let metrics = [
        incomplete,
        Metric::AddedDelay(Aggregate::Mean),
        Metric::AddedDelay(Aggregate::P50),
        Metric::Regret(Aggregate::Mean),
        Metric::CallsPerRecording,
        Metric::JobCallsPerRecording,
        Metric::ThrottledRate,
    ];
    for metric in metrics {
        let line = |minus| expectation(series(metric, "patient"), minus, Comparison::Less, 1.0);
        scenario.expect.push(line(None));
        scenario.expect.push(line(Some(series(metric, "ungated"))));
    }
    let platform = [
        Metric::MetadataLag(Aggregate::P95),
        Metric::QueueWaitMean,
        Metric::QueueWaitProbability,
        Metric::NotEstablished,
    ];
    for metric in platform {
        let series = Series {
            metric,
            labels: Labels::default(),
        };
        scenario
            .expect
            .push(expectation(series, None, Comparison::Less, 1.0));
    }
    scenario
}

fn shuffled(entries: &[Entry], key: u64) -> Vec<Entry> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|position| mix64(key ^ mix64(*position as u64)));
    order
        .into_iter()
        .map(|position| entries[position].clone())
        .collect()
}

fn replayed(scenario: &Scenario, entries: &[Entry]) -> Accumulator {
    let mut replay = Replay::new(scenario, context(scenario));
    entries.iter().for_each(|entry| replay.add(entry));
    replay.finish()
}

fn summed(total: &Summary) -> (u64, u64, u64, u64) {
    let outcomes = total.gates.iter().map(|gate| gate.total.outcomes);
    let delays: u64 = total.gates.iter().map(|gate| gate.added_delay.count).sum();
    let incomplete = outcomes.map(|outcomes| outcomes.incomplete).sum();
    (
        total.recordings,
        incomplete,
        delays,
        total.gates.iter().map(|gate| gate.jobs).sum(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_shuffled_history_and_the_stream_give_the_same_summary(
        seed in any::<u64>(),
        key in any::<u64>(),
    ) {
        let scenario = Scenario { seed: Seed(seed), ..expecting() };
        let both = run(&scenario);
        let streamed = both.stream.summary();
        prop_assert!(streamed.valid, "{:?}", streamed.invalid_reasons);
        prop_assert!(streamed.recordings > 50);
        let replayed = replayed(&scenario, &shuffled(&both.entries, key)).summary();
        prop_assert_eq!(replayed, streamed);
    }

    #[test]
    fn a_history_cut_anywhere_is_counted_without_complaint(
        seed in 0_u64..50,
        share in 0.0_f64..1.0,
    ) {
        let scenario = Scenario { seed: Seed(seed), ..scenario() };
        let mut entries = shuffled(&run(&scenario).entries, seed);
        entries.retain(|entry| !matches!(entry, Entry::End(_)));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below len")]
        entries.truncate((entries.len() as f64 * share) as usize);
        let summary = replayed(&scenario, &entries).summary();
        // Arms may be cut at different recordings; nothing else may be found wrong.
        prop_assert!(summary.interrupted && summary.valid, "{:?}", summary.invalid_reasons);
        for gate in &summary.gates {
            let counts = gate.total.outcomes;
            let settled: u64 = OutcomeKind::ALL.into_iter().map(|kind| counts.of(kind)).sum();
            prop_assert_eq!(settled + counts.in_flight, gate.total.recordings);
        }
    }
}

#[test]
fn replications_add_up_and_narrow_the_interval() {
    let of_seed = |seed| {
        run(&Scenario {
            seed: Seed(seed),
            ..expecting()
        })
        .stream
    };
    let runs: Vec<Accumulator> = (0..REPLICATIONS_MIN as u64 + 2).map(of_seed).collect();
    let mut sums = (0, 0, 0, 0);
    for run in &runs {
        let one = summed(&run.summary());
        sums = (
            sums.0 + one.0,
            sums.1 + one.1,
            sums.2 + one.2,
            sums.3 + one.3,
        );
    }
    let single = runs[0].summary();
    let merged = runs
        .into_iter()
        .reduce(Accumulator::merge)
        .expect("twelve runs");
    let total = merged.summary();
    assert!(total.valid, "{:?}", total.invalid_reasons);
    assert_eq!(total.replications, 12);
    assert_eq!(summed(&total), sums);
    let error = |summary: &Summary| summary.gates[0].added_delay.mean_se_s;
    assert!(
        error(&total) < error(&single),
        "{} {}",
        error(&total),
        error(&single)
    );
    assert!(
        total
            .expect
            .iter()
            .all(|result| result.verdict != Verdict::NotRun)
    );
}

#[test]
fn merging_keeps_what_was_wrong_with_one_run() {
    let good = run(&scenario()).stream;
    let mut bad = run(&Scenario {
        seed: Seed(8),
        ..scenario()
    })
    .stream;
    let end = End {
        at: Timestamp::ZERO,
        reason: EndReason::Interrupted,
        ended: vec![1, 1],
        invalid_reasons: vec!["late".into()],
    };
    bad.end(&end);
    let merged = good.merge(bad).summary();
    assert!(merged.interrupted && !merged.valid);
    assert!(merged.invalid_reasons.iter().any(|reason| reason == "late"));
}
