//! Reference fits: R `survreg` and scipy agree on them.

use super::*;
use crate::draws::{Draws, Purpose, Seed};
use crate::schedule::Lag;
use crate::stats::{distances, kolmogorov_smirnov_p, two_sample_distance};
use crate::survival::Observation;

fn assert_near(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (got - expected).abs() <= tolerance * (1.0 + expected.abs()),
        "{what}: {got} for {expected}"
    );
}

/// What 100 recordings show that are looked at after 1, 3, 7 and 15 s.
fn looked() -> Observations {
    [
        (0.0, 1.0, 4),
        (1.0, 3.0, 23),
        (3.0, 7.0, 41),
        (7.0, 15.0, 22),
        (15.0, f64::INFINITY, 10),
    ]
    .map(|(low, high, count)| Observation { low, high, count })
    .into_iter()
    .collect()
}

fn watched() -> Observations {
    let exact = [1.2, 2.5, 3.1, 4.4, 5.0, 6.3, 8.8, 12.1].map(Observation::exact);
    let beyond = [15.0, 15.0].map(Observation::beyond);
    exact.into_iter().chain(beyond).collect()
}

const LAGS: [f64; 10] = [1.2, 2.5, 3.1, 4.4, 5.0, 6.3, 8.8, 12.1, 14.9, 20.7];

#[test]
fn interval_censored_fits_have_reference_values() {
    for (family, parameters, log_likelihood) in [
        (
            LagFamily::Lognormal,
            vec![libm::exp(1.581_067_807_6), 0.866_302_257_274],
            -140.002_486_035,
        ),
        (
            LagFamily::Weibull,
            vec![7.198_961_142_7, 1.300_171_303_9],
            -143.061_281_471,
        ),
        (
            LagFamily::Exponential,
            vec![6.880_643_048_71],
            -146.911_492_849,
        ),
        (
            LagFamily::LogLogistic,
            vec![4.877_982_743_15, 2.003_045_052_36],
            -139.627_283_471,
        ),
    ] {
        let fit = fit(family, &looked()).unwrap();
        assert_near(fit.log_likelihood, log_likelihood, 1e-10, family.name());
        for ((_, got), expected) in fit.parameters.iter().zip(parameters) {
            assert_near(got.estimate, expected, 1e-7, family.name());
        }
    }
    let lognormal = fit(LagFamily::Lognormal, &looked()).unwrap();
    let variances: Vec<f64> = lognormal.free_variances().collect();
    assert_near(variances[0], 8.276_830_370_27e-3, 1e-7, "variance of mu");
    assert_near(
        variances[1],
        7.107_504_146_13e-3,
        1e-7,
        "variance of ln sigma",
    );
}

#[test]
fn right_censored_fits_have_reference_values() {
    let lognormal = fit(LagFamily::Lognormal, &watched()).unwrap();
    assert_near(
        libm::log(lognormal.curve.parameters()[0]),
        1.827_000_430_48,
        1e-7,
        "mu",
    );
    assert_near(
        lognormal.curve.parameters()[1],
        0.948_998_508_178,
        1e-7,
        "sigma",
    );
    assert_near(
        lognormal.log_likelihood,
        -24.867_042_804_5,
        1e-9,
        "lognormal",
    );
    let weibull = fit(LagFamily::Weibull, &watched()).unwrap();
    assert_near(
        weibull.curve.parameters()[0],
        9.242_233_763_56,
        1e-6,
        "scale",
    );
    assert_near(
        weibull.curve.parameters()[1],
        1.229_394_871_31,
        1e-6,
        "shape",
    );
    assert_near(weibull.log_likelihood, -25.505_447_452_5, 1e-9, "Weibull");
}

#[test]
fn exact_fits_have_reference_values() {
    let all: Observations = LAGS.map(Observation::exact).into_iter().collect();
    let lognormal = fit(LagFamily::Lognormal, &all).unwrap();
    assert_near(
        lognormal.curve.parameters()[0],
        5.789_846_948_22,
        1e-7,
        "median",
    );
    assert_near(
        lognormal.curve.parameters()[1],
        0.831_358_481_917,
        1e-7,
        "sigma",
    );
    let weibull = fit(LagFamily::Weibull, &all).unwrap();
    assert_near(
        weibull.curve.parameters()[0],
        8.681_893_626_117_5,
        1e-6,
        "scale",
    );
    assert_near(
        weibull.curve.parameters()[1],
        1.376_586_177_178_25,
        1e-6,
        "shape",
    );
}

#[test]
fn the_instant_of_the_successful_look_is_a_biased_lag() {
    for (place, mu, sigma) in [(1.0, 1.986_39, 0.809_02), (0.5, 1.659_22, 0.927_64)] {
        let naive: Observations = looked()
            .iter()
            .map(|one| {
                // Such a log has the time of giving up for what was never seen.
                let lag = if one.is_right_censored() {
                    30.0
                } else {
                    one.low + place * (one.high - one.low)
                };
                Observation {
                    count: one.count,
                    ..Observation::exact(lag)
                }
            })
            .collect();
        let fit = fit(LagFamily::Lognormal, &naive).unwrap();
        assert_near(libm::log(fit.curve.parameters()[0]), mu, 5e-6, "mu");
        assert_near(fit.curve.parameters()[1], sigma, 5e-6, "sigma");
    }
}

#[test]
fn grouped_goodness_has_reference_values() {
    let lognormal = fit(LagFamily::Lognormal, &looked()).unwrap();
    let (chi, ratio) = grouped_chi_square(&lognormal.curve, &looked());
    assert_near(chi, 0.867_451_159_88, 1e-7, "chi-square");
    assert_near(ratio, 0.864_502_971_4, 1e-7, "likelihood ratio");
    let weibull = fit(LagFamily::Weibull, &looked()).unwrap();
    let (chi, _) = grouped_chi_square(&weibull.curve, &looked());
    assert_near(chi, 6.574_011_679_9, 1e-6, "chi-square");
}

#[test]
fn distances_from_a_known_law_have_reference_values() {
    let sides = |curve: &Curve| {
        LAGS.map(|lag| {
            let tails = curve.tails(lag);
            (tails.below, tails.above)
        })
    };
    let lognormal = Curve::new(LagFamily::Lognormal, &[libm::exp(1.7), 0.8]);
    let found = distances(&sides(&lognormal));
    assert_near(found.kolmogorov_smirnov, 0.139_280_917_048_275, 1e-12, "D");
    assert_near(found.anderson_darling, 0.198_107_498_550_546_8, 1e-12, "A²");
    assert_near(found.cramer_von_mises, 0.026_686_904_753, 1e-11, "W²");
    assert_near(
        kolmogorov_smirnov_p(found.kolmogorov_smirnov, 10),
        0.975_523_634_9,
        1e-9,
        "p",
    );
    let exponential = Curve::new(LagFamily::Exponential, &[8.0]);
    let found = distances(&sides(&exponential)).kolmogorov_smirnov;
    assert_near(found, 0.168_384_371_053_358, 1e-12, "D");
    assert_near(
        kolmogorov_smirnov_p(found, 10),
        0.896_215_044_881_084,
        1e-9,
        "p",
    );
    let all: Observations = LAGS.map(Observation::exact).into_iter().collect();
    assert_near(
        distance(&exponential, &all),
        found,
        1e-12,
        "the same of exact lags",
    );
    let fitted = fit(LagFamily::Lognormal, &all).unwrap();
    // The reference estimates sigma with n − 1 in the denominator.
    let sigma = fitted.curve.parameters()[1] * (10.0_f64 / 9.0).sqrt();
    let usual = Curve::new(LagFamily::Lognormal, &[fitted.curve.parameters()[0], sigma]);
    let found = distances(&sides(&usual)).anderson_darling;
    assert_near(found, 0.118_920_047_78, 1e-7, "A² of ln y");
    let other = [0.9, 2.2, 2.9, 3.5, 4.1, 5.5, 6.1, 7.7, 9.3, 10.4];
    assert_near(
        two_sample_distance(&LAGS, &other),
        0.3,
        1e-12,
        "two samples",
    );
}

fn drawn(curve: &Curve, count: u64, seed: u64) -> Vec<f64> {
    (0..count)
        .map(|k| {
            let draw = Draws::of_stream(Seed(seed), "lag", k).draw(Purpose::Test);
            curve.instant_with_beyond(((draw >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0)
        })
        .collect()
}

/// Looks every 2 s from a phase of the recording's own, up to 60 s.
fn looked_at(lags: &[f64]) -> Observations {
    lags.iter()
        .enumerate()
        .map(|(k, &lag)| {
            let phase = Draws::of_stream(Seed(7), "phase", k as u64).draw(Purpose::Test) % 2_000;
            let phase = phase as f64 / 1_000.0;
            let looks = libm::ceil((lag - phase).max(0.0) / 2.0);
            let high = phase + 2.0 * looks;
            let low = if looks > 0.0 { high - 2.0 } else { 0.0 };
            if high > 60.0 {
                Observation::beyond(60.0)
            } else {
                Observation::between(low, high)
            }
        })
        .collect()
}

#[test]
fn a_fit_of_censored_lags_finds_the_law_they_were_drawn_from() {
    let bimodal = [3.0, 0.5, 40.0, 0.4, 0.1];
    for (family, parameters) in [
        (LagFamily::Lognormal, &[5.0, 1.0][..]),
        (LagFamily::Weibull, &[6.0, 1.4]),
        (LagFamily::Gamma, &[2.0, 3.0]),
        (LagFamily::TwoLognormals, &bimodal),
    ] {
        let truth = Curve::new(family, parameters);
        let all = looked_at(&drawn(&truth, 1_500, 3));
        let best = &fit_all(&all)[0];
        assert_eq!(best.curve.family(), family, "{best:?}");
        for ((name, interval), truth) in best.parameters.iter().zip(parameters) {
            // 4 standard errors around: one seed must not decide.
            let half = 2.0 * (interval.high - interval.low) / 2.0;
            assert!(
                (interval.estimate - truth).abs() < half,
                "{name}: {interval:?} for {truth}"
            );
        }
        let goodness = goodness(best, &all, 19, Seed(1));
        assert!(goodness.p > 0.05, "{family:?}: {goodness:?}");
        assert!(goodness.distance < 0.05, "{family:?}: {goodness:?}");
    }
}

#[test]
fn a_family_that_does_not_fit_is_found_out() {
    let truth = Curve::new(LagFamily::TwoLognormals, &[3.0, 0.3, 40.0, 0.2, 0.3]);
    let all = looked_at(&drawn(&truth, 1_000, 5));
    let fit = fit(LagFamily::Exponential, &all).unwrap();
    let goodness = goodness(&fit, &all, 19, Seed(1));
    assert!(goodness.p <= 0.05, "{goodness:?}");
}

#[test]
fn the_mean_of_a_log_logistic_is_reached_in_the_end() {
    for shape in [0.8, 1.5, 3.0] {
        let curve = Curve::new(LagFamily::LogLogistic, &[5.0, shape]);
        // By parts: E[L; L ≤ t] = ∫ S − t S(t).
        let t = 40.0;
        let steps = 400_000;
        let step = t / f64::from(steps);
        let integral: f64 = (0..steps)
            .map(|k| curve.survival((f64::from(k) + 0.5) * step) * step)
            .sum();
        let expected = integral - t * curve.survival(t);
        assert_near(curve.mean_until(t), expected, 1e-5, "mean until 40 s");
    }
}
