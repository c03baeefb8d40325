//! Law → censored trace → fit → tuned gate → fresh recordings of the law.

use racegate_model::schedule::{Price, evaluate, fit_family, optimal};
use racegate_model::survival::fit::{Curve, LagFamily, fit};
use racegate_model::survival::{Observation, Observations};
use serde_json::{Value, json};

use super::{ABANDONED, drawn};

/// Recordings of a trace, and fresh ones.
const TRACED: u64 = 1_000;
const FRESH: u64 = 10_000;
/// Seeds of the fresh recordings begin here.
const FRESH_SEED: u64 = 1 << 32;
/// The looks of the trace, in seconds.
const LOOKS: [f64; 12] = [
    0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 30.0, 60.0, 120.0, 240.0,
];
/// A promise is kept if it errs by less than this, as a share.
const KEPT: f64 = 0.1;

/// Every law.
pub(super) fn all(seeds: u64) -> Vec<Value> {
    [
        Curve::new(LagFamily::Lognormal, &[5.0, 1.0]),
        Curve::new(LagFamily::Weibull, &[5.0, 0.9]),
        Curve::new(LagFamily::TwoLognormals, &[3.0, 0.5, 60.0, 0.5, 0.05]),
    ]
    .iter()
    .map(|law| one(law, seeds))
    .collect()
}

fn looked(lag: f64) -> Observation {
    let next = LOOKS.partition_point(|look| *look < lag);
    let low = next.checked_sub(1).map_or(0.0, |before| LOOKS[before]);
    match LOOKS.get(next) {
        Some(high) => Observation::between(low, *high),
        None => Observation::beyond(low),
    }
}

fn one(law: &Curve, seeds: u64) -> Value {
    let price = Price::new(1.0);
    let names = law.family().names();
    let mut covered = vec![0_u64; names.len()];
    let (mut ratios, mut held, mut fitted) = (0.0, 0_u64, 0_u64);
    for seed in 0..seeds {
        let trace: Observations = drawn(law, seed, TRACED).into_iter().map(looked).collect();
        let (Some(found), Some(price)) = (fit(law.family(), &trace), price) else {
            continue;
        };
        fitted += 1;
        let truth = law.parameters().iter().zip(&found.parameters);
        for (count, (truth, (_, interval))) in covered.iter_mut().zip(truth) {
            *count += u64::from(interval.contains(*truth));
        }
        let gate = fit_family(&found.curve, price, ABANDONED / 4.0, 120);
        let checks = || gate.family.checks().take(gate.attempts as usize);
        let cost = evaluate(law, checks());
        ratios += cost.total(price) / optimal(law, price).cost.total(price);
        let fresh = super::Steps::of_lags(drawn(law, FRESH_SEED + seed, FRESH));
        let seen = evaluate(&fresh, checks());
        let near = |promised: f64, seen: f64| (seen / promised - 1.0).abs() < KEPT;
        held += u64::from(near(gate.cost.calls, seen.calls) && near(gate.cost.delay, seen.delay));
    }
    let coverage = names.iter().zip(covered).map(|(name, count)| {
        let share = count as f64 / fitted.max(1) as f64;
        ((*name).to_owned(), Value::from(share))
    });
    json!({
        "law": law.family().name(),
        "seeds": seeds,
        "fitted": fitted,
        "recordings": TRACED,
        "coverage": coverage.collect::<serde_json::Map<_, _>>(),
        "cost_ratio_mean": ratios / fitted.max(1) as f64,
        "held": held,
    })
}
