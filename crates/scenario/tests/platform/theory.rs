//! The simulator against closed formulas, through the public path: TOML in, a summary out. What
//! is compared lies within four standard errors of the exact value.

use racegate_model::summary::{StageSummary, Summary};

use crate::runs::{run, scenario};

/// Standard errors that an estimate may be off.
const SIGMAS: f64 = 4.0;

fn summary(workload: &str, platform: &str, gates: &str) -> Summary {
    let text = format!(
        "name = \"theory\"\nseed = 11\n[required_fields]\nwebrtc = []\n[workload]\n{workload}\n\
         {platform}\n[platform.api]\nrate_limit = \"none\"\n[platform.export]\nslots = \"unlimited\"\n\
         {gates}\n"
    );
    run(&scenario("theory", &text, None))
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

const UNGATED: &str = "[[gate]]\nname = \"ungated\"\nstrategy = \"none\"";

/// One queue at 8 calls/s, about 80,000 of them.
fn queue(arrivals: &str, workers: u32, service: &str) -> StageSummary {
    let summary = summary(
        &workload(arrivals, "8/s", 10_000),
        &stage(workers, service),
        UNGATED,
    );
    summary.platform[0].stages[0].clone()
}

#[expect(clippy::print_stdout, reason = "a reader wants to see how near it was")]
fn agrees(what: &str, estimate: f64, error: f64, exact: f64) {
    let sigmas = (estimate - exact) / error;
    println!("{what}: {estimate:.6} ± {error:.6}, exact {exact:.6}, z = {sigmas:+.2}");
    assert!(error > 0.0, "{what} has an error");
    assert!(
        sigmas.abs() < SIGMAS,
        "{what}: {estimate} ± {error}, exact {exact}"
    );
}

fn waits(what: &str, stage: &StageSummary, mean: f64) {
    agrees(what, stage.wait_mean_s, stage.wait_mean_se_s, mean);
}

fn waiting(what: &str, stage: &StageSummary, share: f64) {
    agrees(
        what,
        stage.wait_probability,
        stage.wait_probability_se,
        share,
    );
}

/// The standard error of a share of independent recordings.
fn share_error(share: f64, recordings: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let recordings = recordings as f64;
    (share * (1.0 - share) / recordings).sqrt()
}

#[test]
fn one_exponential_worker_waits_as_erlang_says() {
    // Utilisation 0.8, mean service 0.1 s: P = ρ, E[W] = ρ/(μ − λ).
    let stage = queue("poisson", 1, "{ exponential = { mean = \"100ms\" } }");
    waiting("M/M/1 P(W > 0)", &stage, 0.8);
    waits("M/M/1 E[W]", &stage, 0.4);
}

#[test]
fn ten_exponential_workers_wait_as_erlang_c_says() {
    let stage = queue("poisson", 10, "{ exponential = { mean = \"1s\" } }");
    waiting("M/M/10 P(W > 0)", &stage, 0.409_180_150_796);
    waits("M/M/10 E[W]", &stage, 0.204_590_075_398);
}

#[test]
fn general_service_waits_as_pollaczek_and_khinchine_say() {
    // Lognormal with mean 0.1 s and sigma 1 (of the logarithm): E[W] = λE[S²]/(2(1 − ρ)).
    let service = "{ lognormal = { mu = -2.802585092994046, sigma = 1.0 } }";
    waits(
        "M/G/1 E[W]",
        &queue("poisson", 1, service),
        0.543_656_365_692,
    );
}

#[test]
fn constant_service_waits_half_as_long_as_exponential_service() {
    let stage = queue("poisson", 1, "\"100ms\"");
    waiting("M/D/1 P(W > 0)", &stage, 0.8);
    waits("M/D/1 E[W]", &stage, 0.2);
}

#[test]
fn regular_arrivals_wait_less_than_poisson_ones() {
    let stage = queue("regular", 1, "{ exponential = { mean = \"100ms\" } }");
    waiting("D/M/1 P(W > 0)", &stage, 0.628_629_796_497);
    waits("D/M/1 E[W]", &stage, 0.169_273_083_992);
}

#[test]
fn a_fixed_delay_loses_the_tail_of_the_lag() {
    let lag = "[platform.metadata]\nlag = { lognormal = { mu = 0.6931471805599453, sigma = 0.8 } }";
    let delays = [
        ("1s", 0.806_873_890_618),
        ("2s", 0.5),
        ("5s", 0.126_029_323_421),
    ];
    let gates = delays.map(|(delay, _)| {
        format!("[[gate]]\nname = \"d{delay}\"\nstrategy = \"fixed-delay\"\ndelay = \"{delay}\"\n")
    });
    let summary = summary(&workload("poisson", "20/s", 500), lag, &gates.concat());
    for (gate, (delay, exact)) in summary.gates.iter().zip(delays) {
        let rate = gate.total.incomplete_rate.estimate;
        let error = share_error(exact, gate.total.recordings);
        agrees(&format!("incomplete after {delay}"), rate, error, exact);
    }
}

const EXPONENTIAL_LAG: &str = "[platform.metadata]\nlag = { exponential = { mean = \"2s\" } }";

#[test]
fn polls_and_their_delay_follow_the_lag_under_every_backoff() {
    let gates = "[[gate]]\nname = \"interval\"\nstrategy = \"fixed-interval\"\ninterval = \"1s\"\n\
        initial_delay = \"1s\"\n[[gate]]\nname = \"none\"\nstrategy = \"exponential-backoff\"\ninitial_delay = \"0s\"\n\
        jitter = \"none\"\ncap = \"1h\"\ndeadline = \"24h\"\n\
        [[gate]]\nname = \"full\"\nstrategy = \"exponential-backoff\"\ninitial_delay = \"0s\"\n\
        jitter = \"full\"\ncap = \"1h\"\ndeadline = \"24h\"\n";
    let summary = summary(&workload("poisson", "20/s", 500), EXPONENTIAL_LAG, gates);
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
            &format!("detection, {}", gate.name),
            delay.mean_s,
            delay.mean_se_s,
            detected,
        );
    }
    let stale = &summary.gates[0].regret;
    agrees(
        "staleness, interval",
        stale.mean_s,
        stale.mean_se_s,
        0.541_494_082_537,
    );
}

#[test]
fn a_refresh_grid_of_random_phase_is_stale_for_its_remaining_share() {
    // One grid per run, so the arrivals, not the phase, make the mean over recordings.
    let index = "[platform.index]\nrefresh = \"5s\"";
    let gate = "[[gate]]\nname = \"two\"\nstrategy = \"fixed-delay\"\ndelay = \"2s\"\n";
    let summary = summary(&workload("poisson", "20/s", 500), index, gate);
    let gate = &summary.gates[0];
    let error = share_error(0.6, gate.total.recordings);
    agrees(
        "stale on the index",
        gate.total.incomplete_rate.estimate,
        error,
        0.6,
    );
    let lag = &summary.platform[0].index_lag;
    agrees("staleness of the index", lag.mean_s, lag.mean_se_s, 2.5);
}
