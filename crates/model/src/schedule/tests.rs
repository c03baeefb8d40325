//! Reference optima: 40-digit closed forms, and a dynamic programme with a Newton finish on
//! 40,000 points by another implementation.

use super::*;
use crate::distribution::Distribution;
use crate::time::Duration;

fn price(seconds: f64) -> Price {
    Price::new(seconds).unwrap()
}

fn lognormal(median: f64, sigma: f64) -> Distribution {
    Distribution::lognormal_mu_sigma(libm::log(median), sigma).unwrap()
}

fn exponential(mean: f64) -> Distribution {
    Distribution::exponential(Duration::from_secs_f64(mean)).unwrap()
}

fn weibull() -> Distribution {
    Distribution::weibull(0.6, Duration::from_secs(5)).unwrap()
}

fn bimodal() -> Distribution {
    let parts = vec![(0.95, lognormal(3.0, 0.5)), (0.05, lognormal(120.0, 0.8))];
    Distribution::mixture(parts).unwrap()
}

fn assert_near(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (got - expected).abs() <= tolerance * expected.abs(),
        "{what}: {got} for {expected}"
    );
}

#[test]
fn the_exponential_optimum_is_periodic() {
    for (mean, c, period, cost, calls, delay) in [
        (
            4.0,
            1.0,
            2.530_859_010_330,
            3.530_859_010_330,
            2.132_868_797_167,
            1.397_990_213_163,
        ),
        (
            4.0,
            0.1,
            0.862_299_624_886,
            0.962_299_624_886,
            5.156_709_507_681,
            0.446_628_674_118,
        ),
        (
            4.0,
            0.01,
            0.279_548_294_146,
            0.289_548_294_146,
            14.814_621_190_546,
            0.141_402_082_241,
        ),
        (
            30.0,
            0.2,
            3.398_698_342_514,
            3.598_698_342_514,
            9.336_347_519_210,
            1.731_428_838_672,
        ),
        (
            1.0,
            1.0,
            1.146_193_220_621,
            2.146_193_220_621,
            1.465_941_272_385,
            0.680_251_948_236,
        ),
    ] {
        let periodic = periodic_optimum(mean, price(c));
        assert_near(periodic.period, period, 1e-11, "period");
        assert_near(periodic.cost, cost, 1e-11, "cost");
        assert_near(periodic.calls, calls, 1e-11, "calls");
        assert_near(periodic.delay, delay, 1e-10, "delay");
        let found = optimal(&exponential(mean), price(c));
        assert_near(found.cost.total(price(c)), cost, 1e-7, "found");
        assert_near(found.checks[0], period, 1e-4, "first check");
    }
}

#[test]
fn the_uniform_optimum_shortens_its_gaps_and_is_the_minimax() {
    let checks = uniform_optimum(10.0, price(1.0));
    for (check, expected) in checks.iter().zip([4.0, 7.0, 9.0, 10.0]) {
        assert_near(*check, expected, 1e-14, "check");
    }
    for (longest, c, count, first, cost) in [
        (10.0, 1.0, 4, 4.0, 3.5),
        (60.0, 1.0, 11, 10.454_545_454_545, 7.810_606_060_6),
        (30.0, 0.25, 15, 3.75, 2.708_333_333_3),
    ] {
        let law = Distribution::uniform(Duration::ZERO, Duration::from_secs_f64(longest)).unwrap();
        let checks = uniform_optimum(longest, price(c));
        assert_eq!(checks.len(), count);
        assert_near(checks[0], first, 1e-11, "first");
        let total = evaluate(&law, checks).total(price(c));
        assert_near(total, cost, 1e-9, "closed form");
        let found = optimal(&law, price(c)).cost.total(price(c));
        assert_near(found, cost, 1e-7, "search");
    }
    for (longest, c, bound) in [
        (60.0, 1.0, 11.454_545_454_5),
        (600.0, 1.0, 35.142_857_142_9),
        (30.0, 0.25, 4.0),
    ] {
        assert_near(minimax_schedule(longest, price(c)), bound, 1e-11, "minimax");
    }
}

#[test]
fn no_lag_up_to_the_longest_costs_more_than_the_minimax() {
    let bound = minimax_schedule(60.0, price(1.0));
    let checks = uniform_optimum(60.0, price(1.0));
    for step in 0..=6_000 {
        let lag = Steps::of_lags(vec![f64::from(step) / 100.0]);
        let cost = evaluate(&lag, checks.iter().copied()).total(price(1.0));
        assert!(cost <= bound + 1e-9, "{step}: {cost}");
    }
}

/// A lag, the price, and cost, calls, delay and first checks of its optimum.
type Case = (Distribution, f64, f64, f64, f64, &'static [f64]);

fn reference_cases() -> [Case; 5] {
    [
        (
            exponential(4.0),
            1.0,
            3.530_859_010_3,
            2.132_868_797,
            1.397_990_213,
            &[2.530_859_01],
        ),
        (
            lognormal(4.0, 0.5),
            0.5,
            2.002_083_901_3,
            2.283_502_533,
            0.860_332_635,
            &[
                3.614_912_01,
                5.056_159_01,
                6.398_881_37,
                7.719_275_25,
                9.043_007_04,
            ],
        ),
        (
            lognormal(5.0, 1.2),
            1.0,
            5.060_459_446_1,
            2.917_996_292,
            2.142_463_154,
            &[
                3.636_621_91,
                7.116_559_86,
                11.040_832_64,
                15.398_330_99,
                20.168_940_77,
            ],
        ),
        (
            weibull(),
            1.0,
            4.605_039_699_3,
            2.758_505_497,
            1.846_534_202,
            &[
                1.904_337_56,
                5.159_731_27,
                9.071_133_37,
                13.439_750_32,
                18.166_342_09,
            ],
        ),
        (
            bimodal(),
            1.0,
            3.733_708_298_1,
            2.217_181_611,
            1.516_526_687,
            &[
                3.430_470_92,
                5.130_064_22,
                7.018_813_53,
                9.639_869_23,
                15.036_515_71,
                40.475_539_48,
            ],
        ),
    ]
}

#[test]
fn the_unrestricted_optimum_has_reference_costs_and_checks() {
    for (law, c, total, calls, delay, checks) in reference_cases() {
        let found = optimal(&law, price(c));
        assert_near(found.cost.total(price(c)), total, 1e-8, "cost");
        assert_near(found.cost.calls, calls, 1e-5, "calls");
        assert_near(found.cost.delay, delay, 1e-5, "delay");
        for (got, expected) in found.checks.iter().zip(checks) {
            assert_near(*got, *expected, 1e-4, "check");
        }
    }
}

#[test]
fn the_frontier_of_a_lognormal_has_reference_values() {
    let law = lognormal(5.0, 1.0);
    for (c, total, calls, delay, first) in [
        (
            0.1,
            1.296_497_635,
            6.778_903_220,
            0.618_607_313,
            1.817_366_46,
        ),
        (
            0.3,
            2.325_292_368,
            4.204_302_533,
            1.064_001_608,
            2.618_403_4,
        ),
        (
            1.0,
            4.559_625_728,
            2.642_166_681,
            1.917_459_047,
            3.986_737_84,
        ),
        (
            3.0,
            8.857_074_554,
            1.867_730_222,
            3.253_883_889,
            5.926_306_03,
        ),
        (
            10.0,
            19.863_684_508,
            1.414_706_468,
            5.716_619_833,
            9.193_798_2,
        ),
        (
            30.0,
            45.435_975_276,
            1.202_881_997,
            9.349_515_363,
            13.654_636_63,
        ),
    ] {
        let found = optimal(&law, price(c));
        assert_near(found.cost.total(price(c)), total, 1e-8, "cost");
        assert_near(found.cost.calls, calls, 1e-5, "calls");
        assert_near(found.cost.delay, delay, 1e-5, "delay");
        assert_near(found.checks[0], first, 1e-4, "first check");
    }
}

#[test]
fn the_fluid_constant_has_reference_values() {
    for (law, expected) in [
        (exponential(4.0), 2.0),
        (lognormal(4.0, 0.5), 1.821_661_446_0),
        (lognormal(5.0, 1.2), 3.097_237_048_4),
        (weibull(), 2.577_809_809_8 - 4e-10),
        (bimodal(), 2.278_111_109_8),
    ] {
        assert_near(fluid_constant(&law), expected, 1e-8, "J");
    }
}

#[test]
fn a_budget_of_checks_has_reference_delays() {
    for (law, delays) in [
        (
            lognormal(4.0, 0.5),
            [2.266_915_41, 1.211_090_87, 0.713_612_45],
        ),
        (
            lognormal(5.0, 1.2),
            [14.835_012_21, 6.993_246_64, 3.852_449_83],
        ),
        (exponential(4.0), [3.637_909_15, 1.880_737_41, 1.081_157_07]),
    ] {
        for (count, delay) in [3, 5, 8].into_iter().zip(delays) {
            let found = optimal_within(&law, count, 1e-3).unwrap();
            assert_eq!(found.checks.len(), count as usize);
            assert_near(found.cost.abandoned, 1e-3, 1e-9, "abandoned");
            assert_near(found.cost.delay_when_found(), delay, 1e-6, "delay");
        }
    }
    let found = optimal_within(&lognormal(4.0, 0.5), 5, 1e-3).unwrap();
    let expected = [3.3413, 4.947_364, 7.018_441, 10.411_376, 18.754_065];
    for (got, expected) in found.checks.iter().zip(expected) {
        assert_near(*got, expected, 1e-4, "check");
    }
}

#[test]
fn four_parameters_come_close_to_the_limit() {
    for (law, family, total) in [
        (
            lognormal(5.0, 1.2),
            [3.639_95, 3.593_59, 1.082_64, 9.785_5],
            5.064_130_83,
        ),
        (
            weibull(),
            [1.912_02, 3.371_70, 1.111_69, 6.006_2],
            4.608_609_82,
        ),
        (
            bimodal(),
            [3.480_26, 1.535_52, 1.607_12, 16.463],
            3.787_130_14,
        ),
    ] {
        let [first, gap, multiplier, cap] = family;
        let family = Family {
            first,
            gap,
            multiplier,
            cap,
        };
        let (_, cost) = family.evaluate(&law, 1e-13);
        assert_near(cost.total(price(1.0)), total, 1e-6, "given parameters");
        let fit = fit_family(&law, price(1.0), 1e-13, 300);
        let limit = optimal(&law, price(1.0)).cost.total(price(1.0));
        let ratio = fit.cost.total(price(1.0)) / limit;
        assert!(ratio < 1.015, "{ratio}: {fit:?}");
        assert!(fit.cost.total(price(1.0)) < total * 1.001, "{fit:?}");
    }
}

#[test]
fn one_schedule_for_eight_laws_costs_a_fifth_more_than_the_best_of_each() {
    let seconds = Duration::from_secs;
    let weibull = Distribution::weibull(2.0, seconds(10)).unwrap();
    let laws = [
        lognormal(2.0, 0.5),
        lognormal(5.0, 1.0),
        lognormal(5.0, 1.5),
        lognormal(15.0, 1.0),
        lognormal(60.0, 1.0),
        exponential(5.0),
        weibull,
        bimodal(),
    ];
    let laws: Vec<&dyn Lag> = laws.iter().map(|law| law as &dyn Lag).collect();
    let published = Family {
        first: 3.4285,
        gap: 3.54,
        multiplier: 1.222_75,
        cap: 13.4388,
    };
    let (fit, worst) = fit_robust(&laws, price(1.0), 1e-9, published);
    assert!(worst < 1.2225, "{worst}: {fit:?}");
    let elsewhere = Family {
        first: 2.0,
        gap: 2.0,
        multiplier: 1.5,
        cap: 30.0,
    };
    let (fit, worst) = fit_robust(&laws, price(1.0), 1e-9, elsewhere);
    assert!(worst < 1.26, "{worst}: {fit:?}");
}

#[test]
fn the_forums_schedule_on_a_lognormal_has_reference_values() {
    let law = lognormal(5.0, 1.0);
    let row = |checks: &[f64], calls: f64, abandoned: f64, delay: f64| {
        let cost = evaluate(&law, checks.iter().copied());
        assert_near(cost.calls, calls, 1e-9, "calls");
        assert_near(cost.abandoned, abandoned, 1e-8, "abandoned");
        assert_near(cost.delay_when_found(), delay, 1e-8, "delay");
    };
    row(
        &[0.0, 1.0, 3.0, 7.0, 15.0],
        4.009_760_499_2,
        0.135_968_607_6,
        2.470_368_844_8,
    );
    let every_five: Vec<f64> = (1..=12).map(|k| f64::from(k) * 5.0).collect();
    row(
        &every_five,
        2.130_771_038_8,
        0.006_479_270_5,
        2.605_404_231_6,
    );
    let every_second: Vec<f64> = (1..=60).map(f64::from).collect();
    row(
        &every_second,
        8.560_854_284_9,
        0.006_479_270_5,
        0.498_753_764_0,
    );
}

#[test]
fn one_lag_of_all_is_looked_for_at_its_instant() {
    let lag = Steps::of_lags(vec![7.5; 20]);
    let found = optimal(&lag, price(1.0));
    assert_eq!(found.checks, [7.5]);
    assert_near(found.cost.calls, 1.0, 1e-15, "calls");
    assert!(found.cost.delay.abs() < 1e-12 && found.cost.abandoned <= 0.0);
}

#[test]
fn what_never_becomes_ready_is_abandoned_and_costs_every_call() {
    let lag = Steps::of_masses(vec![(1.0, 0.5), (9.0, 0.3)]);
    assert_near(lag.never(), 0.2, 1e-12, "never");
    let found = optimal(&lag, price(0.5));
    assert_eq!(found.checks, [1.0, 9.0]);
    assert_near(found.cost.calls, 1.5, 1e-12, "calls");
    assert_near(found.cost.abandoned, 0.2, 1e-12, "abandoned");
}

#[test]
fn a_geometric_backoff_has_reference_delays() {
    for (factor, mean, calls) in [
        (2.0, 0.442_695_041, std::f64::consts::LOG2_10),
        (1.5, 0.233_151_731, 5.6789),
        (std::f64::consts::E, 0.718_281_828, std::f64::consts::LN_10),
        (1.25, 0.120_355_029, 10.3189),
    ] {
        let backoff = GeometricBackoff { factor };
        assert_near(backoff.mean_delay(), mean, 1e-8, "mean");
        assert_near(backoff.calls_per_decade(), calls, 1e-4, "calls");
        assert_near(backoff.worst_delay(), factor - 1.0, 1e-15, "worst");
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Every set of checks among the lags, tried in turn.
    fn by_force(lags: &[f64], c: f64) -> f64 {
        let lag = Steps::of_lags(lags.to_vec());
        let atoms: Vec<f64> = lag.points().map(|(at, _)| at).collect();
        let last = atoms.len() - 1;
        (0..1_u32 << last)
            .map(|chosen| {
                let checks = atoms
                    .iter()
                    .enumerate()
                    .filter(|(k, _)| *k == last || chosen >> k & 1 == 1)
                    .map(|(_, at)| *at);
                evaluate(&lag, checks).total(price(c))
            })
            .fold(f64::INFINITY, f64::min)
    }

    /// The delay and the calls of each lag by itself.
    fn one_by_one(lags: &[f64], checks: &[f64]) -> (f64, f64) {
        let n = lags.len() as f64;
        let (mut calls, mut delay) = (0.0, 0.0);
        for lag in lags {
            for check in checks {
                calls += 1.0 / n;
                if check >= lag {
                    delay += (check - lag) / n;
                    break;
                }
            }
        }
        (calls, delay)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn no_schedule_on_a_trace_beats_the_optimum(
            lags in prop::collection::vec(0.001_f64..100.0, 1..11),
            c in 0.001_f64..50.0,
        ) {
            let found = optimal(&Steps::of_lags(lags.clone()), price(c));
            let least = by_force(&lags, c);
            let total = found.cost.total(price(c));
            prop_assert!((total - least).abs() <= 1e-9 * least, "{total} for {least}");
        }

        #[test]
        fn the_exact_cost_is_the_mean_over_the_recordings(
            lags in prop::collection::vec(0.001_f64..100.0, 1..50),
            mut checks in prop::collection::vec(0.0_f64..120.0, 1..30),
        ) {
            checks.sort_unstable_by(f64::total_cmp);
            let cost = evaluate(&Steps::of_lags(lags.clone()), checks.iter().copied());
            let (calls, delay) = one_by_one(&lags, &checks);
            prop_assert!((cost.calls - calls).abs() < 1e-9);
            prop_assert!((cost.delay - delay).abs() < 1e-9 * (1.0 + delay));
        }

        #[test]
        fn no_member_of_the_family_beats_the_optimum(
            median in 0.1_f64..60.0, sigma in 0.2_f64..1.2, c in 0.05_f64..10.0,
            first in 0.2_f64..3.0, gap in 0.1_f64..2.0, multiplier in 1.05_f64..3.0,
        ) {
            let law = lognormal(median, sigma);
            let limit = optimal(&law, price(c)).cost.total(price(c));
            let family = Family {
                first: first * median,
                gap: gap * median,
                multiplier,
                cap: f64::INFINITY,
            };
            let (_, cost) = family.evaluate(&law, 1e-13);
            prop_assert!(cost.total(price(c)) >= limit * (1.0 - 1e-9));
        }
    }
}
