//! The summary of one run made to speak of the expectation over seeds.
//!
//! The run of the scenario's seed is one draw. Its counts, tables and pictures stay its own; every
//! rate, mean, quantile and difference becomes an estimate of what the scenario does on average,
//! with an interval from between seeds.

use super::expect::judge;
use super::replicates::{Column, Replicates};
use super::series::{Label, key_of};
use super::sharing::Sharing;
use crate::outcome::OutcomeKind;
use crate::scenario::{Condition, Scenario};
use crate::stats::{Interval, SeedMean, bound_of_none};
use crate::summary::{
    DelaySummary, Estimate, ExpectationResult, GateSummary, Method, OutcomeSummary,
    PlatformSummary, Summary, Verdict,
};

/// How often an interval misses the expectation.
const MISS: f64 = 0.05;

/// How often the interval may miss at which further seeds are given up early: looks before the
/// last one then hardly add to its own error (Haybittle 1971, Peto 1976).
const MISS_EARLY: f64 = 0.001;

/// Where the doubt of a run's numbers comes from.
#[derive(Clone, Copy, Debug)]
pub enum Doubt<'a> {
    /// Further seeds of the same simulation, the run's own first.
    Replicated(&'a Replicates),
    /// Simulations of a live run's scenario, that of its own seed first.
    Borrowed(&'a Replicates),
}

/// What values a series can take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scale {
    Share,
    Positive,
    Signed,
}

impl Scale {
    fn of(key: &str) -> Self {
        let metric = key.split('{').next().unwrap_or(key);
        if key.contains(" - ") {
            Self::Signed
        } else if metric.ends_with("_rate") || metric.ends_with("_probability") {
            Self::Share
        } else {
            Self::Positive
        }
    }

    /// What of `interval` such a value can be.
    const fn clamp(self, interval: Interval) -> Interval {
        let (low, high) = match self {
            Self::Share => (0.0, 1.0),
            Self::Positive => (0.0, f64::INFINITY),
            Self::Signed => (f64::NEG_INFINITY, f64::INFINITY),
        };
        Interval {
            estimate: interval.estimate,
            low: interval.low.max(low),
            high: interval.high.min(high),
        }
    }
}

impl Column {
    /// The expectation over seeds with the interval that misses it with probability `miss`.
    fn expectation(&self, scale: Scale, sharing: Sharing, miss: f64) -> Option<Estimate> {
        let values = self.seen();
        let mean = SeedMean::of(&values)?;
        let estimate = Estimate {
            run: self.values.first().copied().flatten(),
            replications: values.len() as u64,
            method: Method::Replications,
            standard_error: Some(mean.standard_error),
            effective_size: (scale == Scale::Share)
                .then(|| mean.effective_size())
                .flatten(),
            ..Estimate::default()
        };
        let one_sided = |interval| {
            Estimate {
                method: Method::OneSided,
                ..estimate
            }
            .with(interval)
        };
        Some(match (scale, self.unanimous()) {
            (Scale::Share, Some(all)) => one_sided(all.bound(self.units(sharing), miss)),
            (Scale::Share, None) => estimate.with(mean.share_interval(miss)),
            (Scale::Positive | Scale::Signed, _) => estimate.with(scale.clamp(mean.interval(miss))),
        })
    }

    /// One live run's `value`, with the seed-to-seed deviation of its simulations.
    fn of_live(&self, value: f64, scale: Scale, sharing: Sharing) -> Option<Estimate> {
        let values = self.seen();
        let mean = SeedMean::of(&values)?;
        let half = mean.t(MISS) * mean.deviation();
        let estimate = Estimate {
            run: Some(value),
            replications: values.len() as u64,
            method: Method::Model,
            standard_error: Some(mean.deviation()),
            model: self.corrected(value, &mean).map(|model| scale.clamp(model)),
            ..Estimate::default()
        };
        let alike = self.unanimous().filter(|all| all.is(value));
        Some(match (scale, alike) {
            (Scale::Share, Some(all)) => {
                let interval = all.bound(self.units(sharing), MISS);
                Estimate {
                    method: Method::OneSided,
                    ..estimate
                }
                .with(interval)
            }
            _ => estimate.with(scale.clamp(Interval {
                estimate: value,
                low: value - half,
                high: value + half,
            })),
        })
    }

    /// The mean over seeds, corrected by how the live run differs from the simulation of its own
    /// seed. One difference is all that is known of how much engines differ, so it counts in full.
    fn corrected(&self, value: f64, mean: &SeedMean) -> Option<Interval> {
        let difference = value - self.values.first().copied().flatten()?;
        let error = mean.standard_error;
        let half = mean.t(MISS) * (error * error + difference * difference).sqrt();
        let estimate = mean.mean + difference;
        Some(Interval {
            estimate,
            low: estimate - half,
            high: estimate + half,
        })
    }

    /// Whether every run showed nothing, or nothing else.
    fn unanimous(&self) -> Option<Unanimous> {
        let mut values = self.values.iter().flatten();
        if values.clone().all(|value| *value <= 0.0) {
            Some(Unanimous::Never)
        } else if values.all(|value| *value >= 1.0) {
            Some(Unanimous::Always)
        } else {
            None
        }
    }

    /// What counts as independent where nothing happened: recordings, or else the blocks of
    /// neighbours that a burst would fill.
    fn units(&self, sharing: Sharing) -> u64 {
        if sharing == Sharing::Nothing {
            return self.counts.iter().sum();
        }
        let blocks: u64 = self.blocks.iter().sum();
        blocks.max(self.seen().len() as u64)
    }
}

/// What all runs agree on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unanimous {
    Never,
    Always,
}

impl Unanimous {
    fn bound(self, units: u64, miss: f64) -> Interval {
        let bound = bound_of_none(units, miss);
        match self {
            Self::Never => Interval {
                estimate: 0.0,
                low: 0.0,
                high: bound,
            },
            Self::Always => Interval {
                estimate: 1.0,
                low: 1.0 - bound,
                high: 1.0,
            },
        }
    }

    fn is(self, value: f64) -> bool {
        match self {
            Self::Never => value <= 0.0,
            Self::Always => value >= 1.0,
        }
    }
}

impl Doubt<'_> {
    fn replicates(&self) -> &Replicates {
        let (Self::Replicated(all) | Self::Borrowed(all)) = self;
        all
    }

    /// The estimate of a series whose value in the run itself is `own`.
    fn of(&self, key: &str, own: f64) -> Option<Estimate> {
        let all = self.replicates();
        let (column, scale) = (all.get(key)?, Scale::of(key));
        match self {
            Self::Replicated(_) => column.expectation(scale, all.sharing, MISS),
            Self::Borrowed(_) => column.of_live(own, scale, all.sharing),
        }
    }
}

impl Summary {
    /// Makes every estimate of the summary, and every verdict, speak of the expectation over seeds
    /// of `scenario`, which is what was run.
    pub fn speak_of_seeds(&mut self, scenario: &Scenario, doubt: Doubt<'_>) {
        let all = doubt.replicates();
        self.replications = all.len() as u64;
        self.sharing = all.sharing;
        self.method = match doubt {
            Doubt::Replicated(_) => Method::Replications,
            Doubt::Borrowed(_) => Method::Model,
        };
        self.replications_hash = matches!(doubt, Doubt::Replicated(_)).then(|| all.hash());
        for gate in &mut self.gates {
            speak_of_gate(gate, &doubt);
        }
        for row in &mut self.platform {
            speak_of_platform(row, &doubt);
        }
        for (line, result) in scenario.expect.iter().zip(&mut self.expect) {
            // Claims are judged by every seed as it comes.
            if result.verdict != Verdict::NotRun && line.certainty.is_none() {
                speak_of_line(&key_of(line), &line.conditions, result, &doubt);
            }
        }
    }
}

fn speak_of_gate(gate: &mut GateSummary, doubt: &Doubt<'_>) {
    let labels = Label::of(&gate.arm, Some(&gate.name));
    let whole = labels.text();
    speak_of_rates(&mut gate.total, &whole, doubt);
    speak_of_delays(&mut gate.added_delay, "added_delay", &whole, doubt);
    speak_of_delays(&mut gate.regret, "regret", &whole, doubt);
    let of = |name: &str, own| doubt.of(&format!("{name}{whole}"), own);
    if let Some(calls) = of("calls_per_recording", gate.calls_per_recording) {
        gate.calls_per_recording = calls.estimate;
        gate.calls_per_recording_se = calls.standard_error.unwrap_or(0.0);
        gate.calls_per_recording_interval = Some(calls);
    }
    if let Some(calls) = of("job_calls_per_recording", gate.job_calls_per_recording) {
        gate.job_calls_per_recording = calls.estimate;
        gate.job_calls_per_recording_interval = Some(calls);
    }
    if let Some(rate) = of("throttled_rate", gate.throttled_rate) {
        gate.throttled_rate = rate.estimate;
        gate.throttled_rate_interval = Some(rate);
    }
    let phases = gate.phases.iter_mut();
    let phases = phases.map(|(name, row)| (labels.clone().phase(name).text(), row));
    let kinds = gate.kinds.iter_mut();
    let kinds = kinds.map(|(name, row)| (labels.clone().kind(name).text(), row));
    for (labels, row) in phases.chain(kinds) {
        speak_of_rates(&mut row.total, &labels, doubt);
        speak_of_delays(&mut row.added_delay, "added_delay", &labels, doubt);
        let key = format!("calls_per_recording{labels}");
        if let Some(calls) = doubt.of(&key, row.calls_per_recording) {
            row.calls_per_recording = calls.estimate;
            row.calls_per_recording_interval = Some(calls);
        }
    }
}

fn speak_of_platform(row: &mut PlatformSummary, doubt: &Doubt<'_>) {
    let labels = Label::of(&row.arm, row.gate.as_deref()).kind(&row.kind);
    let text = labels.text();
    speak_of_delays(&mut row.media_lag, "media_lag", &text, doubt);
    speak_of_delays(&mut row.metadata_lag, "metadata_lag", &text, doubt);
    speak_of_delays(&mut row.index_lag, "index_lag", &text, doubt);
    for (field, row) in &mut row.fields {
        let text = labels.clone().field(field).text();
        speak_of_delays(row, "metadata_lag", &text, doubt);
    }
    for stage in &mut row.stages {
        let text = labels.clone().stage(&stage.name).text();
        let of = |name: &str, own| doubt.of(&format!("{name}{text}"), own);
        if let Some(wait) = of("queue_wait_mean", stage.wait_mean_s) {
            stage.wait_mean_s = wait.estimate;
            stage.wait_mean_se_s = wait.standard_error.unwrap_or(0.0);
            stage.wait_mean = Some(wait);
        }
        if let Some(waited) = of("queue_wait_probability", stage.wait_probability) {
            stage.wait_probability = waited.estimate;
            stage.wait_probability_se = waited.standard_error.unwrap_or(0.0);
            stage.wait_probability_interval = Some(waited);
        }
        if let Some(service) = of("service_mean", stage.service_mean_s) {
            stage.service_mean_s = service.estimate;
        }
        if let Some(busy) = of("utilisation", stage.utilisation) {
            stage.utilisation = busy.estimate;
        }
    }
}

fn speak_of_rates(total: &mut OutcomeSummary, labels: &str, doubt: &Doubt<'_>) {
    for outcome in OutcomeKind::ALL {
        let key = format!("{}_rate{labels}", outcome.name());
        let rate = total.estimate_mut(outcome);
        if let Some(estimate) = doubt.of(&key, rate.estimate) {
            *rate = estimate;
        }
    }
}

fn speak_of_delays(row: &mut DelaySummary, family: &str, labels: &str, doubt: &Doubt<'_>) {
    let of = |aggregate: &str, own| doubt.of(&format!("{family}_{aggregate}{labels}"), own);
    if let Some(mean) = of("mean", row.mean_s) {
        row.mean_s = mean.estimate;
        row.mean_se_s = mean.standard_error.unwrap_or(0.0);
        row.mean = Some(mean);
    }
    for (aggregate, value, interval) in [
        ("p50", &mut row.p50_s, &mut row.p50),
        ("p95", &mut row.p95_s, &mut row.p95),
        ("p99", &mut row.p99_s, &mut row.p99),
    ] {
        if let Some(quantile) = of(aggregate, *value) {
            *value = quantile.estimate;
            *interval = Some(quantile);
        }
    }
}

fn speak_of_line(
    key: &str,
    conditions: &[Condition],
    result: &mut ExpectationResult,
    doubt: &Doubt<'_>,
) {
    let own = result.observed.map(|seen| seen.estimate);
    let borrowed = matches!(doubt, Doubt::Borrowed(_));
    if own.is_none() && borrowed {
        return;
    }
    let Some(seen) = doubt.of(key, own.unwrap_or(0.0)) else {
        return;
    };
    let interval = seen.interval();
    result.verdict = judge(interval, conditions);
    result.observed = Some(interval);
    let mut parts = vec![match seen.method {
        Method::OneSided => format!("{} runs alike, one-sided bound", seen.replications),
        Method::Model => format!("± the deviation of {} simulations", seen.replications),
        Method::Independent | Method::Blocks | Method::Replications => {
            format!("mean of {} runs", seen.replications)
        }
    }];
    if result.verdict == Verdict::Inconclusive {
        parts.extend(needed(&seen, conditions));
    }
    let hidden = result.note.take().filter(|note| is_kept(note));
    parts.extend(hidden);
    result.note = Some(parts.join("; "));
}

/// Whether a note on the run itself holds of the expectation too.
fn is_kept(note: &str) -> bool {
    !note.contains("batch") && !note.contains("too few") && !note.contains("not paired")
}

/// How many runs would decide, as far as the estimate can be trusted.
fn needed(seen: &Estimate, conditions: &[Condition]) -> Option<String> {
    let interval = seen.interval();
    let half = (interval.high - interval.low) / 2.0;
    let bounds = conditions
        .iter()
        .map(|condition| (condition.bound - seen.estimate).abs());
    let nearest = bounds.fold(f64::INFINITY, f64::min);
    let runs = if seen.method == Method::Model {
        1
    } else {
        seen.replications
    };
    let times = half / nearest;
    let count = libm::ceil(times * times * runs as f64);
    (nearest > 0.0 && count < 1e6 && count > runs as f64)
        .then(|| format!("about {count} runs would decide"))
}

impl Replicates {
    /// Whether every line of `[expect]` that can be decided is, so clearly that no further seed
    /// is needed.
    #[must_use]
    pub fn decides(&self, scenario: &Scenario) -> bool {
        let lines = &scenario.expect;
        let mut judged = lines.iter().filter(|line| line.certainty.is_none());
        judged.all(|line| {
            let key = key_of(line);
            let column = self.get(&key);
            let seen = column
                .and_then(|column| column.expectation(Scale::of(&key), self.sharing, MISS_EARLY));
            seen.is_none_or(|seen| {
                judge(seen.interval(), &line.conditions) != Verdict::Inconclusive
            })
        })
    }

    /// The expectation of a series over these seeds, with its 95 % interval.
    #[must_use]
    pub fn expectation(&self, key: &str) -> Option<Estimate> {
        self.get(key)?
            .expectation(Scale::of(key), self.sharing, MISS)
    }

    /// What one live run that showed `value` says of a series, with the doubt of these seeds.
    #[must_use]
    pub fn of_live(&self, key: &str, value: f64) -> Option<Estimate> {
        self.get(key)?.of_live(value, Scale::of(key), self.sharing)
    }
}
