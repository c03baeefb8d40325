//! The simulator against closed formulas, through the public path: TOML in, a summary out. What
//! is compared lies within four standard errors of the exact value. With `--no-capture` each line
//! is a row of the table of theory: what, exact, observed, standard error, z.

use std::iter::once;

use racegate_model::summary::Summary;

use crate::runs::{own_seed, replicated, run, scenario};

/// Standard errors that an estimate may be off.
const SIGMAS: f64 = 4.0;
/// Replications of a queue: its recordings depend on each other, replications do not.
const REPLICATIONS: u64 = 10;

fn text(workload: &str, platform: &str, gates: &str) -> String {
    format!(
        "name = \"theory\"\nseed = 11\n[required_fields]\nwebrtc = []\n[workload]\n{workload}\n\
         {platform}\n[platform.api]\nrate_limit = \"none\"\n[platform.export]\nslots = \"unlimited\"\n\
         {gates}\n"
    )
}

fn summary(workload: &str, platform: &str, gates: &str) -> Summary {
    let text = text(workload, platform, gates);
    run(&scenario("theory", &text, Some(own_seed(&text))))
}

/// Instant calls at `rate`, regular or Poisson, as many as `seconds` hold.
fn workload(arrivals: &str, rate: &str, seconds: u32) -> String {
    format!(
        "executor = \"constant-arrival-rate\"\narrivals = \"{arrivals}\"\nrate = \"{rate}\"\n\
         duration = \"{seconds}s\"\nwarmup = \"500s\"\ncall_duration = \"1ms\""
    )
}

fn stage(workers: u32, service: &str) -> String {
    format!(
        "[[platform.metadata.stage]]\nname = \"inject\"\nworkers = {workers}\nservice = {service}"
    )
}

fn delayed(delay: &str) -> String {
    format!("[[gate]]\nname = \"d{delay}\"\nstrategy = \"fixed-delay\"\ndelay = \"{delay}\"\n")
}

const UNGATED: &str = "[[gate]]\nname = \"ungated\"\nstrategy = \"none\"\n";

/// One queue, replicated: all together, and each.
fn queue(load: &str, workers: u32, service: &str, gates: &str) -> (Summary, Vec<Summary>) {
    let text = text(load, &stage(workers, service), gates);
    replicated("theory", &text, REPLICATIONS)
}

/// 8 calls/s, about 80,000 of them in each replication.
fn eight(arrivals: &str) -> String {
    workload(arrivals, "8/s", 10_000)
}

#[expect(clippy::print_stdout, reason = "a reader wants to see how near it was")]
fn agrees(what: &str, estimate: f64, error: f64, exact: f64) {
    let sigmas = (estimate - exact) / error;
    println!("| {what} | {exact:.6} | {estimate:.6} | {error:.6} | {sigmas:+.2} |");
    assert!(error > 0.0, "{what} has an error");
    assert!(
        sigmas.abs() < SIGMAS,
        "{what}: {estimate} ± {error}, exact {exact}"
    );
}

fn waits(what: &str, (all, _): &(Summary, Vec<Summary>), mean: f64) {
    let stage = &all.platform[0].stages[0];
    agrees(what, stage.wait_mean_s, stage.wait_mean_se_s, mean);
}

fn waiting(what: &str, (all, _): &(Summary, Vec<Summary>), share: f64) {
    let stage = &all.platform[0].stages[0];
    agrees(
        what,
        stage.wait_probability,
        stage.wait_probability_se,
        share,
    );
}

/// The share of a gate's incomplete exports. Its error is that between replications.
fn incomplete(what: &str, gate: usize, (_, each): &(Summary, Vec<Summary>), share: f64) {
    let rates = each
        .iter()
        .map(|summary| summary.gates[gate].total.incomplete_rate.estimate);
    let rates: Vec<f64> = rates.collect();
    let count = count(rates.len() as u64);
    let mean = rates.iter().sum::<f64>() / count;
    let squares: f64 = rates.iter().map(|rate| (rate - mean) * (rate - mean)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    agrees(what, mean, error, share);
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
const fn count(of: u64) -> f64 {
    of as f64
}

/// The standard error of a share of independent recordings.
fn share_error(share: f64, recordings: u64) -> f64 {
    (share * (1.0 - share) / count(recordings)).sqrt()
}

#[test]
fn one_exponential_worker_waits_as_erlang_says() {
    // Utilisation 0.8, mean service 0.1 s: P = ρ, E[W] = ρ/(μ − λ). The time in the system is
    // exponential of rate μ − λ = 2/s, so that P(W > t) = ρ P(W + S > t).
    let seen = queue(
        &eight("poisson"),
        1,
        "{ exponential = { mean = \"100ms\" } }",
        &delayed("500ms"),
    );
    waiting("M/M/1 P(W > 0)", &seen, 0.8);
    waits("M/M/1 E[W], s", &seen, 0.4);
    incomplete(
        "M/M/1 P(W + S > 5 services)",
        0,
        &seen,
        0.294_303_552_937 / 0.8,
    );
}

#[test]
fn ten_exponential_workers_wait_as_erlang_c_says() {
    let seen = queue(
        &eight("poisson"),
        10,
        "{ exponential = { mean = \"1s\" } }",
        UNGATED,
    );
    waiting("M/M/10 P(W > 0)", &seen, 0.409_180_150_796);
    waits("M/M/10 E[W], s", &seen, 0.204_590_075_398);
}

#[test]
fn sixty_four_exponential_workers_wait_as_erlang_c_says() {
    let load = workload("poisson", "50/s", 2_000);
    let seen = queue(&load, 64, "{ exponential = { mean = \"1s\" } }", UNGATED);
    waiting("M/M/64 P(W > 0)", &seen, 0.037_451_420_025_5);
}

#[test]
fn a_fixed_delay_loses_what_queue_service_and_lag_together_exceed() {
    // M/M/52 with 50 busy, 20 services a second each: P(W + S + Exp(2 s) > 5 s).
    let load = workload("poisson", "1000/s", 40).replace("500s", "10s");
    let platform = format!(
        "{}\n[platform.metadata]\nlag = {{ exponential = {{ mean = \"2s\" }} }}",
        stage(52, "{ exponential = { mean = \"50ms\" } }")
    );
    let text = text(&load, &platform, &delayed("5s"));
    let seen = replicated("theory", &text, REPLICATIONS);
    incomplete(
        "M/M/52 P(W + S + Exp(2 s) > 5 s)",
        0,
        &seen,
        0.084_935_315_896_5,
    );
}

#[test]
fn general_service_waits_as_pollaczek_and_khinchine_say() {
    // Lognormal with mean 0.1 s and sigma 1 (of the logarithm): E[W] = λE[S²]/(2(1 − ρ)).
    let service = "{ lognormal = { mu = -2.802585092994046, sigma = 1.0 } }";
    let seen = queue(&eight("poisson"), 1, service, UNGATED);
    waits("M/G/1 E[W], s", &seen, 0.543_656_365_692);
}

#[test]
fn constant_service_waits_half_as_long_as_exponential_service() {
    // With constant service W + S > 3 S means W > 2 S.
    let seen = queue(&eight("poisson"), 1, "\"100ms\"", &delayed("300ms"));
    waiting("M/D/1 P(W > 0)", &seen, 0.8);
    waits("M/D/1 E[W], s", &seen, 0.2);
    incomplete("M/D/1 P(W > 2 services)", 0, &seen, 1.0 - 0.634_519_936_320);
}

#[test]
fn regular_arrivals_wait_less_than_poisson_ones() {
    let seen = queue(
        &eight("regular"),
        1,
        "{ exponential = { mean = \"100ms\" } }",
        UNGATED,
    );
    waiting("D/M/1 P(W > 0)", &seen, 0.628_629_796_497);
    waits("D/M/1 E[W], s", &seen, 0.169_273_083_992);
}

#[test]
fn as_many_are_in_flight_as_arrive_during_a_sojourn() {
    // M/G/∞ and Little: 1000/s that stay 3.62 s. Both factors are observed.
    let lag = "[platform.metadata]\nlag = { lognormal = { mu = 0.7864740307643346, sigma = 1.0 } }";
    let seconds = 200;
    let load = workload("poisson", "1000/s", seconds).replace("500s", "1s");
    let summary = summary(&load, lag, UNGATED);
    let webrtc = &summary.platform[0].metadata_lag;
    let rate = count(summary.recordings) / f64::from(seconds);
    let in_flight = rate * webrtc.mean_s;
    let of_rate = 1.0 / count(summary.recordings).sqrt();
    let error = in_flight * of_rate.hypot(webrtc.mean_se_s / webrtc.mean_s);
    agrees("M/G/∞ in flight", in_flight, error, 3_620.0);
}

#[test]
fn a_fixed_delay_loses_the_tail_of_the_lag() {
    let lag = "[platform.metadata]\nlag = { lognormal = { mu = 0.6931471805599453, sigma = 0.8 } }";
    let delays = [
        ("1s", 0.806_873_890_618),
        ("2s", 0.5),
        ("5s", 0.126_029_323_421),
    ];
    let gates = delays.map(|(delay, _)| delayed(delay));
    let summary = summary(&workload("poisson", "100/s", 1_000), lag, &gates.concat());
    for (gate, (delay, exact)) in summary.gates.iter().zip(delays) {
        let rate = gate.total.incomplete_rate.estimate;
        let error = share_error(exact, gate.total.recordings);
        agrees(&format!("incomplete after {delay}"), rate, error, exact);
    }
}

#[test]
fn a_race_of_two_exponentials_is_won_in_proportion_to_the_rates() {
    // Exported as the media lands: incomplete is what the metadata, half as fast, comes after.
    let platform = "[platform.media]\nlag = { exponential = { mean = \"1s\" } }\n\
        [platform.metadata]\nlag = { exponential = { mean = \"2s\" } }";
    let gate = format!("{UNGATED}start = \"media\"\n");
    let summary = summary(&workload("poisson", "100/s", 1_000), platform, &gate);
    let total = &summary.gates[0].total;
    let (rate, exact) = (total.incomplete_rate.estimate, 2.0 / 3.0);
    let error = share_error(exact, total.recordings);
    agrees("P(media before metadata)", rate, error, exact);
}

const EXPONENTIAL_LAG: &str = "[platform.metadata]\nlag = { exponential = { mean = \"2s\" } }";

#[test]
fn polls_and_their_delay_follow_the_lag_under_every_backoff() {
    let gates = "[[gate]]\nname = \"interval\"\nstrategy = \"fixed-interval\"\ninterval = \"1s\"\n\
        initial_delay = \"1s\"\n[[gate]]\nname = \"none\"\nstrategy = \"exponential-backoff\"\ninitial_delay = \"0s\"\n\
        jitter = \"none\"\ncap = \"1h\"\ndeadline = \"24h\"\n\
        [[gate]]\nname = \"full\"\nstrategy = \"exponential-backoff\"\ninitial_delay = \"0s\"\n\
        jitter = \"full\"\ncap = \"1h\"\ndeadline = \"24h\"\n";
    let load = workload("poisson", "100/s", 1_000);
    let summary = summary(&load, EXPONENTIAL_LAG, gates);
    // Polls, detection. The second and third check at 0 as well, which never finds anything.
    let exact = [
        (2.541_494_082_54, 2.541_494_082_54),
        (2.860_411_473_19, 3.356_016_314_57),
        (3.559_238_979_08, 3.683_863_800_17),
    ];
    for (gate, (calls, detected)) in summary.gates.iter().zip(exact) {
        let (mean, error) = (gate.calls_per_recording, gate.calls_per_recording_se);
        agrees(&format!("polls, {}", gate.name), mean, error, calls);
        let delay = &gate.added_delay;
        agrees(
            &format!("detection, {}, s", gate.name),
            delay.mean_s,
            delay.mean_se_s,
            detected,
        );
    }
    let stale = &summary.gates[0].regret;
    agrees(
        "staleness, interval, s",
        stale.mean_s,
        stale.mean_se_s,
        0.541_494_082_537,
    );
}

#[test]
fn five_polls_give_up_on_what_takes_longer_than_their_sum() {
    // Polls after 1, 2, 4, 8 and 16 s: e^(-31 s / mean). At a mean of 2 s that is 1.86e-7, too rare
    // to be seen; at 10 s it is 4.5 %.
    let lag = "[platform.metadata]\nlag = { exponential = { mean = \"10s\" } }";
    let gate = "[[gate]]\nname = \"five\"\nstrategy = \"exponential-backoff\"\njitter = \"none\"\n\
        initial_delay = \"1s\"\nbase = \"2s\"\nmax_attempts = 5\ndeadline = \"none\"\n";
    let summary = summary(&workload("poisson", "100/s", 1_000), lag, gate);
    let total = &summary.gates[0].total;
    let exact = 0.045_049_202_393_6;
    let error = share_error(exact, total.recordings);
    agrees(
        "gives up after 31 s",
        total.abandoned_rate.estimate,
        error,
        exact,
    );
}

#[test]
fn a_refresh_grid_of_random_phase_is_stale_for_its_remaining_share() {
    // One grid per run, so the arrivals, not the phase, make the mean over recordings.
    let index = "[platform.index]\nrefresh = \"5s\"";
    let summary = summary(&workload("poisson", "100/s", 1_000), index, &delayed("2s"));
    let gate = &summary.gates[0];
    let error = share_error(0.6, gate.total.recordings);
    agrees(
        "stale on the index after 2 s of 5 s",
        gate.total.incomplete_rate.estimate,
        error,
        0.6,
    );
    let lag = &summary.platform[0].index_lag;
    agrees("staleness of the index, s", lag.mean_s, lag.mean_se_s, 2.5);
}

/// Regular calls in phases of so many seconds and calls per second.
fn phases(stages: &[(&str, u32, u32)]) -> String {
    let stages = stages.iter().map(|(name, seconds, rate)| {
        format!("{{ name = \"{name}\", duration = \"{seconds}s\", rate = \"{rate}/s\" }}")
    });
    let stages: Vec<String> = stages.collect();
    format!(
        "executor = \"stepped-arrival-rate\"\narrivals = \"regular\"\nstages = [{}]\n\
         call_duration = \"1ms\"",
        stages.join(", ")
    )
}

#[test]
fn a_fluid_overload_lags_and_drains_as_long_as_arithmetic_says() {
    // Ten calls a second are served. Fifteen for a minute leave 300 behind, 30 s of work; seven a
    // second let them drain at three a second, for 100 s.
    let load = phases(&[
        ("over", 60, 15),
        ("drain", 97, 7),
        ("last", 2, 7),
        ("calm", 60, 7),
    ]);
    let gates = delayed("1200ms");
    let summary = summary(&load, &stage(10, "\"1s\""), &gates);
    let longest = summary.platform[0].stages[0].wait_max_s;
    assert!((29.0..=31.0).contains(&longest), "{longest}");
    let rate = |phase: &str| {
        summary.gates[0].phases[phase]
            .total
            .incomplete_rate
            .estimate
    };
    assert!(
        rate("drain") > 0.99 && rate("last") > 0.9,
        "{}",
        rate("last")
    );
    let calm = &summary.gates[0].phases["calm"];
    let settled = count(calm.total.recordings);
    // What ended in the last second of the hundred may still have waited.
    assert!(
        rate("calm") * settled <= 8.0,
        "{} of {settled}",
        rate("calm")
    );
}

#[test]
fn a_bucket_of_tokens_lets_through_its_rate_and_no_more() {
    // Twenty updates a second for a minute, of which ten a second are accepted: the last one is
    // accepted a minute after the last call. A refused one looks again within its cap of 1 s.
    let load = phases(&[("over", 60, 20)]);
    let updates = "[platform.metadata.updates]\nrate = \"10/s\"\nbase = \"100ms\"\ncap = \"1s\"";
    let summary = summary(&load, updates, UNGATED);
    let lag = &summary.platform[0].metadata_lag;
    assert_eq!(lag.count, 1_200);
    let total: f64 = once(lag.mean_s).map(|mean| mean * count(lag.count)).sum();
    // Ten leave in each second: the times at which they do sum up to that, whoever goes first.
    let accepted: f64 = (0..120).map(|second| 10.0 * f64::from(second)).sum();
    let ended: f64 = (0..1_200).map(|call| f64::from(call) / 20.0 + 0.026).sum();
    let least = accepted - ended;
    assert!(
        total > least && total < least + 1_200.0,
        "{total} and {least}"
    );
}
