//! Histories of a few lines, counted by hand.

use super::world::{
    abandoned, context, end, ended, expectation, exported, job, one_tenant, replay, scenario,
    series, timeline,
};
use crate::analysis::Exit;
use crate::field::Kind;
use crate::history::{End, EndReason, Entry};
use crate::outcome::OutcomeKind;
use crate::scenario::{Aggregate, Comparison, Labels, Metric, Series};
use crate::summary::{OutcomeCounts, Summary, Verdict};
use crate::time::Timestamp;

const INCOMPLETE: Metric = Metric::OutcomeRate(OutcomeKind::Incomplete);

/// Warm-up: 0. Phase `calm`: 1 complete (webrtc), 2 incomplete (sip). Phase `rush`: 3 abandoned
/// (sip), 4 in flight (webrtc).
fn history() -> Vec<Entry> {
    let lines = [
        (timeline(0, Kind::Sip, 2500, 0), Some(2500)),
        (timeline(1, Kind::Webrtc, 4000, 1000), Some(6000)),
        (timeline(2, Kind::Sip, 5000, 1000), Some(6200)),
        (timeline(3, Kind::Sip, 12_000, 1000), None),
        (timeline(4, Kind::Webrtc, 13_000, 1000), None),
    ];
    let mut entries = vec![job(0, 0, 1000, 1), job(0, 1, 6000, 2)];
    for (timeline, snapshot) in &lines {
        entries.push(ended(0, timeline));
        entries.extend(snapshot.map(|ms| Entry::Settled(exported(0, timeline, ms))));
    }
    entries.push(Entry::Settled(abandoned(0, &lines[3].0, 14_000)));
    entries.push(end(20_000, &[5]));
    entries
}

fn summary() -> Summary {
    let scenario = scenario();
    replay(&scenario, one_tenant(&scenario), &history())
}

#[test]
fn every_recording_is_counted_once_in_its_phase_and_kind() {
    let summary = summary();
    assert_eq!(summary.invalid_reasons, Vec::<String>::new());
    assert!(summary.valid && !summary.interrupted);
    assert_eq!((summary.recordings, summary.warmup_recordings), (4, 1));
    let gate = &summary.gates[0];
    let counts = |complete, incomplete, abandoned, in_flight| OutcomeCounts {
        complete,
        incomplete,
        abandoned,
        in_flight,
        ..OutcomeCounts::default()
    };
    assert_eq!(gate.total.outcomes, counts(1, 1, 1, 1));
    assert_eq!(gate.phases["calm"].total.outcomes, counts(1, 1, 0, 0));
    assert_eq!(gate.phases["rush"].total.outcomes, counts(0, 0, 1, 1));
    assert_eq!(gate.kinds["webrtc"].total.outcomes, counts(1, 0, 0, 1));
    assert_eq!(gate.kinds["sip"].total.outcomes, counts(0, 1, 1, 0));
    let phases: Vec<(u64, f64)> = summary
        .phases
        .iter()
        .map(|phase| (phase.ended, phase.end_s))
        .collect();
    assert_eq!(phases, [(2, 12.0), (2, 20.0)]);
}

#[test]
fn delays_and_calls_are_those_of_the_recordings() {
    let summary = summary();
    let gate = &summary.gates[0];
    // Exported 2 s and 1.2 s after the session; complete 0.5 s after the index had it.
    assert_eq!(gate.added_delay.count, 2);
    assert!((gate.added_delay.mean_s - 1.6).abs() < 1e-9);
    assert!((gate.added_delay.max_s - 2.0).abs() < 1e-9);
    assert_eq!(gate.regret.count, 1);
    assert!((gate.regret.mean_s - 0.5).abs() < 1e-9, "{:?}", gate.regret);
    // Three settled recordings of two calls, one job of five; two calls of eleven refused.
    assert!((gate.calls_per_recording - 2.0).abs() < 1e-9);
    assert!((gate.job_calls_per_recording - 5.0 / 3.0).abs() < 1e-9);
    assert_eq!((gate.jobs, gate.throttled, gate.wasted_checks), (1, 2, 3));
    assert!((gate.throttled_rate - 2.0 / 11.0).abs() < 1e-9);
    assert_eq!(gate.causes.get("index"), Some(&1));
    assert_eq!(gate.causes.get("gave_up"), Some(&1));
    assert_eq!(gate.missing.get("legal_hold_flag"), Some(&1));
    assert_eq!((gate.late, gate.lost), (2, 0));
}

#[test]
fn the_platform_is_measured_from_the_session_end() {
    let summary = summary();
    let names: Vec<(&str, &str)> = summary
        .platform
        .iter()
        .map(|row| (row.arm.as_str(), row.kind.as_str()))
        .collect();
    assert_eq!(names, [("base", "webrtc"), ("base", "sip")]);
    let webrtc = &summary.platform[0];
    assert!((webrtc.metadata_lag.mean_s - 1.0).abs() < 1e-9);
    assert!((webrtc.index_lag.mean_s - 1.5).abs() < 1e-9);
    assert!((webrtc.media_lag.max_s - 0.1).abs() < 1e-9);
    let stage = &webrtc.stages[0];
    assert_eq!((stage.name.as_str(), stage.count), ("inject", 2));
    assert!((stage.wait_mean_s - 0.5).abs() < 1e-9 && (stage.wait_probability - 1.0).abs() < 1e-9);
    // Four services of half a second on two workers, from 2.5 s to 14 s.
    assert!(
        (stage.utilisation - 2.0 / (2.0 * 11.5)).abs() < 1e-9,
        "{}",
        stage.utilisation
    );
}

#[test]
fn what_does_not_close_is_invalid() {
    let scenario = scenario();
    let first = timeline(1, Kind::Sip, 4000, 0);
    let settled = Entry::Settled(exported(0, &first, 5000));
    let stray = Entry::Settled(exported(0, &timeline(9, Kind::Sip, 4000, 0), 5000));
    let foreign = Entry::Settled(exported(5, &first, 5000));
    let line = ended(0, &first);
    let rows: [(&[&Entry], &str); 4] = [
        (&[&line, &settled, &settled], "settled twice"),
        (&[&line, &settled, &line], "ended twice"),
        (&[&line, &settled, &stray], "settled without having ended"),
        (&[&line, &settled, &foreign], "was not run"),
    ];
    for (lines, reason) in rows {
        let mut entries: Vec<Entry> = lines.iter().map(|entry| (*entry).clone()).collect();
        entries.push(end(9000, &[1]));
        let summary = replay(&scenario, one_tenant(&scenario), &entries);
        assert!(!summary.valid && summary.exit_code == 92, "{reason}");
        assert!(
            summary.invalid_reasons[0].contains(reason),
            "{:?}",
            summary.invalid_reasons
        );
        assert_eq!(summary.gates[0].total.outcomes.complete, 1);
    }
    let short = replay(
        &scenario,
        one_tenant(&scenario),
        &[line, settled, end(9000, &[2])],
    );
    assert!(short.invalid_reasons[0].contains("the engine counted 2"));
}

#[test]
fn a_history_that_was_cut_off_is_interrupted_and_not_invalid() {
    let scenario = scenario();
    let mut entries = history();
    entries.truncate(entries.len() - 1);
    // The last recording settled, and the run was killed before its timeline was written.
    entries.push(Entry::Settled(exported(
        0,
        &timeline(9, Kind::Sip, 4000, 0),
        5000,
    )));
    let summary = replay(&scenario, one_tenant(&scenario), &entries);
    assert!(summary.valid && summary.interrupted);
    assert_eq!(Exit::of(&summary).code(), 105);
    assert_eq!(summary.gates[0].total.outcomes.in_flight, 1);
    assert_eq!(replay(&scenario, one_tenant(&scenario), &[]).recordings, 0);
}

#[test]
fn reasons_of_the_engine_make_the_run_invalid() {
    let scenario = scenario();
    let entries = [Entry::End(End {
        at: Timestamp::ZERO,
        reason: EndReason::Finished,
        ended: vec![0],
        invalid_reasons: vec!["sends were late".into()],
    })];
    let summary = replay(&scenario, one_tenant(&scenario), &entries);
    assert_eq!(summary.invalid_reasons, ["sends were late"]);
    assert_eq!(
        Exit::of(&summary).to_string(),
        "exit 92: the run is invalid: sends were late"
    );
}

#[test]
fn expectations_are_judged_and_what_was_not_run_is_told() {
    let mut scenario = scenario();
    let in_arm = |arm: &str| {
        let labels = Labels {
            arm: Some(arm.into()),
            ..series(INCOMPLETE, "ungated").labels
        };
        Series {
            metric: INCOMPLETE,
            labels,
        }
    };
    let recordings = Series {
        metric: Metric::Recordings,
        labels: Labels::default(),
    };
    let regret = Metric::Regret(Aggregate::Max);
    let in_rush = |metric| {
        let labels = Labels {
            phase: Some("rush".into()),
            ..series(metric, "ungated").labels
        };
        Series { metric, labels }
    };
    let rows = [
        (recordings, 4.0, Verdict::Pass),
        (series(INCOMPLETE, "ungated"), 0.1, Verdict::Inconclusive),
        (series(regret, "ungated"), 0.5, Verdict::Pass),
        (series(regret, "ungated"), 0.4, Verdict::Fail),
        (in_rush(regret), 0.4, Verdict::NoSamples),
        (series(INCOMPLETE, "patient"), 0.1, Verdict::NotRun),
        (in_arm("roomy"), 0.1, Verdict::NotRun),
        (in_arm("elsewhere"), 0.1, Verdict::NoSamples),
    ];
    for (series, bound, _) in &rows {
        let line = expectation(series.clone(), None, Comparison::LessOrEqual, *bound);
        scenario.expect.push(line);
    }
    let summary = replay(&scenario, one_tenant(&scenario), &history());
    for (result, (series, _, verdict)) in summary.expect.iter().zip(&rows) {
        assert_eq!(result.verdict, *verdict, "{series:?}: {result:?}");
    }
    assert_eq!(summary.exit_code, 99);
    let exit = Exit::of(&summary);
    assert!(
        exit.reason().starts_with("1 of 6 expectations failed: "),
        "{}",
        exit.reason()
    );
}

#[test]
fn a_difference_is_taken_over_the_same_recordings() {
    let mut scenario = scenario();
    let delay = Metric::AddedDelay(Aggregate::Mean);
    for metric in [INCOMPLETE, delay, Metric::AddedDelay(Aggregate::P50)] {
        scenario.expect.push(expectation(
            series(metric, "patient"),
            Some(series(metric, "ungated")),
            Comparison::Less,
            0.0,
        ));
    }
    let mut entries = Vec::new();
    for recording in 0..40 {
        // The lag grows, so the delays vary; the difference between the gates is always 3 s.
        let line = timeline(recording, Kind::Sip, 3500 + recording, 1000);
        let direct = 3500 + recording + 20 * recording;
        entries.push(ended(0, &line));
        entries.push(Entry::Settled(exported(0, &line, direct)));
        entries.push(Entry::Settled(exported(1, &line, direct + 3000)));
        entries.push(ended(1, &line));
    }
    entries.push(end(30_000, &[40, 40]));
    let summary = replay(&scenario, context(&scenario), &entries);
    let [rate, mean, median] = summary.expect.as_slice() else {
        panic!("three expectations")
    };
    assert_eq!(rate.verdict, Verdict::Pass, "{rate:?}");
    assert!(
        rate.observed
            .is_some_and(|seen| (seen.estimate + 1.0).abs() < 1e-9)
    );
    let seen = mean.observed.expect("a difference");
    assert_eq!(mean.verdict, Verdict::Fail);
    assert!(
        (seen.low - 3.0).abs() < 1e-9 && (seen.high - 3.0).abs() < 1e-9,
        "{seen:?}"
    );
    assert_eq!(mean.note.as_deref(), Some("paired on 40 recordings"));
    assert_eq!(
        median.note.as_deref(),
        Some("not paired: taken as independent")
    );
}
