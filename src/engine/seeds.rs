//! Further seeds of a simulation: on all cores, in the order of their index whatever the threads.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use racegate_model::analysis::{
    Accumulator, Claims, Context, Exit, Replicate, Replicates, Sharing, Tenant, is_stationary,
};
use racegate_model::draws::Seed;
use racegate_model::scenario::{Engine, Scenario};

use crate::signals::Signals;

/// Runs that are made at least where recordings share something.
pub(crate) const RUNS_MIN: u64 = 20;

/// Seeds that are tried at most to decide a claim.
const SEEDS_MAX: u64 = 10_000_000;

/// How long the seeds that are counted together take: a claim's budget is kept that closely.
const BATCH: Duration = Duration::from_millis(100);

/// Seeds that are counted together at most: their values wait in memory.
const BATCH_MAX: u64 = 512;

/// A run whose twenty repetitions take this many budgets is not repeated.
const BUDGETS_MAX: u32 = 10;

/// How many runs a simulation makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Replications {
    /// As many as the scenario's structure and its expectations ask for.
    Auto,
    /// That many.
    Exactly(u64),
}

impl FromStr for Replications {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "auto" => Ok(Self::Auto),
            Ok(count @ 1..=100_000) => Ok(Self::Exactly(count)),
            Ok(_) | Err(_) => Err("write `auto`, or a number from 1 to 100000".to_owned()),
        }
    }
}

/// Runs of one scenario that differ in their seed: SEED, SEED+1, …
pub(crate) struct Seeds<'a> {
    scenario: &'a Scenario,
    tenants: &'a [Tenant],
    threads: usize,
    signals: Option<&'a Signals>,
}

impl<'a> Seeds<'a> {
    /// The seeds of `scenario`, simulated on all cores.
    pub(crate) fn new(scenario: &'a Scenario, tenants: &'a [Tenant]) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            scenario,
            tenants,
            threads,
            signals: None,
        }
    }

    /// The same until a signal ends it: after that no further run begins.
    pub(crate) const fn ended_by(self, signals: &'a Signals) -> Self {
        Self {
            signals: Some(signals),
            ..self
        }
    }

    fn is_ending(&self) -> bool {
        self.signals.is_some_and(Signals::is_ending)
    }

    /// The same on that many threads.
    #[cfg(test)]
    pub(crate) const fn on(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Adds runs until there are `count`.
    ///
    /// # Errors
    /// When the accounts of a run do not close, which is a fault of the simulator.
    pub(crate) fn fill(&self, replicates: &mut Replicates, count: u64) -> Result<(), Exit> {
        let runs = self.runs(replicates.len() as u64..count)?;
        runs.into_iter().for_each(|run| replicates.push(run));
        Ok(())
    }

    /// The runs of these seeds after the scenario's, in their order.
    fn runs(&self, seeds: Range<u64>) -> Result<Vec<Replicate>, Exit> {
        let next = AtomicU64::new(seeds.start);
        let (sender, runs) = mpsc::channel();
        let worker = |sender: mpsc::Sender<(u64, Replicate)>| {
            while !self.is_ending() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                // The receiver lives until all workers are done.
                if index >= seeds.end || sender.send((index, self.one(index))).is_err() {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads {
                let sender = sender.clone();
                scope.spawn(move || worker(sender));
            }
            worker(sender);
        });
        let mut runs: Vec<_> = runs.into_iter().collect();
        runs.sort_by_key(|(index, _)| *index);
        let runs = runs.into_iter().map(|(_, run)| run);
        runs.map(|run| match run.invalid.first() {
            Some(reason) => Err(Exit::internal(format!("seed {}: {reason}", run.seed))),
            None => Ok(run),
        })
        .collect()
    }

    /// Goes on with the seeds after the first `count` until `claims` are decided, or `until` has
    /// come. The verdict is that of the first seed that decides, whatever the number of threads.
    ///
    /// # Errors
    /// See [`Seeds::fill`].
    pub(crate) fn decide(
        &self,
        claims: &mut Claims,
        mut count: u64,
        until: Instant,
    ) -> Result<(), Exit> {
        let mut batch = self.threads as u64;
        while !claims.are_decided() && !self.is_ending() && count < SEEDS_MAX {
            let begun = Instant::now();
            if begun >= until {
                return Ok(());
            }
            let seeds = count..(count + batch).min(SEEDS_MAX);
            count = seeds.end;
            self.runs(seeds)?.iter().for_each(|run| claims.add(run));
            if begun.elapsed() < BATCH && begun + begun.elapsed() * 4 < until {
                batch = (batch * 2).min(BATCH_MAX);
            }
        }
        Ok(())
    }

    /// The run of the seed that is `index` after the scenario's.
    fn one(&self, index: u64) -> Replicate {
        let mut scenario = self.scenario.clone();
        scenario.seed = Seed(self.scenario.seed.0.wrapping_add(index));
        let arms = self.tenants.iter().map(|tenant| tenant.arm + 1).max();
        scenario.arms.truncate(arms.unwrap_or(1));
        let context = Context {
            tool: String::new(),
            engine: Engine::Sim,
            tenants: self.tenants.to_vec(),
            plan_hash: 0,
        };
        let mut accumulator = Accumulator::new(&scenario, context);
        racegate_model::sim::run(&scenario, &mut accumulator);
        accumulator.replicate()
    }

    /// Adds as many runs to the first one, which took `took`, as `wanted` says.
    ///
    /// # Errors
    /// See [`Seeds::fill`].
    pub(crate) fn add(
        &self,
        replicates: &mut Replicates,
        wanted: Replications,
        took: Duration,
        budget: Duration,
    ) -> Result<(), Exit> {
        match wanted {
            Replications::Exactly(count) => self.fill(replicates, count),
            Replications::Auto if !Sharing::of(self.scenario).is_some() => Ok(()),
            Replications::Auto if self.is_too_long(took, budget) => Ok(()),
            Replications::Auto => self.until_decided(replicates, budget),
        }
    }

    /// Whether the run speaks for itself because repeating it takes too long: twenty runs are
    /// made within the budget, or, if it is not alike throughout, within ten.
    fn is_too_long(&self, took: Duration, budget: Duration) -> bool {
        let threads = u32::try_from(self.threads).unwrap_or(1).max(1);
        let twenty = took * 19 / threads;
        if is_stationary(&self.scenario.workload) {
            twenty > budget
        } else {
            twenty > budget.saturating_mul(BUDGETS_MAX)
        }
    }

    /// Twenty runs, and twice as many each time until every expectation is decided or the budget
    /// would not last. Only clear verdicts end it early, so that looking several times does not
    /// make more of them wrong.
    fn until_decided(&self, replicates: &mut Replicates, budget: Duration) -> Result<(), Exit> {
        let begun = Instant::now();
        let mut count = RUNS_MIN;
        loop {
            self.fill(replicates, count)?;
            let enough = begun.elapsed() * 2 > budget || count >= 100_000 || self.is_ending();
            if enough || replicates.decides(self.scenario) {
                return Ok(());
            }
            count *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use racegate_scenario::{Source, parse};

    use super::*;

    fn scenario() -> Scenario {
        let text = include_str!("../../tests/conformance/shared-jobs.toml");
        let source = Source::new("shared-jobs.toml", text);
        parse(&source, &[]).unwrap_or_else(|_| panic!("the scenario is right"))
    }

    #[test]
    fn seeds_give_the_same_values_on_one_two_and_seven_threads() {
        let scenario = scenario();
        let tenants = Tenant::all(&scenario);
        let on = |threads| {
            let mut all = Replicates::new(Sharing::of(&scenario));
            let seeds = Seeds::new(&scenario, &tenants).on(threads);
            seeds.fill(&mut all, 3).expect("runs close");
            seeds.fill(&mut all, 8).expect("runs close");
            all
        };
        let one = on(1);
        assert_eq!(one.seeds, (42..50).collect::<Vec<u64>>());
        assert!(one.get("incomplete_rate{gate=none}").is_some());
        assert_eq!(one, on(2));
        assert_eq!(one, on(7));
    }

    #[test]
    fn a_claim_is_decided_by_the_same_seed_on_one_two_and_seven_threads() {
        let mut scenario = scenario();
        let claim = "incomplete_rate{gate=none} < 99% at 99%";
        let claim = racegate_scenario::claim("--until", claim, &scenario);
        scenario.expect.push(claim.expect("a claim"));
        let tenants = Tenant::all(&scenario);
        let on = |threads| {
            let mut claims = Claims::of(&scenario);
            let seeds = Seeds::new(&scenario, &tenants).on(threads);
            let until = Instant::now() + Duration::from_secs(600);
            seeds.decide(&mut claims, 0, until).expect("runs close");
            assert!(claims.are_decided());
            claims
        };
        let one = on(1);
        assert_eq!(one, on(2));
        assert_eq!(one, on(7));
        let mut late = Claims::of(&scenario);
        let seeds = Seeds::new(&scenario, &tenants).on(2);
        seeds.decide(&mut late, 0, Instant::now()).expect("no run");
        assert!(!late.are_decided());
    }

    #[test]
    fn a_long_run_that_is_alike_throughout_speaks_for_itself() {
        let scenario = scenario();
        let tenants = Tenant::all(&scenario);
        let seeds = Seeds::new(&scenario, &tenants).on(2);
        let budget = Duration::from_secs(2);
        assert!(!seeds.is_too_long(Duration::from_millis(100), budget));
        assert!(seeds.is_too_long(Duration::from_secs(1), budget));
    }

    #[test]
    fn the_number_of_replications_is_a_number_or_auto() {
        assert_eq!("auto".parse(), Ok(Replications::Auto));
        assert_eq!("20".parse(), Ok(Replications::Exactly(20)));
        for wrong in ["0", "-1", "100001", "twenty"] {
            assert!(wrong.parse::<Replications>().is_err(), "{wrong}");
        }
    }
}
