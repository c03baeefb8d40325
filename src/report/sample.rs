//! A made-up run for tests: one queue with six workers, five gates, four phases, two arms.
//!
//! The numbers come from a toy platform, so that tables and pictures look as those of a real run.

use std::collections::BTreeMap;

use racegate_model::outcome::OutcomeKind;
use racegate_model::stats::Interval;
use racegate_model::summary::{
    BinCounts, DelaySummary, Estimate, ExpectationResult, GateSummary, Method, OutcomeCounts,
    OutcomeSummary, OverTime, PhaseSummary, PlatformSummary, SCHEMA, SliceSummary, StageSummary,
    Summary, TimeBin, Verdict,
};

const PHASES: [(&str, f64, f64, f64); 4] = [
    ("before", 0.0, 20.0, 10.0),
    ("spike", 20.0, 35.0, 80.0),
    ("drain", 35.0, 75.0, 10.0),
    ("after", 75.0, 104.0, 10.0),
];
const GATES: [(&str, &str); 5] = [
    ("ungated", "none"),
    ("fixed-delay", "fixed-delay"),
    ("forum", "forum-backoff"),
    ("full-jitter", "exponential-backoff"),
    ("webhook", "webhook"),
];

struct Recording {
    arrival: f64,
    end: f64,
    lag: f64,
    draw: f64,
}

struct Result {
    phase: usize,
    webrtc: bool,
    outcome: OutcomeKind,
    delay: f64,
    calls: f64,
}

/// The whole summary.
pub(crate) fn summary() -> Summary {
    let base = recordings(6);
    let wide = recordings(64);
    let arms = [("base", &base), ("enough-workers", &wide)];
    let gates = arms
        .iter()
        .flat_map(|(arm, recordings)| GATES.map(|gate| gate_summary(gate, arm, recordings)))
        .collect();
    Summary {
        schema: SCHEMA,
        tool: "racegate 0.1.0".to_owned(),
        scenario: "webrtc-spike".to_owned(),
        description: "A throughput spike makes metadata injection lag the media".to_owned(),
        engine: "sim".to_owned(),
        seed: 42,
        plan_hash: "5d1c03a9be4f2276".to_owned(),
        history_hash: Some("9f86d081884c7d65".to_owned()),
        valid: true,
        invalid_reasons: Vec::new(),
        interrupted: false,
        recordings: base.len() as u64,
        warmup_recordings: 20,
        not_established: 0,
        duration_s: 112.4,
        replications: 1,
        replications_hash: None,
        sharing: racegate_model::analysis::Sharing::Nothing,
        method: Method::Independent,
        exit_code: 99,
        gates,
        platform: arms
            .iter()
            .flat_map(|(arm, recordings)| {
                [("sip", false), ("webrtc", true)].map(|kind| platform(arm, kind, recordings))
            })
            .collect(),
        phases: phases(&base),
        expect: expectations(),
        over_time: over_time(&base),
        generator: None,
        conformance: None,
    }
}

/// A run without any recording.
pub(crate) fn empty() -> Summary {
    let mut summary = summary();
    summary.recordings = 0;
    summary.gates.clear();
    summary.platform.clear();
    summary.phases.clear();
    summary.expect.clear();
    summary.over_time = OverTime::default();
    summary
}

fn recordings(workers: usize) -> Vec<Recording> {
    let mut state = 7_u64;
    let mut draw = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / 16_777_216.0
    };
    let mut sessions = Vec::new();
    for (_, start, end, rate) in PHASES {
        let mut now = start;
        while now < end.min(90.0) {
            now += (0.25 + 1.5 * draw()) / rate;
            sessions.push((
                now,
                now + 2.0 + 9.0 * draw() * (0.3 + draw() * draw()),
                draw(),
                draw(),
            ));
        }
    }
    sessions.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free = vec![0.0_f64; workers];
    sessions
        .into_iter()
        .map(|(arrival, end, service, draw)| {
            let next = free.iter_mut().min_by(|a, b| a.total_cmp(b)).unwrap();
            *next = next.max(end) + 0.08 + 0.24 * service;
            Recording {
                arrival,
                end,
                lag: *next - end,
                draw,
            }
        })
        .collect()
}

/// What each gate makes of a recording: the export instant and the number of calls.
fn decide(gate: &str, recording: &Recording) -> (Option<f64>, f64) {
    let job = 2.0 + 2.0 * recording.draw;
    match gate {
        "fixed-delay" => (Some(5.0 + job), 0.0),
        "forum" if recording.lag > 15.0 => (None, 5.0),
        "forum" => {
            let attempt = (recording.lag + 1.0).log2().ceil().max(0.0);
            (Some(attempt.exp2() - 1.0 + job), attempt + 1.0)
        }
        "full-jitter" => (
            Some(recording.lag + 3.0 * recording.draw + job),
            2.0 + recording.lag / 2.5,
        ),
        _ => (Some(job), 0.0),
    }
}

fn results(name: &str, recordings: &[Recording]) -> Vec<Result> {
    recordings
        .iter()
        .map(|recording| {
            let (export, calls) = decide(name, recording);
            let outcome = match export {
                None => OutcomeKind::Abandoned,
                Some(delay) if delay < recording.lag => OutcomeKind::Incomplete,
                Some(_) => OutcomeKind::Complete,
            };
            let phase = phase_of(recording.end);
            let webrtc = recording.draw < 0.8;
            Result {
                phase,
                webrtc,
                outcome,
                delay: export.unwrap_or(f64::NAN),
                calls,
            }
        })
        .collect()
}

fn gate_summary(
    (name, strategy): (&str, &str),
    arm: &str,
    recordings: &[Recording],
) -> GateSummary {
    let results = results(name, recordings);
    let all = slice(&results, |_| true);
    let incomplete = all.total.outcomes.incomplete;
    let abandoned = all.total.outcomes.abandoned;
    let mut causes = BTreeMap::new();
    let mut missing = BTreeMap::new();
    if incomplete > 0 {
        causes.insert("queue_wait".to_owned(), incomplete - incomplete / 20);
        causes.insert("index".to_owned(), incomplete / 20);
        missing.insert("legal_hold_flag".to_owned(), incomplete);
        missing.insert("media_type".to_owned(), incomplete);
        missing.insert("client_ip".to_owned(), incomplete * 4 / 5);
    }
    if abandoned > 0 {
        causes.insert("gave_up".to_owned(), abandoned);
    }
    GateSummary {
        name: name.to_owned(),
        arm: arm.to_owned(),
        strategy: strategy.to_owned(),
        regret: delays(results.iter().map(|result| result.delay * 0.6).collect()),
        added_delay: all.added_delay,
        calls_per_recording: all.calls_per_recording,
        calls_per_recording_se: all.calls_per_recording / 40.0,
        calls_per_recording_interval: None,
        job_calls_per_recording_interval: None,
        throttled_rate_interval: None,
        job_calls_per_recording: 0.41,
        throttled: if name == "full-jitter" { 37 } else { 0 },
        throttled_rate: if name == "full-jitter" { 0.003 } else { 0.0 },
        wasted_checks: if all.calls_per_recording > 0.0 {
            3_120
        } else {
            0
        },
        re_exports: 0,
        jobs: 71,
        causes,
        missing,
        late: incomplete + abandoned,
        lost: 0,
        phases: PHASES
            .iter()
            .enumerate()
            .map(|(index, phase)| {
                (
                    phase.0.to_owned(),
                    slice(&results, |result| result.phase == index),
                )
            })
            .collect(),
        kinds: [("sip", false), ("webrtc", true)]
            .into_iter()
            .map(|(kind, webrtc)| {
                (
                    kind.to_owned(),
                    slice(&results, |result| result.webrtc == webrtc),
                )
            })
            .collect(),
        total: all.total,
    }
}

fn phase_of(end: f64) -> usize {
    PHASES.iter().rposition(|phase| end >= phase.1).unwrap_or(0)
}

fn slice(results: &[Result], keep: impl Fn(&Result) -> bool) -> SliceSummary {
    let kept: Vec<&Result> = results.iter().filter(|result| keep(result)).collect();
    let of = |outcome| {
        kept.iter()
            .filter(|result| result.outcome == outcome)
            .count() as u64
    };
    let outcomes = OutcomeCounts {
        complete: of(OutcomeKind::Complete),
        incomplete: of(OutcomeKind::Incomplete),
        abandoned: of(OutcomeKind::Abandoned),
        ..OutcomeCounts::default()
    };
    SliceSummary {
        total: outcome_summary(outcomes),
        added_delay: delays(kept.iter().map(|result| result.delay).collect()),
        calls_per_recording: kept.iter().map(|r| r.calls).sum::<f64>() / kept.len().max(1) as f64,
        calls_per_recording_interval: None,
    }
}

/// Rates of counts.
pub(crate) fn outcome_summary(outcomes: OutcomeCounts) -> OutcomeSummary {
    let settled: u64 = OutcomeKind::ALL
        .iter()
        .map(|outcome| outcomes.of(*outcome))
        .sum();
    let nothing = Interval {
        estimate: 0.0,
        low: 0.0,
        high: 1.0,
    };
    let rate = |outcome| {
        let rate = Interval::wilson(outcomes.of(outcome), settled).unwrap_or(nothing);
        Estimate::of_run(rate, Method::Independent)
    };
    OutcomeSummary {
        recordings: settled + outcomes.in_flight,
        outcomes,
        complete_rate: rate(OutcomeKind::Complete),
        incomplete_rate: rate(OutcomeKind::Incomplete),
        inconsistent_rate: rate(OutcomeKind::Inconsistent),
        rejected_rate: rate(OutcomeKind::Rejected),
        skipped_rate: rate(OutcomeKind::Skipped),
        abandoned_rate: rate(OutcomeKind::Abandoned),
        errored_rate: rate(OutcomeKind::Errored),
    }
}

/// Quantiles of values; NaN is no value.
pub(crate) fn delays(mut values: Vec<f64>) -> DelaySummary {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let Some(max) = values.last() else {
        return DelaySummary::default();
    };
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let index = (share * values.len() as f64).ceil() as usize;
        values[index.clamp(1, values.len()) - 1]
    };
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    DelaySummary {
        count: values.len() as u64,
        mean_s: mean,
        mean_se_s: mean / 25.0,
        p50_s: at(0.5),
        p95_s: at(0.95),
        p99_s: at(0.99),
        max_s: *max,
        cdf: (1..=100)
            .map(|step| (at(f64::from(step) / 100.0), f64::from(step) / 100.0))
            .collect(),
        ..DelaySummary::default()
    }
}

fn platform(arm: &str, (kind, webrtc): (&str, bool), recordings: &[Recording]) -> PlatformSummary {
    let of_kind = || {
        recordings
            .iter()
            .filter(move |recording| (recording.draw < 0.8) == webrtc)
    };
    let lag = delays(of_kind().map(|recording| recording.lag).collect());
    let waits: Vec<f64> = of_kind()
        .map(|recording| (recording.lag - 0.2).max(0.0))
        .collect();
    let waited = waits.iter().filter(|wait| **wait > 0.12).count() as f64 / waits.len() as f64;
    let mut fields = BTreeMap::new();
    fields.insert("legal_hold_flag".to_owned(), lag.clone());
    fields.insert("media_type".to_owned(), lag.clone());
    PlatformSummary {
        arm: arm.to_owned(),
        gate: None,
        kind: kind.to_owned(),
        media_lag: delays(
            of_kind()
                .map(|recording| 0.1 + 0.4 * recording.draw)
                .collect(),
        ),
        index_lag: delays(of_kind().map(|recording| recording.lag.ceil()).collect()),
        metadata_lag: lag,
        fields,
        stages: vec![StageSummary {
            name: "inject".to_owned(),
            workers: if arm == "base" { 6 } else { 64 },
            count: waits.len() as u64,
            unserved: 0,
            wait_mean_s: waits.iter().sum::<f64>() / waits.len() as f64,
            wait_mean_se_s: 0.31,
            wait_mean: None,
            wait_probability: waited,
            wait_probability_se: 0.02,
            wait_probability_interval: None,
            wait_max_s: waits.iter().copied().fold(0.0, f64::max),
            service_mean_s: 0.2,
            utilisation: if arm == "base" { 0.62 } else { 0.06 },
        }],
        never_complete: 0,
    }
}

fn phases(recordings: &[Recording]) -> Vec<PhaseSummary> {
    PHASES
        .iter()
        .enumerate()
        .map(|(index, (name, start_s, end_s, rate))| PhaseSummary {
            name: (*name).to_owned(),
            start_s: *start_s,
            end_s: *end_s,
            rate_per_s: Some((*rate, *rate)),
            ended: recordings
                .iter()
                .filter(|r| phase_of(r.end) == index)
                .count() as u64,
        })
        .collect()
}

fn over_time(recordings: &[Recording]) -> OverTime {
    let bins = (0..104)
        .map(|second| {
            let start_s = f64::from(second);
            let within = |time: f64| time >= start_s && time < start_s + 1.0;
            let ended: Vec<&Recording> = recordings.iter().filter(|r| within(r.end)).collect();
            let lag = delays(ended.iter().map(|recording| recording.lag).collect());
            let gates = GATES.iter().map(|(name, _)| {
                let mut counts = BinCounts {
                    settled: ended.len() as u64,
                    ..BinCounts::default()
                };
                for recording in &ended {
                    match decide(name, recording).0 {
                        None => counts.abandoned += 1,
                        Some(delay) if delay < recording.lag => counts.incomplete += 1,
                        Some(_) => {}
                    }
                }
                ((*name).to_owned(), counts)
            });
            TimeBin {
                start_s,
                arrivals: recordings.iter().filter(|r| within(r.arrival)).count() as u64,
                ended: ended.len() as u64,
                metadata_lag_p50_s: lag.p50_s,
                metadata_lag_max_s: lag.max_s,
                gates: gates.collect(),
            }
        })
        .collect();
    OverTime { bin_s: 1.0, bins }
}

fn expectations() -> Vec<ExpectationResult> {
    let interval = |estimate, low, high| {
        Some(Interval {
            estimate,
            low,
            high,
        })
    };
    let row = |expression: &str, verdict, observed, note: Option<&str>| ExpectationResult {
        expression: expression.to_owned(),
        verdict,
        observed,
        note: note.map(str::to_owned),
    };
    vec![
        row(
            "incomplete_rate{gate=ungated,phase=spike} > 40%",
            Verdict::Pass,
            interval(0.641, 0.609, 0.672),
            None,
        ),
        row(
            "incomplete_rate{gate=full-jitter} < 1%",
            Verdict::Pass,
            interval(0.0, 0.0, 0.002),
            None,
        ),
        row(
            "added_delay_p95{gate=full-jitter} < 10s",
            Verdict::Fail,
            interval(27.9, 27.1, 28.4),
            None,
        ),
        row(
            "abandoned_rate{gate=forum,phase=spike} < 0.5%",
            Verdict::Inconclusive,
            interval(0.004, 0.001, 0.011),
            Some("the interval covers the limit"),
        ),
        row(
            "incomplete_rate{gate=webhook,kind=sip,phase=quiet} < 1%",
            Verdict::NoSamples,
            None,
            None,
        ),
        row(
            "incomplete_rate{gate=ungated,arm=slow-index} > 90%",
            Verdict::NotRun,
            None,
            Some("arm `slow-index` was not run"),
        ),
    ]
}
