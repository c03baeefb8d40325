//! What is written is read back as it was, and the pages say what the strategies say.

use proptest::prelude::*;
use racegate_model::distribution::Distribution;
use racegate_model::gate::keys::{Key, Keys, Value};
use racegate_model::gate::{Readiness, Strategy};
use racegate_model::scenario::GateSpec;
use racegate_model::time::{Duration, Fixed, Rate};
use racegate_scenario::{Source, gate_tables, parse, write_gate};

use crate::files;

const REST: &str = "name = \"written\"\n[workload]\nexecutor = \"constant-arrival-rate\"\n\
    rate = \"1/s\"\nduration = \"1s\"\ncall_duration = \"1s\"\n";

const HOUR: Duration = Duration::from_secs(3_600);

/// The gates that `written` gives, read back.
fn read_back(written: &str) -> Vec<GateSpec> {
    let source = Source::new("written.toml", format!("{REST}{written}"));
    match parse(&source, &[]) {
        Ok(scenario) => scenario.arms[0].gates.clone(),
        Err(mistakes) => panic!("{written}\n{mistakes}"),
    }
}

#[test]
fn the_gates_of_every_scenario_are_read_back_as_they_were() {
    let mut gates = 0;
    for (name, source) in files::good() {
        let scenario = parse(&source, &[]).unwrap();
        let written: String = scenario.arms[0].gates.iter().map(write_gate).collect();
        assert_eq!(read_back(&written), scenario.arms[0].gates, "{name}");
        gates += scenario.arms[0].gates.len();
    }
    assert!(gates > 100, "{gates}");
}

/// Gives each key a value that it allows, by chance.
struct Chance(Vec<u32>);

impl Chance {
    fn below(&mut self, bound: u32) -> u32 {
        let drawn = self.0.pop().unwrap_or_default();
        self.0.insert(0, drawn.rotate_left(7));
        drawn % bound
    }

    fn law(&mut self) -> Distribution {
        let share = f64::from(self.below(1_000)) / 300.0 + 0.1;
        let scale = self.duration(1);
        match self.below(7) {
            0 => Distribution::constant(scale),
            1 => Distribution::uniform(Duration::ZERO, scale).expect("it is in range"),
            2 => Distribution::lognormal_mu_sigma(share - 1.0, share).expect("it is in range"),
            3 => Distribution::weibull(share, scale).expect("it is in range"),
            4 => Distribution::exponential(scale).expect("it is in range"),
            5 => Distribution::empirical([scale, scale, Duration::ZERO]).expect("it is in range"),
            _ => Distribution::mixture(vec![
                (1.0, Distribution::constant(scale)),
                (
                    1.0,
                    Distribution::gamma(share, scale).expect("it is in range"),
                ),
            ])
            .expect("it is in range"),
        }
    }

    fn duration(&mut self, least: u64) -> Duration {
        let size = [1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000][self.below(5) as usize];
        Duration::from_nanos(least + u64::from(self.below(10_000)) * size)
    }
}

impl Keys for Chance {
    fn key(&mut self, key: Key, value: Value<'_>) {
        // Some keys keep their defaults. The longest gap may not be below the first one.
        let bound = ["cap", "max_delay"].contains(&key.name);
        if bound || (key.required.is_none() && self.below(4) == 0) {
            return;
        }
        match value {
            Value::Duration(place) => *place = self.duration(0),
            Value::Interval(place) => *place = self.duration(1),
            Value::Limit(place) => *place = Some(self.duration(1)),
            Value::Count(place, low, high) => *place = low + self.below(high - low + 1),
            Value::CountLimit(place, low, high) => {
                *place = (self.below(3) > 0).then(|| low + self.below(high - low + 1));
            }
            Value::Number(place, low, high) => {
                let share = f64::from(self.below(u32::MAX)) / f64::from(u32::MAX);
                *place = Fixed::new(low + share * (high - low)).expect("it is in range");
            }
            Value::Pace(place) => {
                let nanohertz = 1 + u64::from(self.below(u32::MAX)) * 1_000;
                *place = Some(Rate::from_nanohertz(nanohertz));
            }
            Value::Law(place) => *place = Some(self.law()),
            Value::Word(choice) => {
                let count = u32::try_from(choice.words().len()).expect("it is in range");
                choice.take(self.below(count) as usize);
            }
            Value::Checks(ready) => {
                *ready = Readiness::default();
                let words: Vec<&str> = Readiness::words().collect();
                for _ in 0..3 {
                    ready.add(
                        words[self.below(u32::try_from(words.len()).expect("it is in range"))
                            as usize],
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_gate_of_any_strategy_is_read_back_as_it_was(
        position in any::<prop::sample::Index>(),
        draws in proptest::collection::vec(any::<u32>(), 8),
    ) {
        let all = Strategy::all();
        let mut strategy = all[position.index(all.len())].clone();
        strategy.keys(&mut Chance(draws));
        // A gate that would do nothing but look is refused.
        prop_assume!(strategy.looks_within(HOUR).is_none_or(|looks| looks < 1e5));
        let gate = GateSpec {
            strategy,
            ..read_back("[[gate]]\nname = \"any\"\nstrategy = \"none\"\n").remove(0)
        };
        prop_assert_eq!(read_back(&write_gate(&gate)), vec![gate]);
    }
}

#[test]
fn the_page_of_the_format_has_the_tables_that_the_strategies_give() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = folder.join("../../docs/scenario-format.md");
    let page = std::fs::read_to_string(page).unwrap();
    let tables = gate_tables();
    assert!(page.contains(&tables), "the tables must be:\n{tables}");
}
