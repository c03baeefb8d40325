//! Verdicts on samples whose truth is known.

use std::collections::BTreeMap;

use super::*;
use crate::analysis::Sharing;
use crate::draws::{Draws, Purpose, Seed};
use crate::outcome::OutcomeKind;

/// Recordings of a run in which nothing couples them.
const RECORDINGS: usize = 1_000;

fn sample(sharing: Sharing, seeds: &[u64]) -> Sample {
    Sample {
        schema: SAMPLE_SCHEMA,
        tool: "racegate 0.1.0".to_owned(),
        scenario: "spike".to_owned(),
        scenario_hash: "aa".to_owned(),
        engine: "sim".to_owned(),
        sharing,
        plan_hash: format!("{:016x}", seeds[0]),
        seeds: seeds.to_vec(),
        hashes: Vec::new(),
        series: BTreeMap::new(),
        blocks: BTreeMap::new(),
        outcomes: BTreeMap::new(),
        spread: BTreeMap::new(),
    }
}

fn values(values: &[f64]) -> Values {
    Values {
        values: values.iter().copied().map(Some).collect(),
        counts: vec![1_000; values.len()],
        blocks: vec![50; values.len()],
    }
}

/// A uniform number in [0, 1).
fn uniform(seed: u64, call: u64, k: u32) -> f64 {
    let bits = Draws::of_call(Seed(seed), call).draw_nth(Purpose::Test, k);
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A run of independent recordings, of which those are incomplete whose draw is below `rate`.
fn independent(seed: u64, rate: f64) -> Sample {
    let mut sample = sample(Sharing::Nothing, &[seed]);
    let mut outcomes = Outcomes::default();
    let mut incomplete = 0.0;
    for index in 0..RECORDINGS {
        let lag = uniform(seed, index as u64, 0);
        let late = lag < rate;
        incomplete += f64::from(u8::from(late));
        outcomes.set(
            index,
            if late {
                OutcomeKind::Incomplete
            } else {
                OutcomeKind::Complete
            },
        );
    }
    let share = incomplete / RECORDINGS as f64;
    sample
        .series
        .insert("incomplete_rate{gate=g}".to_owned(), values(&[share]));
    sample
        .series
        .insert("abandoned_rate{gate=g}".to_owned(), values(&[0.0]));
    sample
        .outcomes
        .insert("{gate=g}".to_owned(), outcomes.to_text());
    sample
}

/// Runs of coupled recordings: skewed values per seed, as of a metric that a spike makes.
fn coupled(seeds: std::ops::Range<u64>, scale: f64) -> Sample {
    let seeds: Vec<u64> = seeds.collect();
    let mut sample = sample(Sharing::Queue, &seeds);
    let names = ["incomplete_rate", "added_delay_p95", "calls_per_recording"];
    for gate in ["a", "b", "c"] {
        for (name, k) in names.iter().zip(0..) {
            let own = gate.as_bytes()[0];
            let of = |seed: &u64| {
                let u = uniform(*seed, own.into(), k);
                -0.1 * scale * libm::log(1.0 - u * 0.999)
            };
            let list: Vec<f64> = seeds.iter().map(of).collect();
            sample
                .series
                .insert(format!("{name}{{gate={gate}}}"), values(&list));
        }
    }
    sample
}

fn verdict_of(base: &Sample, run: &Sample) -> Comparison {
    compare(base, run, &Margins::default())
}

fn line<'c>(comparison: &'c Comparison, series: &str) -> &'c Line {
    let found = comparison.lines.iter().find(|line| line.series == series);
    found.expect("the series was judged")
}

fn share_of_worse(pairs: u64, pair: impl Fn(u64) -> (Sample, Sample)) -> f64 {
    let worse = (0..pairs).filter(|at| {
        let (base, run) = pair(*at);
        verdict_of(&base, &run).verdict == Judgement::Worse
    });
    worse.count() as f64 / pairs as f64
}

#[test]
fn equal_independent_runs_with_other_seeds_are_hardly_ever_called_worse() {
    let share = share_of_worse(1_000, |at| {
        (independent(2 * at, 0.02), independent(2 * at + 1, 0.02))
    });
    assert!(share <= 0.01, "{share}");
}

#[test]
fn equal_coupled_runs_with_other_seeds_are_hardly_ever_called_worse() {
    let share = share_of_worse(1_000, |at| {
        let from = 1_000 * at;
        (
            coupled(from..from + 20, 1.0),
            coupled(from + 100..from + 120, 1.0),
        )
    });
    assert!(share <= 0.01, "{share}");
}

#[test]
fn a_rise_from_two_to_three_percent_on_the_same_recordings_is_seen() {
    let share = share_of_worse(1_000, |at| (independent(at, 0.02), independent(at, 0.03)));
    assert!(share >= 0.95, "{share}");
}

#[test]
fn independent_recordings_of_the_same_sessions_are_paired_one_by_one() {
    let comparison = verdict_of(&independent(7, 0.02), &independent(7, 0.05));
    let seen = line(&comparison, "incomplete_rate{gate=g}");
    assert_eq!((seen.method, seen.units), (Method::PairedRecordings, 1_000));
    assert!(
        seen.low.unwrap() > 0.0 && seen.p.unwrap() < 1e-4,
        "{seen:?}"
    );
    let other = verdict_of(&independent(7, 0.02), &independent(8, 0.02));
    let seen = line(&other, "incomplete_rate{gate=g}");
    assert_eq!(seen.method, Method::IndependentRecordings);
}

#[test]
fn the_same_history_differs_by_exactly_nothing() {
    let mut base = coupled(0..20, 1.0);
    base.hashes = vec!["00".to_owned(); 20];
    let comparison = verdict_of(&base, &base.clone());
    assert_eq!(comparison.verdict, Judgement::NotWorse);
    for line in &comparison.lines {
        assert_eq!((line.low, line.high), (Some(0.0), Some(0.0)), "{line:?}");
    }
}

#[test]
fn coupled_runs_of_the_same_seeds_are_compared_seed_by_seed() {
    let comparison = verdict_of(&coupled(0..20, 1.0), &coupled(0..20, 2.0));
    assert_eq!(comparison.verdict, Judgement::Worse);
    let seen = line(&comparison, "incomplete_rate{gate=a}");
    assert_eq!((seen.method, seen.units), (Method::PairedSeeds, 20));
    // Less is better, and is said.
    let back = verdict_of(&coupled(0..20, 2.0), &coupled(0..20, 1.0));
    assert_eq!(back.verdict, Judgement::NotWorse);
    let seen = line(&back, "incomplete_rate{gate=a}");
    assert_eq!(seen.note.as_deref(), Some("better"));
}

#[test]
fn one_coupled_run_is_one_observation_and_decides_nothing() {
    let comparison = verdict_of(&coupled(0..1, 1.0), &coupled(1..2, 9.0));
    assert_eq!(comparison.verdict, Judgement::Inconclusive);
    let seen = line(&comparison, "added_delay_p95{gate=a}");
    assert_eq!((seen.method, seen.low), (Method::Unbounded, None));
    assert!(
        seen.note.as_ref().unwrap().contains("--replications 20"),
        "{seen:?}"
    );
    assert!(seen.difference.is_some());
}

#[test]
fn what_never_happened_is_bounded_by_the_rule_of_three() {
    let with = |blocks: u64| {
        let mut sample = sample(Sharing::Queue, &(0..20).collect::<Vec<u64>>());
        let mut none = values(&[0.0; 20]);
        none.blocks = vec![blocks; 20];
        sample
            .series
            .insert("incomplete_rate{gate=g}".to_owned(), none);
        sample
    };
    let few = verdict_of(&with(5), &with(5));
    assert_eq!(few.verdict, Judgement::Inconclusive);
    assert_eq!(few.lines[0].method, Method::NoEvents);
    assert!(
        (few.lines[0].high.unwrap() - 0.029_513).abs() < 1e-6,
        "{few:?}"
    );
    let many = verdict_of(&with(50), &with(50));
    assert_eq!(many.verdict, Judgement::NotWorse);
}

#[test]
fn a_live_run_borrows_its_doubt_from_the_simulated_spread() {
    let live = |value: f64| {
        let mut sample = sample(Sharing::Queue, &[1]);
        sample.engine = "live".to_owned();
        let key = "added_delay_p95{gate=g}".to_owned();
        sample.series.insert(key.clone(), values(&[value]));
        let spread = Spread {
            deviation: 0.5,
            seeds: 50,
        };
        sample.spread.insert(key, spread);
        sample
    };
    let worse = verdict_of(&live(10.0), &live(15.0));
    assert_eq!(worse.verdict, Judgement::Worse);
    assert_eq!(worse.lines[0].method, Method::SimulatedSpread);
    let open = verdict_of(&live(10.0), &live(10.6));
    assert_eq!(open.verdict, Judgement::Inconclusive);
    assert!(
        open.lines[0]
            .note
            .as_ref()
            .unwrap()
            .contains("runs of each side")
    );
    assert_eq!(
        verdict_of(&live(40.0), &live(40.1)).verdict,
        Judgement::NotWorse
    );
}

#[test]
fn what_differs_beside_the_numbers_is_said() {
    let base = coupled(0..20, 1.0);
    let mut run = coupled(0..20, 1.0);
    run.tool = "racegate 0.2.0".to_owned();
    run.scenario_hash = "bb".to_owned();
    run.engine = "live".to_owned();
    run.series.remove("incomplete_rate{gate=a}");
    run.series
        .insert("incomplete_rate{gate=new}".to_owned(), values(&[0.0; 20]));
    let comparison = verdict_of(&base, &run);
    for part in [
        "another version of the scenario (hash)",
        "another tool version: the base has racegate 0.1.0",
        "another engine: the base has sim, the run live",
        "incomplete_rate{gate=a} is in the base and not in the run",
        "incomplete_rate{gate=new} is not in the base",
    ] {
        let said = comparison.notes.iter().any(|note| note.contains(part));
        assert!(said, "{part}: {:?}", comparison.notes);
    }
    assert_ne!(comparison.verdict, Judgement::NotWorse);
}

#[test]
fn a_quantile_of_independent_recordings_is_bounded_by_its_blocks() {
    let with = |shift: f64| {
        let mut sample = independent(3, 0.02);
        let key = "added_delay_p95{gate=g}".to_owned();
        let blocks = (0..20).map(|at| Some(4.0 + shift + f64::from(at % 5) * 0.05));
        sample.blocks.insert(key.clone(), blocks.collect());
        sample.series.insert(key, values(&[4.1 + shift]));
        sample
    };
    let comparison = verdict_of(&with(0.0), &with(1.0));
    let seen = line(&comparison, "added_delay_p95{gate=g}");
    assert_eq!(
        (seen.method, seen.verdict),
        (Method::PairedBlocks, Judgement::Worse)
    );
}

#[test]
fn undecided_says_how_many_more_would_decide() {
    let base = coupled(0..20, 1.0);
    let run = coupled(200..220, 1.3);
    let comparison = verdict_of(&base, &run);
    let seen = line(&comparison, "incomplete_rate{gate=a}");
    assert_eq!(seen.verdict, Judgement::Inconclusive);
    let note = seen.note.as_ref().unwrap();
    assert!(
        note.starts_with("about ") && note.contains("seeds"),
        "{note}"
    );
}

#[test]
fn runs_of_one_scenario_are_joined_and_others_refused() {
    let mut joined = coupled(0..10, 1.0);
    joined.add(&coupled(5..15, 1.0)).unwrap();
    assert_eq!(joined.seeds, (0..15).collect::<Vec<u64>>());
    joined.check().unwrap();
    assert_eq!(
        joined.series["incomplete_rate{gate=a}"],
        coupled(0..15, 1.0).series["incomplete_rate{gate=a}"]
    );
    let mut other = coupled(0..10, 1.0);
    other.scenario_hash = "bb".to_owned();
    assert!(matches!(joined.add(&other), Err(SampleError::Mixed(..))));
}

#[test]
fn a_damaged_baseline_is_refused_with_a_reason() {
    let good = independent(1, 0.02);
    good.check().unwrap();
    let mut newer = good.clone();
    newer.schema = 2;
    assert!(
        newer
            .check()
            .unwrap_err()
            .to_string()
            .contains("--save-baseline")
    );
    let mut short = good.clone();
    short.seeds.push(9);
    assert!(matches!(short.check(), Err(SampleError::Length { .. })));
    let mut torn = good;
    torn.outcomes.insert("{gate=g}".to_owned(), "3q".to_owned());
    assert!(matches!(torn.check(), Err(SampleError::Outcomes { .. })));
}

/// Runs whose rate of incomplete exports and mean delay are what `level` says, one seed each.
fn runs_at(levels: &[(f64, f64)]) -> Vec<(String, Sample)> {
    let run = |(at, (rate, delay)): (usize, &(f64, f64))| {
        let mut sample = sample(Sharing::Queue, &[at as u64]);
        let noise = 0.01 * (uniform(9, at as u64, 0) - 0.5);
        let series = [
            ("incomplete_rate{gate=g}", rate + noise),
            ("added_delay_mean{gate=g}", delay + noise),
        ];
        for (key, value) in series {
            sample.series.insert(key.to_owned(), values(&[value]));
        }
        (format!("run-{at:02}"), sample)
    };
    levels.iter().enumerate().map(run).collect()
}

#[test]
fn a_trend_names_the_run_at_which_a_metric_got_worse() {
    let mut levels = vec![(0.10, 5.0); 9];
    levels.extend([(0.20, 5.0); 7]);
    let trend = trend(&runs_at(&levels), &Margins::default());
    assert_eq!((trend.verdict, trend.series), (Judgement::Worse, 2));
    let [change] = trend.changes.as_slice() else {
        panic!("{:?}", trend.changes);
    };
    assert_eq!((change.run.as_str(), change.at), ("run-09", 9));
    assert!(change.is_worse && change.is_last && change.p < 1e-6);
}

#[test]
fn what_was_mended_or_is_within_the_margin_is_told_and_is_not_worse() {
    let mut levels = vec![(0.10, 5.0); 8];
    levels.extend([(0.20, 5.0); 8]);
    levels.extend([(0.10, 5.2); 8]);
    let trend = trend(&runs_at(&levels), &Margins::default());
    assert_eq!(
        (trend.verdict, trend.changes.len()),
        (Judgement::NotWorse, 3)
    );
    let few = super::trend(&runs_at(&levels[..10]), &Margins::default());
    assert_eq!(few.verdict, Judgement::Inconclusive);
    assert!(
        few.notes[0].contains("10 runs are too few"),
        "{:?}",
        few.notes
    );
}
