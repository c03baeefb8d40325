//! Values and files as people write them: what is nearly right is either taken, or told so that
//! the next try is right. Every message of the list was read once.

use std::fmt::Write as _;

use racegate_scenario::{Source, parse};

const BASE: &str = r#"name = "near"
description = "A base to be got wrong"
seed = 42
engine = "sim"
[required_fields]
all = ["legal_hold_flag", "media_type"]
[workload]
executor = "stepped-arrival-rate"
arrivals = "poisson"
warmup = "2s"
stages = [{ name = "spike", duration = "15s", rate = "80/s" }]
call_duration = { lognormal = { median = "5s", p99 = "15s" } }
media = { webrtc = 0.8, sip = 0.2 }
legal_hold = { fraction = 0.5, set_at = "call-end" }
[platform.media]
lag = "200ms"
[[platform.metadata.stage]]
name = "inject"
workers = 6
service = { exponential = { mean = "150ms" } }
[platform.index]
refresh = "1s"
[platform.api]
rate_limit = "15000/min"
[[gate]]
name = "ungated"
strategy = "none"
[[gate]]
name = "jitter"
strategy = "exponential-backoff"
initial_delay = "1s"
base = "1s"
multiplier = 2.0
cap = "10s"
max_attempts = 30
deadline = "60s"
jitter = "full"
ready = ["required-fields"]
[[arm]]
name = "workers"
set = { "platform.metadata.stage.inject.workers" = 64 }
[expect]
"incomplete_rate{gate=ungated,phase=spike}" = "> 40%"
[limits]
drain = "120s"
"#;

/// What is replaced in [`BASE`], and by what.
const MISSES: [(&str, &str); 116] = [
    // Durations.
    ("warmup = \"2s\"", "warmup = 2"),
    ("warmup = \"2s\"", "warmup = 2s"),
    ("warmup = \"2s\"", "warmup = \"2\""),
    ("warmup = \"2s\"", "warmup = \"\""),
    ("warmup = \"2s\"", "warmup = \"2S\""),
    ("warmup = \"2s\"", "warmup = \"2sx\""),
    ("warmup = \"2s\"", "warmup = \"1,5s\""),
    ("warmup = \"2s\"", "warmup = \"1m, 30s\""),
    ("warmup = \"2s\"", "warmup = \"30s 1m\""),
    ("warmup = \"2s\"", "warmup = \"1m 30\""),
    ("warmup = \"2s\"", "warmup = \"1:30\""),
    ("warmup = \"2s\"", "warmup = \"PT1M30S\""),
    ("warmup = \"2s\"", "warmup = \"-2s\""),
    ("warmup = \"2s\"", "warmup = \"a minute\""),
    ("warmup = \"2s\"", "warmup = \"31 days\""),
    ("warmup = \"2s\"", "warmup = \"2 weeks\""),
    ("warmup = \"2s\"", "warmup = 00:01:30"),
    ("warmup = \"2s\"", "warmup = { seconds = 2 }"),
    ("warmup = \"2s\"", "warmup = true"),
    ("duration = \"15s\"", "duration = \"0s\""),
    ("duration = \"15s\"", "duration = \"1e9s\""),
    // Rates.
    ("rate = \"80/s\"", "rate = 80"),
    ("rate = \"80/s\"", "rate = \"80\""),
    ("rate = \"80/s\"", "rate = \"80/\""),
    ("rate = \"80/s\"", "rate = \"80 per second\""),
    ("rate = \"80/s\"", "rate = \"80rps\""),
    ("rate = \"80/s\"", "rate = \"80 Hz\""),
    ("rate = \"80/s\"", "rate = \"80/S\""),
    ("rate = \"80/s\"", "rate = \"80/0s\""),
    ("rate = \"80/s\"", "rate = \"-80/s\""),
    ("rate = \"80/s\"", "rate = \"1e9/s\""),
    ("rate = \"80/s\"", "rate = \"8e-20/s\""),
    ("rate = \"80/s\"", "rate = \"80,5/s\""),
    ("rate = \"80/s\"", "rate = \"0/s\""),
    ("rate_limit = \"15000/min\"", "rate_limit = 15000"),
    ("rate_limit = \"15000/min\"", "rate_limit = \"0/min\""),
    // Shares.
    ("webrtc = 0.8, sip = 0.2", "webrtc = 80, sip = 20"),
    ("webrtc = 0.8, sip = 0.2", "webrtc = \"80\", sip = \"20\""),
    ("webrtc = 0.8, sip = 0.2", "webrtc = 0.8"),
    (
        "webrtc = 0.8, sip = 0.2",
        "webrtc = \"80 %\", sip = \"0,2 %\"",
    ),
    ("webrtc = 0.8, sip = 0.2", "webRTC = 0.8, SIP = 0.2"),
    ("media = { webrtc = 0.8, sip = 0.2 }", "media = \"webrtc\""),
    ("fraction = 0.5", "fraction = 1.5"),
    ("fraction = 0.5", "fraction = \"half\""),
    ("fraction = 0.5", "fraction = nan"),
    ("fraction = 0.5", "fraction = .5"),
    // Numbers.
    ("workers = 6", "workers = \"6\""),
    ("workers = 6", "workers = 6.0"),
    ("workers = 6", "workers = 0"),
    ("workers = 6", "workers = -6"),
    ("workers = 6", "workers = six"),
    ("workers = 6", "worker = 6"),
    ("seed = 42", "seed = -1"),
    ("seed = 42", "seed = 1.5"),
    ("seed = 42", "seed = \"random\""),
    ("multiplier = 2.0", "multiplier = \"2x\""),
    ("multiplier = 2.0", "multiplier = 0.5"),
    ("max_attempts = 30", "max_attempts = 0"),
    ("max_attempts = 30", "max-attempts = 30"),
    // Words.
    ("engine = \"sim\"", "engine = \"simulation\""),
    ("engine = \"sim\"", "engine = sim"),
    ("engine = \"sim\"", "engine = \"Live\""),
    (
        "executor = \"stepped-arrival-rate\"",
        "executor = \"stepped\"",
    ),
    (
        "executor = \"stepped-arrival-rate\"",
        "executor = \"stepped_arrival_rate\"",
    ),
    (
        "executor = \"stepped-arrival-rate\"",
        "executor = \"shared-iterations\"",
    ),
    ("executor = \"stepped-arrival-rate\"\n", ""),
    (
        "executor = \"stepped-arrival-rate\"",
        "executor = \"constant-arrival-rate\"",
    ),
    (
        "executor = \"stepped-arrival-rate\"",
        "executor = \"ramping-arrival-rate\"",
    ),
    ("arrivals = \"poisson\"", "arrivals = \"Poisson\""),
    ("arrivals = \"poisson\"", "arrivals = \"uniform\""),
    ("jitter = \"full\"", "jitter = true"),
    ("jitter = \"full\"", "jitter = \"ful\""),
    (
        "strategy = \"exponential-backoff\"",
        "strategy = \"exponential\"",
    ),
    (
        "strategy = \"exponential-backoff\"",
        "strategy = \"exponential_backoff\"",
    ),
    (
        "strategy = \"exponential-backoff\"",
        "strategy = \"fixed-delay\"",
    ),
    ("strategy = \"none\"", "strategy = \"None\""),
    ("strategy = \"none\"", "strategy = none"),
    ("set_at = \"call-end\"", "set_at = \"end\""),
    (
        "ready = [\"required-fields\"]",
        "ready = \"required-fields\"",
    ),
    (
        "ready = [\"required-fields\"]",
        "ready = [\"required_fields\"]",
    ),
    ("\"legal_hold_flag\"", "\"legalHoldFlag\""),
    // Distributions.
    ("lag = \"200ms\"", "lag = 200"),
    ("lag = \"200ms\"", "lag = { mean = \"200ms\" }"),
    (
        "lag = \"200ms\"",
        "lag = { normal = { mean = \"200ms\", sd = \"20ms\" } }",
    ),
    ("lag = \"200ms\"", "lag = { exponential = \"200ms\" }"),
    (
        "lag = \"200ms\"",
        "lag = { exponential = { mean = \"0s\" } }",
    ),
    (
        "lag = \"200ms\"",
        "lag = { uniform = { min = \"2s\", max = \"1s\" } }",
    ),
    (
        "lag = \"200ms\"",
        "lag = { lognormal = { median = \"1s\", p95 = \"2s\" } }",
    ),
    (
        "lag = \"200ms\"",
        "lag = { lognormal = { median = \"2s\", p99 = \"1s\" } }",
    ),
    (
        "lag = \"200ms\"",
        "lag = { pareto = { alpha = 1.5, scale = \"1s\" } }",
    ),
    (
        "lag = \"200ms\"",
        "lag = { empirical = { file = \"lag.csv\" } }",
    ),
    ("lag = \"200ms\"", "lag = { empirical = [\"1s\", \"2s\"] }"),
    (
        "lag = \"200ms\"",
        "lag = { uniform = { min = \"1s\", max = \"2s\" }, weight = 0.5 }",
    ),
    // Names, tables, arms.
    ("name = \"near\"", "name = \"near miss\""),
    ("name = \"near\"", "name = near"),
    ("name = \"near\"", "title = \"near\""),
    ("name = \"jitter\"", "name = \"ungated\""),
    ("name = \"spike\"", "name = \"\""),
    ("[[gate]]\nname = \"ungated\"", "[gate]\nname = \"ungated\""),
    ("[[platform.metadata.stage]]", "[platform.metadata.stage]"),
    ("[platform.index]", "[index]"),
    ("[platform.index]", "[platform.idx]"),
    ("[workload]", "[load]"),
    ("[workload]", "[workload"),
    ("name = \"workers\"", "name = \"base\""),
    (
        "\"platform.metadata.stage.inject.workers\" = 64",
        "platform.metadata.stage.inject.workers = 64",
    ),
    ("stage.inject.workers", "stage.injekt.workers"),
    (
        "stage.inject.workers\" = 64",
        "stage.inject.workers\" = \"64\"",
    ),
    (
        "\"platform.metadata.stage.inject.workers\" = 64",
        "\"workload.warmup\" = \"9s\"",
    ),
    // Expectations.
    ("= \"> 40%\"", "= 0.4"),
    ("= \"> 40%\"", "= \"40%\""),
    ("= \"> 40%\"", "= \"more than 40%\""),
    ("= \"> 40%\"", "= \"=> 40%\""),
    ("phase=spike", "phase=spikes"),
    ("{gate=ungated,phase=spike}", "{phase=spike}"),
    ("incomplete_rate{", "incomplete{"),
];

/// What is nearly the usual and taken.
const TAKEN: [(&str, &str); 24] = [
    ("warmup = \"2s\"", "warmup = \"1m 30s\""),
    ("warmup = \"2s\"", "warmup = \"90 s\""),
    ("warmup = \"2s\"", "warmup = \"90 seconds\""),
    ("warmup = \"2s\"", "warmup = \" 1 min 30 sec \""),
    ("warmup = \"2s\"", "warmup = \"2 hours\""),
    ("warmup = \"2s\"", "warmup = \".5s\""),
    ("warmup = \"2s\"", "warmup = \"1_500ms\""),
    ("warmup = \"2s\"", "warmup = \"5\u{3bc}s\""),
    ("warmup = \"2s\"", "warmup = \"1e3ms\""),
    ("warmup = \"2s\"", "warmup = \"0s\""),
    ("rate = \"80/s\"", "rate = \"80 / s\""),
    ("rate = \"80/s\"", "rate = \"80/sec\""),
    ("rate = \"80/s\"", "rate = \"80/second\""),
    ("rate = \"80/s\"", "rate = \"4800/minute\""),
    ("rate = \"80/s\"", "rate = \"800/10s\""),
    ("rate = \"80/s\"", "rate = \"8e1/s\""),
    (
        "rate = \"80/s\" }",
        "rate = \"80/s\" }, { name = \"silence\", duration = \"9s\", rate = \"0/s\" }",
    ),
    (
        "webrtc = 0.8, sip = 0.2",
        "webrtc = \"80 %\", sip = \"20%\"",
    ),
    ("webrtc = 0.8, sip = 0.2", "webrtc = 1"),
    ("fraction = 0.5", "fraction = \"5e1%\""),
    ("fraction = 0.5", "fraction = 1"),
    ("call_duration = {", "call_duration={"),
    ("name = \"near\"\n", "name = \"near\"\r\n"),
    ("lag = \"200ms\"", "lag = \"200 ms\""),
];

fn changed(from: &str, to: &str) -> Source {
    assert!(BASE.contains(from), "{from}");
    Source::new("near.toml", BASE.replacen(from, to, 1))
}

#[test]
fn near_misses_are_told_so_that_the_next_try_is_right() {
    let mut told = String::new();
    for (from, to) in MISSES {
        let source = changed(from, to);
        let mistakes = parse(&source, &[]).expect_err(to);
        writeln!(told, "{to:?}").expect("a string takes any write");
        for mistake in mistakes.iter() {
            let (line, column) = mistakes.line_column(mistake.span);
            let help = mistake.help.as_deref().unwrap_or("-");
            let note = mistake
                .note
                .as_ref()
                .map_or(String::new(), |note| format!(" ({note})"));
            writeln!(told, "  {line}:{column} {}{note}", mistake.message).expect("as above");
            writeln!(told, "       {help}").expect("as above");
        }
    }
    insta::assert_snapshot!("near-misses", told);
}

#[test]
fn what_people_write_in_place_of_the_usual_is_taken() {
    for (from, to) in TAKEN {
        if let Err(mistakes) = parse(&changed(from, to), &[]) {
            panic!("{to}: {mistakes}");
        }
    }
}

#[test]
fn a_jump_and_silence_are_stages_of_a_ramp() {
    let stages = "start_rate = \"0/s\"\nstages = [{ name = \"jump\", duration = \"0s\", rate = \"80/s\" }, \
                  { name = \"hold\", duration = \"9s\", rate = \"80/s\" }, \
                  { name = \"fall\", duration = \"0s\", rate = \"0/s\" }, \
                  { name = \"silence\", duration = \"9s\", rate = \"0/s\" }, \
                  { name = \"spike\", duration = \"15s\", rate = \"80/s\" }]";
    let text = BASE
        .replace(
            "stages = [{ name = \"spike\", duration = \"15s\", rate = \"80/s\" }]",
            stages,
        )
        .replace("stepped-arrival-rate", "ramping-arrival-rate");
    let scenario = parse(&Source::new("near.toml", text), &[]).expect("it is right");
    let calls: Vec<f64> = racegate_model::workload::Calls::new(&scenario.workload, scenario.seed)
        .map(|call| call.arrival.as_nanos() as f64 / 1e9)
        .collect();
    let between = |from: f64, to: f64| calls.iter().filter(|at| (from..to).contains(*at)).count();
    // Warm-up is at the first stage's rate, which is zero.
    assert_eq!(between(0.0, 2.0), 0);
    let held = between(2.0, 11.0);
    assert!((600..840).contains(&held), "80/s for 9 s: {held}");
    assert_eq!(between(11.0, 20.0), 0);
    assert!(between(20.0, 35.0) > 500, "up to 80/s again");
    // A step cannot be of no length, and silence alone is no workload.
    let only = BASE.replace("rate = \"80/s\"", "rate = \"0/s\"");
    let mistakes = parse(&Source::new("near.toml", only), &[]).expect_err("nothing arrives");
    assert!(
        mistakes.to_string().contains("no call would ever arrive"),
        "{mistakes}"
    );
}
