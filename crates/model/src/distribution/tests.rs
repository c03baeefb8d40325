//! The samplers against closed forms, and pinned for ever.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{Distribution, DistributionError, Sampler};
use crate::draws::mix64;
use crate::time::Duration;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A distribution with its closed form, in seconds.
struct Reference {
    name: &'static str,
    distribution: Distribution,
    sampler: Sampler,
    mean: f64,
    /// At 0.5, 0.9, 0.99, 0.999 and 1 - 1e-6; computed with mpmath and scipy.
    quantiles: [f64; 5],
    /// Hash of the table, and of a million samples.
    golden: (u64, u64),
}

fn reference(
    name: &'static str,
    distribution: Result<Distribution, DistributionError>,
    mean: f64,
    quantiles: [f64; 5],
    golden: (u64, u64),
) -> Reference {
    let distribution = distribution.unwrap();
    let sampler = Sampler::new(&distribution);
    Reference {
        name,
        distribution,
        sampler,
        mean,
        quantiles,
        golden,
    }
}

static REFERENCES: LazyLock<Vec<Reference>> = LazyLock::new(|| {
    [light(), heavy(), observed()]
        .into_iter()
        .flatten()
        .collect()
});

fn light() -> Vec<Reference> {
    vec![
        reference(
            "exponential",
            Distribution::exponential(secs(2)),
            2.0,
            [
                1.386_294_361_12,
                4.605_170_185_99,
                9.210_340_371_98,
                13.815_510_558,
                27.631_021_115_9,
            ],
            (0xF366_2BBA_D1CC_AC6A, 0x2E00_3814_9250_005F),
        ),
        reference(
            "gamma",
            Distribution::gamma(2.5, millis(400)),
            1.0,
            [
                0.870_292_038_219,
                1.847_271_379_96,
                3.017_254_493_88,
                4.103_001_130_49,
                7.177_637_375_93,
            ],
            (0xB7C4_B587_064C_2F3D, 0xFEEB_33CE_24EB_5D5F),
        ),
        reference(
            "gamma of small shape",
            Distribution::gamma(0.3, secs(1)),
            0.3,
            [
                0.073_131_135_867,
                0.884_810_773_36,
                2.639_409_157_07,
                4.618_936_042_79,
                10.984_835_632_1,
            ],
            (0xF4F7_A3C0_A34A_CF14, 0x60CD_16AE_636C_4F89),
        ),
    ]
}

fn heavy() -> Vec<Reference> {
    vec![
        reference(
            "lognormal",
            Distribution::lognormal_mu_sigma(0.0, 1.0),
            1.648_721_270_700_128_2,
            [
                1.0,
                3.602_224_479_28,
                10.240_473_656_3,
                21.982_183_979_6,
                115.980_759_251,
            ],
            (0x2ED4_9C24_0ED3_875A, 0x489F_68D7_18F6_82CF),
        ),
        reference(
            "lognormal by median and p99",
            Distribution::lognormal_median_p99(millis(200), secs(1)),
            0.254_075_619_706_117_8,
            [
                0.2,
                0.485_380_709_587,
                1.0,
                1.696_349_152_32,
                5.360_863_062_84,
            ],
            (0xB70A_D929_CDB2_3B03, 0x24B5_AEA4_A06C_783E),
        ),
        reference(
            "weibull",
            Distribution::weibull(0.6, secs(5)),
            7.522_877_441_257_78,
            [
                2.714_432_872_42,
                20.075_335_817_7,
                63.735_218_391_3,
                125.275_143_83,
                397.723_790_203,
            ],
            (0x166C_00DF_9100_49A1, 0x392A_AC93_AF77_8582),
        ),
        reference(
            "pareto",
            Distribution::pareto(2.5, secs(1)),
            5.0 / 3.0,
            [
                1.319_507_910_77,
                2.511_886_431_51,
                6.309_573_444_8,
                15.848_931_924_6,
                251.188_643_151,
            ],
            (0x1FB3_6075_AF87_8CA9, 0x31DD_B39C_7035_9F1D),
        ),
    ]
}

fn observed() -> Vec<Reference> {
    let slow_mode = Distribution::mixture(vec![
        (
            0.95,
            Distribution::lognormal_mu_sigma(libm::log(3.0), 0.5).unwrap(),
        ),
        (
            0.05,
            Distribution::lognormal_mu_sigma(libm::log(120.0), 0.8).unwrap(),
        ),
    ]);
    let pairs = [
        (0.0, secs(1)),
        (0.5, secs(2)),
        (0.875, secs(4)),
        (1.0, secs(14)),
    ];
    vec![
        reference(
            "mixture",
            slow_mode,
            11.492_239_677_256_197,
            [
                3.100_669_430_57,
                6.742_975_230_92,
                235.282_925_818,
                620.478_448_326,
                3_208.232_580_3,
            ],
            (0xF746_2899_056F_651C, 0x2872_F89C_5D0D_4848),
        ),
        reference(
            "quantiles",
            Distribution::quantiles(&pairs),
            3.0,
            [2.0, 6.0, 13.2, 13.92, 13.999_92],
            (0x5B4D_E378_627D_80C4, 0x8CD8_90EF_A6EA_7CE8),
        ),
        reference(
            "samples",
            Distribution::empirical((1..=16).map(secs)),
            8.5,
            [8.0, 15.0, 16.0, 16.0, 16.0],
            (0xAE62_F78F_A0E5_9C98, 0x644D_1D98_3360_C273),
        ),
        reference(
            "uniform",
            Distribution::uniform(secs(2), secs(4)),
            3.0,
            [3.0, 3.8, 3.98, 3.998, 3.999_998],
            (0x8373_33FC_B64F_D4A7, 0x0124_D968_E2F3_9483),
        ),
    ]
}

/// A million draws, every second one deep in the upper tail.
fn raw_draws() -> impl Iterator<Item = u64> {
    (0..500_000).flat_map(|i| [mix64(i), !(mix64(!i) >> (i % 64))])
}

#[test]
fn tables_and_a_million_samples_are_pinned_for_ever() {
    let mut changed = Vec::new();
    for reference in &*REFERENCES {
        let sampled = raw_draws().fold(0, |hash, draw| {
            mix64(hash ^ reference.sampler.sample(draw).as_nanos())
        });
        let golden = (reference.sampler.fingerprint(), sampled);
        if golden != reference.golden {
            changed.push(format!(
                "{}: ({:#018X}, {:#018X})",
                reference.name, golden.0, golden.1
            ));
        }
    }
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

#[test]
fn means_are_those_of_the_closed_form() {
    for Reference {
        name,
        sampler,
        mean,
        ..
    } in &*REFERENCES
    {
        let got = sampler.mean().as_secs_f64();
        assert!((got / mean - 1.0).abs() < 1e-8, "{name}: {got} for {mean}");
    }
}

#[test]
fn the_average_of_many_samples_is_the_mean() {
    for Reference {
        name,
        sampler,
        mean,
        ..
    } in &*REFERENCES
    {
        // Stratified, so that the average is known to far better than by chance.
        let strata = 1_u64 << 18;
        let sum: f64 = (0..strata)
            .map(|i| sampler.sample((i << 46) + (1 << 45)).as_secs_f64())
            .sum();
        let got = sum / strata as f64;
        assert!((got / mean - 1.0).abs() < 2e-3, "{name}: {got} for {mean}");
    }
}

#[test]
fn quantiles_are_those_of_the_closed_form() {
    for Reference {
        name,
        sampler,
        quantiles,
        ..
    } in &*REFERENCES
    {
        let levels = [0.5, 0.9, 0.99, 0.999, 1.0 - 1e-6];
        for (q, expected) in levels.into_iter().zip(quantiles) {
            let got = sampler.quantile(q).as_secs_f64();
            let tolerance = if q > 0.9985 { 5e-4 } else { 2e-4 };
            assert!(
                (got / expected - 1.0).abs() < tolerance,
                "{name} at {q}: {got} for {expected}"
            );
        }
    }
}

#[test]
fn tail_probabilities_are_those_of_the_closed_form() {
    for Reference {
        name,
        distribution,
        sampler,
        ..
    } in &*REFERENCES
    {
        if matches!(distribution, Distribution::Empirical(_)) {
            continue;
        }
        for q in [0.01, 0.3, 0.8, 0.99, 0.999, 0.999_99] {
            let x = sampler.quantile(q);
            let exact = distribution.tails(x.as_nanos() as f64).above;
            let got = 1.0 - sampler.cdf(x);
            assert!(
                (got / exact - 1.0).abs() < 1e-3,
                "{name} at {q}: {got} for {exact}"
            );
        }
    }
}

#[test]
fn a_sampled_share_resamples_the_observations() {
    let sampler =
        Sampler::new(&Distribution::empirical([secs(3), secs(1), secs(1), secs(9)]).unwrap());
    for (draw, expected) in [
        (0, 1),
        (1 << 62, 1),
        (5 << 61, 3),
        (7 << 61, 9),
        (u64::MAX, 9),
    ] {
        assert_eq!(sampler.sample(draw), secs(expected), "{draw:#x}");
    }
    assert!((sampler.cdf(secs(1)) - 0.5).abs() < 1e-12);
    assert!((sampler.cdf(secs(9)) - 1.0).abs() < 1e-12);
}

#[test]
fn a_constant_and_a_uniform_are_exact() {
    let constant = Sampler::new(&Distribution::constant(millis(250)));
    let uniform = Sampler::new(&Distribution::uniform(secs(2), secs(4)).unwrap());
    let all = Sampler::new(&Distribution::uniform(Duration::ZERO, Duration::MAX).unwrap());
    for draw in [0, 1, 1 << 63, u64::MAX] {
        assert_eq!(constant.sample(draw), millis(250));
        assert!(all.sample(draw).as_nanos().abs_diff(draw) <= 1);
    }
    assert_eq!((constant.mean(), uniform.mean()), (millis(250), secs(3)));
    assert_eq!(
        (uniform.sample(0), uniform.sample(u64::MAX)),
        (secs(2), secs(4))
    );
}

#[test]
fn a_mixture_keeps_its_atoms() {
    let now = Distribution::constant(Duration::ZERO);
    let later = Distribution::uniform(secs(2), secs(4)).unwrap();
    let sampler = Sampler::new(&Distribution::mixture(vec![(3.0, now), (1.0, later)]).unwrap());
    assert_eq!(sampler.quantile(0.7), Duration::ZERO);
    assert_eq!(sampler.sample(u64::MAX), secs(4));
    assert_eq!(sampler.mean(), millis(750));
    assert!((sampler.cdf(Duration::ZERO) - 0.75).abs() < 1e-12);
}

#[test]
fn what_is_too_long_saturates() {
    let wide = Sampler::new(&Distribution::lognormal_mu_sigma(0.0, 1e6).unwrap());
    assert_eq!(
        (wide.sample(0), wide.sample(u64::MAX)),
        (Duration::ZERO, Duration::MAX)
    );
    let infinite_mean =
        Sampler::new(&Distribution::pareto(1.0, Duration::from_nanos(1000)).unwrap());
    let last = infinite_mean.sample(u64::MAX).as_secs_f64();
    assert!(
        (last / (1e-6 * 17_592_186_044_416.0) - 1.0).abs() < 1e-9,
        "{last}"
    );
    let heavier = Sampler::new(&Distribution::pareto(0.5, secs(1)).unwrap());
    assert_eq!(heavier.sample(u64::MAX), Duration::MAX);
    assert!((heavier.quantile(0.5).as_secs_f64() - 4.0).abs() < 1e-3);
}

#[test]
fn constructors_reject_what_makes_no_sense() {
    type Made = Result<Distribution, DistributionError>;
    let one = || Distribution::constant(secs(1));
    let cases: [(Made, &str); 12] = [
        (
            Distribution::uniform(secs(2), secs(1)),
            "min 2s is above max 1s: swap them",
        ),
        (
            Distribution::exponential(secs(0)),
            "mean is 0s: give a duration above 0s",
        ),
        (
            Distribution::lognormal_median_p99(secs(0), secs(1)),
            "median is 0s",
        ),
        (
            Distribution::lognormal_median_p99(secs(1), secs(1)),
            "use a constant of 1s",
        ),
        (
            Distribution::weibull(0.001, secs(1)),
            "give a shape from 0.01 to 10000",
        ),
        (Distribution::gamma(1.0, secs(0)), "scale is 0s"),
        (
            Distribution::mixture(vec![]),
            "no component: give at least one",
        ),
        (
            Distribution::mixture(vec![(1.0, one()), (-2.0, one())]),
            "weight 1 is -2",
        ),
        (Distribution::empirical([]), "no sample: give at least one"),
        (Distribution::quantiles(&[]), "no quantile"),
        (
            Distribution::quantiles(&[(0.5, secs(1)), (0.9, secs(2))]),
            "run from 0.5 to 0.9: add",
        ),
        (
            Distribution::quantiles(&[(0.0, secs(3)), (1.0, secs(2))]),
            "quantile 1 is 2s, below",
        ),
    ];
    for (made, expected) in cases {
        let message = made.unwrap_err().to_string();
        assert!(
            message.contains(expected),
            "{message:?} does not say {expected:?}"
        );
    }
}

proptest! {
    #[test]
    fn samples_never_fall_as_the_draw_rises(a: u64, b: u64, tail in 0_u32..64) {
        for Reference { name, sampler, .. } in &*REFERENCES {
            for (a, b) in [(a, b), (!(a >> tail), !(b >> tail)), (a, a.saturating_add(1))] {
                let (low, high) = (sampler.sample(a.min(b)), sampler.sample(a.max(b)));
                prop_assert!(low <= high, "{}: {} then {}", name, low, high);
            }
        }
    }

    #[test]
    fn the_share_below_a_sample_includes_its_draw(draw: u64) {
        for Reference { name, sampler, .. } in &*REFERENCES {
            let share = sampler.cdf(sampler.sample(draw));
            let own = draw as f64 / 18_446_744_073_709_551_616.0;
            prop_assert!(share >= own, "{}: {}", name, share);
        }
    }

    #[test]
    fn parameters_that_are_not_above_zero_are_rejected(size in 0.0..1e9_f64) {
        for value in [-size, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            prop_assert!(Distribution::weibull(value, secs(1)).is_err());
            prop_assert!(Distribution::pareto(value, secs(1)).is_err());
            prop_assert!(Distribution::gamma(value, secs(1)).is_err());
            prop_assert!(Distribution::lognormal_mu_sigma(0.0, value).is_err());
            let part = Distribution::constant(secs(1));
            prop_assert!(Distribution::mixture(vec![(value, part)]).is_err());
            let pairs = [(value - 1.0, secs(1)), (1.0, secs(1))];
            prop_assert!(Distribution::quantiles(&pairs).is_err());
        }
        prop_assert!(Distribution::lognormal_mu_sigma(f64::NAN, 1.0).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_accepted_distribution_has_a_rising_table(
        log_shape in -4.6..9.2_f64,
        nanos in 1_u64..,
        mu in -50.0..50.0_f64,
        sigma in 1e-6..50.0_f64,
    ) {
        let (shape, scale) = (libm::exp(log_shape), Duration::from_nanos(nanos));
        let lognormal = Distribution::lognormal_mu_sigma(mu, sigma).unwrap();
        for distribution in [
            Distribution::weibull(shape, scale).unwrap(),
            Distribution::pareto(shape, scale).unwrap(),
            Distribution::gamma(shape, scale).unwrap(),
            Distribution::mixture(vec![
                (1.0, lognormal.clone()),
                (sigma, Distribution::exponential(scale).unwrap()),
            ]).unwrap(),
            lognormal,
        ] {
            let sampler = Sampler::new(&distribution);
            let draws = (0..64).map(|k| k << 58).chain((6..64).map(|ones| !(u64::MAX >> ones)));
            let samples: Vec<Duration> = draws.map(|draw| sampler.sample(draw)).collect();
            prop_assert!(samples.is_sorted(), "{:?}: {:?}", distribution, samples);
            prop_assert!(samples.last() <= Some(&sampler.sample(u64::MAX)), "{:?}", distribution);
        }
    }
}
