//! How often printed intervals cover what is true, and what is true: the mean over all seeds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use racegate_model::analysis::{Accumulator, Context, Replicate, Replicates, Sharing, Tenant};
use racegate_model::draws::{Draws, Purpose, Seed};
use racegate_model::scenario::{Engine, Scenario};
use racegate_model::summary::{DelaySummary, Estimate, Method, OutcomeSummary, Summary};

/// One kind of printed interval in one scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    intervals: u64,
    covered: u64,
    /// By series: intervals and how many of them covered.
    series: BTreeMap<String, (u64, u64)>,
}

/// Rows by kind.
pub(crate) type Rows = BTreeMap<&'static str, Row>;

impl Row {
    /// Counts an interval and, if it covers what is true, one that covered.
    fn add(&mut self, series: &str, covered_now: u64) {
        let one = self.series.entry(series.to_owned()).or_default();
        for (count, covered) in [
            (&mut self.intervals, &mut self.covered),
            (&mut one.0, &mut one.1),
        ] {
            *count += 1;
            *covered += covered_now;
        }
    }

    /// Share of intervals that covered.
    pub(crate) fn coverage(&self) -> f64 {
        self.covered as f64 / self.intervals.max(1) as f64
    }

    /// Number of intervals.
    pub(crate) const fn intervals(&self) -> u64 {
        self.intervals
    }

    /// The series with the lowest coverage.
    pub(crate) fn worst(&self) -> Option<(&str, f64)> {
        let share =
            |(name, (count, covered)): (_, &(u64, u64))| (name, *covered as f64 / *count as f64);
        let all = self
            .series
            .iter()
            .map(|(name, counts)| (name.as_str(), counts));
        all.map(share).min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// Every run of `scenario` from its seed on, on all cores; with the summary where it is asked for.
pub(crate) fn simulate(scenario: &Scenario, runs: u64) -> Replicates {
    let mut all = Replicates::new(Sharing::of(scenario));
    each(scenario, runs, |accumulator| accumulator.replicate())
        .into_iter()
        .for_each(|run: Replicate| all.push(run));
    all
}

/// The summaries of single runs, which speak for themselves.
pub(crate) fn summaries(scenario: &Scenario, runs: u64) -> Vec<Summary> {
    each(scenario, runs, |accumulator| accumulator.summary())
}

fn each<T: Send>(scenario: &Scenario, runs: u64, read: impl Fn(Accumulator) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(0);
    let (sender, results) = mpsc::channel();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, read) = (&next, &read);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= runs || sender.send((index, read(run(scenario, index)))).is_err() {
                        return;
                    }
                }
            });
        }
    });
    drop(sender);
    let mut results: Vec<(u64, T)> = results.into_iter().collect();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn run(scenario: &Scenario, index: u64) -> Accumulator {
    let mut scenario = scenario.clone();
    scenario.seed = Seed(scenario.seed.0.wrapping_add(index));
    let context = Context {
        tool: String::new(),
        engine: Engine::Sim,
        tenants: Tenant::all(&scenario),
        plan_hash: 0,
    };
    let mut accumulator = Accumulator::new(&scenario, context);
    racegate_model::sim::run(&scenario, &mut accumulator);
    accumulator
}

/// What is true of each series: the mean over all runs. None for what is not judged by coverage.
/// A rate of which some groups of `runs` seeds show nothing, or nothing else, is a kind of its own:
/// how often such an interval covers depends on whether the group showed an event, so that all of
/// them are judged together, one-sided or not.
fn truths(all: &Replicates, runs: usize) -> BTreeMap<&str, (&'static str, f64)> {
    let judged = all.series.iter().filter_map(|(key, column)| {
        let kind = kind_of(key)?;
        let values = column.seen();
        let kind = if is_rare(kind, &values, runs) {
            RARE
        } else {
            kind
        };
        let constant = values
            .windows(2)
            .all(|pair| pair[0].to_bits() == pair[1].to_bits());
        if constant && !key.contains("_rate") {
            return None;
        }
        // A series that most seeds say nothing of has no mean over seeds worth a table.
        (values.len() * 2 > column.values.len()).then(|| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (key.as_str(), (kind, mean))
        })
    });
    judged.collect()
}

/// The kind of rates of rare events.
const RARE: &str = "rate of a rare event";

/// Whether more than one group of `runs` in fifty shows none of the event, or nothing else.
fn is_rare(kind: &str, values: &[f64], runs: usize) -> bool {
    let alike = |end: f64| {
        let count = values
            .iter()
            .filter(|value| value.to_bits() == end.to_bits())
            .count();
        (count as f64 / values.len().max(1) as f64).powf(runs as f64)
    };
    kind.starts_with("rate") && alike(0.0) + alike(1.0) > 0.02
}

/// The kind of interval that a series has.
fn kind_of(key: &str) -> Option<&'static str> {
    let metric = key.split('{').next().unwrap_or(key);
    Some(match metric {
        _ if key.contains(" - ") => "difference",
        _ if metric.ends_with("_max") || metric == "utilisation" => return None,
        _ if metric.ends_with("_rate") && key.contains("phase=") => "rate by phase",
        _ if metric.ends_with("_rate") => "rate",
        _ if metric.starts_with("queue_wait") => "wait in a queue",
        _ if metric.ends_with("_mean") && key.contains("phase=") => "mean by phase",
        _ if metric.ends_with("_mean") => "mean",
        _ if metric.ends_with("_p50") || metric.ends_with("_p95") || metric.ends_with("_p99") => {
            if key.contains("phase=") {
                "quantile by phase"
            } else {
                "quantile"
            }
        }
        _ if metric.contains("calls") => "calls",
        _ => return None,
    })
}

fn judge(rows: &mut Rows, kind: &'static str, key: &str, seen: &Estimate, truth: f64) {
    let rounding = 1e-9 * truth.abs();
    let covers = seen.low - rounding <= truth && truth <= seen.high + rounding;
    if seen.method == Method::OneSided {
        let bounds = rows.entry("one-sided bound").or_default();
        bounds.add(key, u64::from(covers));
    }
    rows.entry(kind).or_default().add(key, u64::from(covers));
}

/// Group `group` of `runs` of all seeds, drawn without replacement: groups share seeds, so that a
/// table needs fewer of them.
fn draw(all: &Replicates, runs: usize, group: u64) -> Replicates {
    let mut order: Vec<usize> = (0..all.len()).collect();
    let runs = runs.min(order.len());
    for place in 0..runs {
        let draws = Draws::of_stream(Seed(group), "group", place as u64);
        let rest = (order.len() - place) as u64;
        let other = usize::try_from(draws.draw(Purpose::Test) % rest).expect("a position");
        order.swap(place, place + other);
    }
    all.pick(&order[..runs])
}

/// Groups of `runs` seeds each, against the mean over all of them.
pub(crate) fn replicated(all: &Replicates, runs: usize, groups: u64) -> Rows {
    let truths = truths(all, runs);
    let mut rows = Rows::new();
    for group in 0..groups {
        let part = draw(all, runs, group);
        for (key, (kind, truth)) in &truths {
            if let Some(seen) = part.expectation(key) {
                judge(&mut rows, kind, key, &seen, *truth);
            }
        }
    }
    rows
}

/// Live runs on a paused clock, each with the doubt of `runs` simulated seeds. Such a run settles
/// every recording as the simulation of its seed does, which the conformance tests hold.
pub(crate) fn live(all: &Replicates, runs: usize, groups: u64) -> Rows {
    let truths = truths(all, runs);
    let mut rows = Rows::new();
    for group in 0..groups {
        let part = draw(all, runs, group);
        for (key, (kind, truth)) in &truths {
            let own = part.get(key).and_then(|column| column.values[0]);
            let Some(seen) = own.and_then(|own| part.of_live(key, own)) else {
                continue;
            };
            judge(&mut rows, kind, key, &seen, *truth);
            if let Some(model) = seen.model.filter(|_| seen.method != Method::OneSided) {
                let model = Estimate::default().with(model);
                judge(&mut rows, "difference estimator", key, &model, *truth);
            }
        }
    }
    rows
}

/// Single runs that speak for themselves, against the mean over all of them.
pub(crate) fn single(summaries: &[Summary]) -> Rows {
    let mut seen: BTreeMap<(String, &'static str), Vec<Estimate>> = BTreeMap::new();
    for summary in summaries {
        for gate in &summary.gates {
            let mut add = |name: &str, kind, estimate: Option<Estimate>| {
                let key = (format!("{name}{{gate={}}}", gate.name), kind);
                seen.entry(key).or_default().extend(estimate);
            };
            rates(&gate.total, &mut add);
            delays("added_delay", &gate.added_delay, &mut add);
            delays("regret", &gate.regret, &mut add);
        }
        for result in summary
            .expect
            .iter()
            .filter(|one| one.expression.contains(" - "))
        {
            let key = (result.expression.clone(), "difference");
            let estimate = result.observed.map(|seen| Estimate::default().with(seen));
            seen.entry(key).or_default().extend(estimate);
        }
    }
    let mut rows = Rows::new();
    for ((key, kind), estimates) in seen {
        let count = estimates.len() as f64;
        let truth = estimates.iter().map(|one| one.estimate).sum::<f64>() / count;
        let values: Vec<f64> = estimates.iter().map(|one| one.estimate).collect();
        let kind = if is_rare(kind, &values, 1) {
            RARE
        } else {
            kind
        };
        for estimate in &estimates {
            judge(&mut rows, kind, &key, estimate, truth);
        }
    }
    rows
}

fn rates(total: &OutcomeSummary, add: &mut impl FnMut(&str, &'static str, Option<Estimate>)) {
    for outcome in racegate_model::outcome::OutcomeKind::ALL {
        let name = format!("{}_rate", outcome.name());
        add(&name, "rate", Some(total.estimate(outcome)));
    }
}

fn delays(
    family: &str,
    row: &DelaySummary,
    add: &mut impl FnMut(&str, &'static str, Option<Estimate>),
) {
    add(&format!("{family}_mean"), "mean", row.mean);
    for (name, seen) in [("p50", row.p50), ("p95", row.p95), ("p99", row.p99)] {
        add(&format!("{family}_{name}"), "quantile", seen);
    }
}
