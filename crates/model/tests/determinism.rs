//! What must be the same on every target, in every build profile and on any number of threads.
//!
//! The constants are pinned. A simulation's hash alone would miss a difference between two
//! mathematical libraries ninety-nine times of a hundred: one result of some millions differs by
//! one unit of the last place. So the functions are hashed over a million raw arguments each.

mod support;

use racegate_model::distribution::{Distribution, Sampler};
use racegate_model::draws::{Draws, Purpose, Seed, mix64};
use racegate_model::history::HistoryHash;
use racegate_model::scenario::Executor;
use racegate_model::time::{Duration, Probability};
use support::{millis, run, spike};

/// Raw 64-bit patterns: every exponent, both signs, infinities and NaN.
fn patterns() -> impl Iterator<Item = u64> {
    (0..1_000_000).map(mix64)
}

/// NaN has many patterns, and which one comes out is not specified.
fn bits(value: f64) -> u64 {
    if value.is_nan() {
        0x7FF8 << 48
    } else {
        value.to_bits()
    }
}

fn folded(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, |hash, value| mix64(hash ^ value))
}

type Pinned = (&'static str, u64);

/// Tells all that changed at once.
fn compare(got: &[Pinned], pinned: &[Pinned]) {
    let told = |pairs: &[Pinned]| -> Vec<String> {
        pairs
            .iter()
            .map(|(name, hash)| format!("{name} {hash:#018x}"))
            .collect()
    };
    assert_eq!(told(got), told(pinned));
}

#[test]
fn the_mathematical_functions_are_the_same_for_a_million_raw_arguments() {
    let of = |function: fn(f64) -> f64| {
        folded(patterns().map(|pattern| bits(function(f64::from_bits(pattern)))))
    };
    // Where results are neither all zero nor all infinite: between e^-40 and e^40.
    let near_one = |function: fn(f64) -> f64| {
        let argument =
            |pattern: u64| (pattern >> 11) as f64 / 9_007_199_254_740_992.0 * 80.0 - 40.0;
        folded(patterns().map(|pattern| bits(function(argument(pattern)))))
    };
    let powers = folded(patterns().map(|pattern| {
        let (base, exponent) = (mix64(pattern) >> 11, pattern >> 11);
        let unit = 9_007_199_254_740_992.0;
        let (base, exponent) = (
            base as f64 / unit * 20.0,
            exponent as f64 / unit * 20.0 - 10.0,
        );
        bits(libm::pow(base, exponent))
    }));
    let got = [
        ("exp", of(libm::exp)),
        ("exp near one", near_one(libm::exp)),
        ("expm1", near_one(libm::expm1)),
        ("log", of(libm::log)),
        ("log1p", of(libm::log1p)),
        ("pow", powers),
        ("tgamma", near_one(libm::tgamma)),
        ("lgamma", near_one(libm::lgamma)),
        ("erfc", near_one(libm::erfc)),
        ("sqrt", of(f64::sqrt)),
    ];
    compare(&got, &FUNCTIONS);
}

#[test]
fn every_law_samples_the_same_for_a_million_raw_draws() {
    let got: Vec<Pinned> = laws()
        .into_iter()
        .map(|(name, law)| {
            let sampler = Sampler::new(&law);
            let samples = patterns().map(|draw| sampler.sample(draw).as_nanos());
            (name, mix64(folded(samples) ^ sampler.fingerprint()))
        })
        .collect();
    compare(&got, &LAWS);
}

#[test]
fn a_million_keys_draw_the_same() {
    let calls = (0..250_000).map(|call| Draws::of_call(Seed(call % 7), call));
    let streams = (0..250_000).map(|nth| Draws::of_stream(Seed(nth), "gate", nth % 11));
    let shares = Probability::new(0.3).expect("a share");
    let got = [
        (
            "calls",
            folded(calls.map(|draws| draws.draw(Purpose::Service))),
        ),
        (
            "streams",
            folded(streams.map(|draws| draws.draw_nth(Purpose::Jitter, 3))),
        ),
        (
            "shares",
            folded(patterns().map(|draw| u64::from(shares.occurs(draw)))),
        ),
    ];
    compare(&got, &DRAWS);
}

#[test]
fn a_spike_under_six_gates_settles_the_same_on_every_target() {
    let collected = run(&spike(42));
    let end = collected.end.as_nanos();
    let history = u64::from_str_radix(&collected.hash.hex(), 16).expect("digits");
    compare(&[("history", history), ("end", end)], &SPIKE);
}

#[test]
fn threads_change_nothing() {
    let replications = 0..14_u64;
    let hash_of = |seed: u64| {
        let mut scenario = spike(seed);
        scenario.arms.truncate(1);
        if let Executor::ArrivalRate(stages) = &mut scenario.workload.executor {
            stages.truncate(1);
        }
        run(&scenario).hash
    };
    let merged = |hashes: &[(u64, HistoryHash)]| {
        let mut all = HistoryHash::default();
        hashes.iter().for_each(|(_, hash)| all.merge(*hash));
        all
    };
    let on = |threads: u64| {
        let mut hashes: Vec<(u64, HistoryHash)> = std::thread::scope(|scope| {
            let run_share = |first: u64| {
                let own = replications
                    .clone()
                    .filter(move |seed| seed % threads == first);
                scope.spawn(move || own.map(|seed| (seed, hash_of(seed))).collect::<Vec<_>>())
            };
            let workers: Vec<_> = (0..threads).map(run_share).collect();
            let shares = workers
                .into_iter()
                .map(|worker| worker.join().expect("it ran"));
            shares.flatten().collect()
        });
        hashes.sort_unstable_by_key(|(seed, _)| *seed);
        (merged(&hashes), hashes)
    };
    let one = on(1);
    assert_eq!(on(2), one);
    assert_eq!(on(7), one);
}

/// Every family, in both forms where it has two.
fn laws() -> Vec<(&'static str, Distribution)> {
    let s = Duration::from_secs;
    let fast = Distribution::lognormal_mu_sigma(1.1, 0.5);
    let slow = Distribution::exponential(s(60));
    let parts = vec![(3.0, fast.expect("a law")), (1.0, slow.expect("a law"))];
    [
        ("constant", Ok(Distribution::constant(s(3)))),
        ("uniform", Distribution::uniform(s(2), s(4))),
        ("exponential", Distribution::exponential(s(2))),
        (
            "lognormal, median and p99",
            Distribution::lognormal_median_p99(millis(200), s(1)),
        ),
        (
            "lognormal, mu and sigma",
            Distribution::lognormal_mu_sigma(0.5, 0.8),
        ),
        ("weibull", Distribution::weibull(0.6, s(5))),
        ("pareto", Distribution::pareto(1.5, s(1))),
        ("gamma", Distribution::gamma(2.5, millis(400))),
        ("mixture", Distribution::mixture(parts)),
        ("samples", Distribution::empirical((1..100).map(s))),
        (
            "quantiles",
            Distribution::quantiles(&[(0.0, s(1)), (0.9, s(2)), (1.0, s(30))]),
        ),
    ]
    .into_iter()
    .map(|(name, law)| (name, law.expect("a law")))
    .collect()
}

const FUNCTIONS: [Pinned; 10] = [
    ("exp", 0x842E_12CB_844D_6532),
    ("exp near one", 0xA48C_B9AB_4A71_EB43),
    ("expm1", 0x94D0_09C8_4BA4_6F68),
    ("log", 0xF8C2_0D3A_575C_9160),
    ("log1p", 0x10D6_FB8E_D111_4642),
    ("pow", 0x5716_115F_6FA4_3112),
    ("tgamma", 0xFE22_25FF_FB35_3576),
    ("lgamma", 0xC982_9564_BD15_CDCA),
    ("erfc", 0xD32A_4075_9A9F_C32B),
    ("sqrt", 0x1D9C_C6DD_AB27_B731),
];
const LAWS: [Pinned; 11] = [
    ("constant", 0x505D_32BC_042E_D1E0),
    ("uniform", 0xD4F4_7670_F264_14BE),
    ("exponential", 0xAE34_74E5_550F_2AFB),
    ("lognormal, median and p99", 0x82D5_8A76_418A_E45E),
    ("lognormal, mu and sigma", 0xA712_8C1A_C707_0A41),
    ("weibull", 0xC5F2_E12D_FC6A_590D),
    ("pareto", 0x3535_8BD7_4E99_6FEE),
    ("gamma", 0x182C_F971_F274_2C02),
    ("mixture", 0x39FF_DE9C_9183_F6F4),
    ("samples", 0x655C_9410_F7A1_1394),
    ("quantiles", 0x29E9_F903_752E_B3EC),
];
const DRAWS: [Pinned; 3] = [
    ("calls", 0x2D61_B4D6_5A4C_0005),
    ("streams", 0x42E2_8EB8_28E2_8026),
    ("shares", 0x0542_27D5_AE23_10C1),
];
const SPIKE: [Pinned; 2] = [
    ("history", 0xBE6E_D1EC_1DE7_66DC),
    ("end", 0x0000_001A_DC61_9BE4),
];

/// What the order of events is made of, by name.
fn ingredients(scenario: &racegate_model::scenario::Scenario) -> Vec<(String, String)> {
    let order = racegate_model::sim::order_of(scenario).to_string();
    let pairs = order.split(' ').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, hash)| (name.to_owned(), hash.to_owned()))
        .collect()
}

#[test]
fn the_name_of_a_gate_changes_nothing_of_what_its_jobs_draw() {
    use racegate_model::scenario::Slots;
    for slots in [Slots::Limited(2), Slots::Unlimited] {
        let named = |name: &str| {
            let mut scenario = spike(3);
            scenario.arms.truncate(1);
            let arm = &mut scenario.arms[0];
            arm.gates.truncate(1);
            arm.gates[0].name = name.into();
            arm.platform.export.slots = slots;
            arm.platform.export.latency = Distribution::constant(millis(2_000));
            ingredients(&scenario)
        };
        let (one, other) = (named("one"), named("other"));
        assert_eq!(one.len(), 5);
        assert_eq!(one, other);
    }
}
