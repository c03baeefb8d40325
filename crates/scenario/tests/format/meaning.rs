//! What scenarios mean: the model that a text becomes.

use racegate_model::distribution::Distribution;
use racegate_model::draws::Seed;
use racegate_model::field::{Field, FieldGroup, FieldSet, Kind};
use racegate_model::gate::{
    Backoff, ExponentialBackoff, FixedDelay, ForumBackoff, Readiness, Watermark, Webhook,
};
use racegate_model::outcome::{Cause, OutcomeKind};
use racegate_model::scenario::{
    Aggregate, Comparison, Connection, Correlation, Engine, Executor, ExportRequest, Filters,
    ForumCheck, GateSpec, GroupSource, HoldLevel, IntakeSpec, Jitter, Limits, LiveSessions,
    MediaTypeFilter, Metric, OnFailure, Permission, Polling, RateLimit, ReadCost, Scenario,
    SelectionSpec, SidecarSource, Silence, Slots, StageShape, StateSpec, Strategy, Sweep,
    WebhookEvent, WebrtcStack,
};
use racegate_model::time::{Duration, Fixed, Probability, Rate};
use racegate_model::timeline::Region;
use racegate_model::workload::Calls;
use racegate_scenario::{Override, Source, parse, parse_with_files};

use crate::files;

const MINIMAL: &str = r#"
name = "minimal"
[workload]
executor = "constant-arrival-rate"
rate = "10/s"
duration = "1m"
call_duration = "5s"
[[gate]]
name = "backoff"
strategy = "exponential-backoff"
"#;

fn good(name: &str) -> Scenario {
    let found = files::good().into_iter().find(|(other, _)| other == name);
    read(&found.expect("it exists").1.text)
}

fn read(text: &str) -> Scenario {
    match parse(&Source::new("test.toml", text), &[]) {
        Ok(scenario) => scenario,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

fn gate<'s>(scenario: &'s Scenario, name: &str) -> &'s GateSpec {
    scenario.arms[0]
        .gates
        .iter()
        .find(|gate| gate.name == name)
        .expect("it exists")
}

fn seconds(count: u64) -> Distribution {
    Distribution::constant(Duration::from_secs(count))
}

#[test]
fn the_main_scenario_is_as_designed() {
    let scenario = good("webrtc-spike");
    assert_eq!((scenario.seed, scenario.engine), (Seed(42), Engine::Live));
    let names: Vec<&str> = scenario.arms[0]
        .gates
        .iter()
        .map(|gate| gate.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "ungated",
            "fixed-5s",
            "forum",
            "full-jitter",
            "webhook",
            "odds-index"
        ]
    );
    let Executor::ArrivalRate(stages) = &scenario.workload.executor else {
        panic!("open model")
    };
    let shapes: Vec<_> = stages
        .iter()
        .map(|stage| (stage.name.as_str(), stage.shape))
        .collect();
    let steady = StageShape::Constant(Rate::per_second(10));
    let spike = StageShape::Constant(Rate::per_second(80));
    let expected = [
        ("before", steady),
        ("spike", spike),
        ("drain", steady),
        ("after", steady),
    ];
    assert_eq!(shapes, expected);
    let workers = |arm: usize| scenario.arms[arm].platform.pipelines[0].stages[0].workers;
    assert_eq!(scenario.arms.len(), 2);
    assert_eq!((scenario.arms[0].name.as_str(), workers(0)), ("base", 6));
    assert_eq!(
        (scenario.arms[1].name.as_str(), workers(1)),
        ("enough-workers", 64)
    );
    assert_eq!(scenario.arms[1].gates, scenario.arms[0].gates);
    assert_eq!(
        scenario.arms[0]
            .platform
            .api
            .rate_limit
            .map(|limit| limit.calls),
        Some(15_000)
    );
    assert_eq!(scenario.limits, Limits::default());
    assert_eq!(scenario.expect.len(), 8);
    let spiked = &scenario.expect[1];
    assert_eq!(
        spiked.expression,
        "incomplete_rate{gate=ungated,phase=spike} > 40%"
    );
    assert_eq!(
        spiked.series.metric,
        Metric::OutcomeRate(OutcomeKind::Incomplete)
    );
    assert_eq!(spiked.series.labels.phase.as_deref(), Some("spike"));
    assert_eq!(spiked.conditions[0].comparison, Comparison::Greater);
    assert!((spiked.conditions[0].bound - 0.4).abs() < 1e-12);
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let scenario = read(MINIMAL);
    let arm = &scenario.arms[0];
    let all = [
        Field::LegalHoldFlag,
        Field::MediaType,
        Field::StartTime,
        Field::EndTime,
    ];
    assert_eq!(arm.required.of(Kind::Sip), all.into_iter().collect());
    assert_eq!(arm.required.of(Kind::Webrtc), FieldSet::METADATA);
    let window = Duration::from_secs(60);
    assert_eq!(
        arm.platform.api.rate_limit,
        Some(RateLimit { calls: 300, window })
    );
    assert_eq!(arm.platform.export.slots, Slots::Limited(2));
    assert_eq!(arm.platform.hold.sweep, Sweep::Never);
    assert!(arm.platform.pipelines.len() == 1 && arm.platform.pipelines[0].stages.is_empty());
    assert_eq!(scenario.workload.webrtc_share, Probability::ONE);
    let backoff = Strategy::ExponentialBackoff(ExponentialBackoff {
        backoff: Backoff {
            base: Duration::from_secs(1),
            multiplier: Fixed::new(2.0).unwrap(),
            cap: Duration::from_secs(30),
            jitter: Jitter::Full,
        },
        polling: Polling {
            initial_delay: Duration::from_secs(1),
            max_attempts: None,
            deadline: Some(Duration::from_secs(300)),
            ready: Readiness::required_fields(),
            positives: 1,
            settle: Duration::ZERO,
            max_calls: None,
            retry_jitter: Duration::ZERO,
        },
    });
    assert_eq!(gate(&scenario, "backoff").strategy, backoff);
}

#[test]
fn kinds_share_a_pipeline_unless_one_has_stages_of_its_own() {
    let shared = &good("webrtc-spike").arms[0].platform;
    assert_eq!(
        (shared.kinds.webrtc.pipeline, shared.kinds.sip.pipeline),
        (0, 0)
    );
    let one = &good("everything").arms[0].platform;
    let stages = |kind: Kind| one.pipelines[one.kinds.get(kind).pipeline].stages.len();
    assert_eq!(
        (one.pipelines.len(), stages(Kind::Webrtc), stages(Kind::Sip)),
        (3, 1, 2)
    );
    let region = one.region.as_ref().expect("a second region");
    assert_eq!(region.pipeline, Some(2));
    let of_second = one.pipeline_of(Kind::Sip, Region::Second);
    assert_eq!(one.pipelines[of_second].stages[0].name, "far");
    let both = &good("constant-arrival-rate").arms[0].platform;
    let first = |kind: Kind| &both.pipelines[both.kinds.get(kind).pipeline].stages[0].name;
    assert_eq!(
        (both.pipelines.len(), first(Kind::Webrtc).as_str()),
        (2, "browser")
    );
    assert_eq!(first(Kind::Sip), "telephone");
}

#[test]
fn what_a_kind_does_not_say_is_as_for_all_kinds() {
    let platform = &good("everything").arms[0].platform;
    let (webrtc, sip) = (&platform.kinds.webrtc, &platform.kinds.sip);
    assert_eq!(sip.media_lag, seconds(3));
    assert_ne!(webrtc.media_lag, sip.media_lag);
    assert_eq!(webrtc.null_phase, sip.null_phase);
    assert_eq!(webrtc.groups, sip.groups);
    assert_eq!(
        sip.groups[FieldGroup::Hold.index()].source,
        GroupSource::Ingress
    );
    assert!(matches!(webrtc.state, StateSpec::AfterSession(_)));
    assert!(matches!(
        sip.state,
        StateSpec::AfterFields(Distribution::Empirical(_))
    ));
    assert_eq!(
        platform.pipelines[0].stages[0].writes,
        [FieldGroup::Identity]
    );
}

#[test]
fn a_restore_from_the_archive_takes_what_is_said_or_half_a_second() {
    let restore = |name| good(name).arms[0].platform.archive.restore.clone();
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let said = Distribution::uniform(hours(3), hours(12)).unwrap();
    assert_eq!(restore("everything"), said);
    let half = Distribution::constant(Duration::from_millis(500));
    assert_eq!(restore("constant-vus"), half);
}

#[test]
fn ramps_go_from_the_rate_reached_before() {
    let Executor::ArrivalRate(stages) = good("everything").workload.executor else {
        panic!("open model");
    };
    let shapes: Vec<StageShape> = stages.iter().map(|stage| stage.shape).collect();
    let (none, high, low) = (
        Rate::per_second(0),
        Rate::per_second(50),
        Rate::per_second(5),
    );
    assert_eq!(
        shapes,
        [StageShape::Ramp(none, high), StageShape::Ramp(high, low)]
    );
}

#[test]
fn strategies_have_their_own_keys() {
    let scenario = good("everything");
    let strategy = |name: &str| &gate(&scenario, name).strategy;
    let (on_failure, check) = (OnFailure::ExportAnyway, ForumCheck::StateOnly);
    assert_eq!(
        *strategy("forum"),
        Strategy::ForumBackoff(ForumBackoff {
            attempts: 7,
            on_failure,
            check
        })
    );
    let (event, delay) = (WebhookEvent::MetadataReady, Duration::from_secs(1));
    let patience = Some(Duration::from_secs(120));
    let webhook = Strategy::Webhook(Webhook {
        event,
        delay,
        patience,
    });
    assert_eq!(*strategy("webhook"), webhook);
    let watermark = Strategy::Watermark(Watermark {
        interval: Duration::from_secs(20),
        deadline: None,
    });
    assert_eq!(*strategy("past-the-watermark"), watermark);
    let Strategy::FixedInterval(interval) = strategy("interval") else {
        panic!("an interval")
    };
    let two = Duration::from_secs(2);
    assert_eq!(interval.interval, two);
    let polling = &interval.polling;
    assert_eq!((polling.max_attempts, polling.deadline), (Some(5), None));
    assert!(!polling.ready.required_fields.needed() && polling.ready.state_completed.needed());
    assert_eq!(polling.ready.fields, FieldSet::EMPTY.with(Field::ClientIp));
    assert_eq!(*strategy("repair"), Strategy::NONE);
    let delay = Duration::from_secs(2);
    assert_eq!(*strategy("repair-delayed"), FixedDelay { delay }.into());
    let exports = |name: &str| {
        gate(&scenario, name)
            .repair
            .map(|repair| repair.max_exports)
    };
    assert_eq!(
        (exports("repair"), exports("fixed"), exports("ungated")),
        (Some(3), Some(2), None)
    );
}

#[test]
fn arms_differ_in_what_they_set_and_select_gates() {
    let scenario = good("everything");
    let (base, arm) = (&scenario.arms[0], &scenario.arms[1]);
    let names: Vec<&str> = arm.gates.iter().map(|gate| gate.name.as_str()).collect();
    assert_eq!(
        (arm.name.as_str(), names),
        ("more-workers", vec!["ungated", "forum"])
    );
    assert_eq!(arm.platform.export.slots, Slots::Unlimited);
    assert_eq!(arm.platform.api.rate_limit, None);
    assert_eq!(arm.platform.kinds.webrtc.media_lag, seconds(0));
    assert_eq!(
        arm.platform.kinds.sip.media_lag,
        base.platform.kinds.sip.media_lag
    );
    assert!(matches!(
        arm.gates[1].strategy,
        Strategy::ForumBackoff(ForumBackoff { attempts: 3, .. })
    ));
    assert_eq!(arm.required, base.required);
}

#[test]
fn rates_per_minute_are_exact_in_windows() {
    let limit = |name: &str| {
        good(name).arms[0]
            .platform
            .api
            .rate_limit
            .map(|limit| limit.calls)
    };
    assert_eq!(limit("everything"), Some(100));
    for calls in 1..2_000 {
        let text = format!("{MINIMAL}[platform.api]\nrate_limit = \"{calls}/min\"\n");
        let limit = read(&text).arms[0].platform.api.rate_limit;
        assert_eq!(limit.map(|limit| limit.calls), Some(calls));
    }
}

#[test]
fn expectations_know_units_labels_and_differences() {
    let scenario = good("everything");
    let find = |start: &str| {
        let mut all = scenario.expect.iter();
        all.find(|expectation| expectation.expression.starts_with(start))
            .expect("it exists")
    };
    let two = find("incomplete_rate{gate=ungated,phase=up}");
    let bounds: Vec<_> = two
        .conditions
        .iter()
        .map(|c| (c.comparison, c.bound))
        .collect();
    assert_eq!(
        bounds,
        [(Comparison::Greater, 0.01), (Comparison::Less, 0.9)]
    );
    let difference = find("incomplete_rate{gate=ungated,arm=more-workers}");
    assert_eq!(
        difference.series.labels.arm.as_deref(),
        Some("more-workers")
    );
    assert_eq!(
        difference
            .minus
            .as_ref()
            .map(|series| series.labels.arm.clone()),
        Some(None)
    );
    assert!((difference.conditions[0].bound + 0.01).abs() < 1e-12);
    let delay = find("added_delay_p95");
    assert_eq!(delay.series.metric, Metric::AddedDelay(Aggregate::P95));
    assert!((delay.conditions[0].bound - 90.0).abs() < 1e-9);
    let labels = &find("incomplete_rate{gate=forum,cause").series.labels;
    assert_eq!(
        (labels.cause, labels.kind),
        (Some(Cause::QueueWait), Some(Kind::Webrtc))
    );
}

#[test]
fn overrides_may_change_workload_and_seed() {
    let source = Source::new("test.toml", MINIMAL);
    let overrides = [
        Override::of_flag("--seed", "seed", "18446744073709551615"),
        Override::set("workload.rate=20/s"),
        Override::set("platform.index.refresh=\"5s\""),
        Override::set("gate.backoff.ready=[\"media-available\"]"),
        Override::set("name=other"),
    ];
    let scenario = parse(&source, &overrides).expect("good overrides");
    assert_eq!(
        (scenario.seed, scenario.name.as_str()),
        (Seed(u64::MAX), "other")
    );
    let Executor::ArrivalRate(stages) = &scenario.workload.executor else {
        panic!("open model")
    };
    assert_eq!(stages[0].shape, StageShape::Constant(Rate::per_second(20)));
    assert_eq!(
        scenario.arms[0].platform.index.refresh,
        Duration::from_secs(5)
    );
    let Strategy::ExponentialBackoff(backoff) = &scenario.arms[0].gates[0].strategy else {
        panic!("another strategy");
    };
    let ready = backoff.polling.ready;
    assert!(ready.media_available.needed() && !ready.required_fields.needed());
}

#[test]
fn an_arm_sets_after_the_overrides() {
    let text = format!(
        "{MINIMAL}[[arm]]\nname = \"fast\"\nset = {{ \"platform.index.refresh\" = \"1s\" }}\n"
    );
    let overrides = [
        Override::set("platform.index.refresh=9s"),
        Override::set("platform.index.lag=2s"),
    ];
    let scenario = parse(&Source::new("test.toml", text), &overrides).expect("good");
    let index = |arm: usize| &scenario.arms[arm].platform.index;
    assert_eq!(index(0).refresh, Duration::from_secs(9));
    assert_eq!(index(1).refresh, Duration::from_secs(1));
    assert_eq!((&index(0).lag, &index(1).lag), (&seconds(2), &seconds(2)));
}

#[test]
fn samples_and_quantiles_are_read_from_files() {
    let text =
        format!("{MINIMAL}[platform.index]\nlag = {{ empirical = {{ file = \"lag.csv\" }} }}\n");
    let source = Source::new("test.toml", text);
    let with = |content: &str| {
        let read = |name: &str| match name {
            "lag.csv" => Ok(content.to_owned()),
            _ => Err("no such file".to_owned()),
        };
        let parsed = parse_with_files(&source, &[], &read);
        parsed.map(|scenario| scenario.arms[0].platform.index.lag.clone())
    };
    let times = [1, 2, 2].map(Duration::from_secs);
    let samples = Distribution::empirical(times).expect("samples");
    assert_eq!(with("lag\n1s\n\n# twice\n2s\n2s\n"), Ok(samples));
    let pairs = [(0.0, Duration::ZERO), (0.5, times[0]), (1.0, times[1])];
    let quantiles = Distribution::quantiles(&pairs).expect("quantiles");
    assert_eq!(with("quantile,lag\n0,0s\n0.5,1s\n1,2s\n"), Ok(quantiles));
    for (content, reason) in [
        ("1s\nsoon\n", "line 2"),
        ("1s\n0.5,2s\n", "mixes"),
        ("", "no sample"),
        ("0.5,1s\n", "quantiles run from"),
    ] {
        let mistakes = with(content).unwrap_err().to_string();
        assert!(mistakes.contains(reason), "{mistakes}");
    }
}

#[test]
fn what_a_platform_suffers_from_is_off_unless_it_is_said() {
    let arm = &read(MINIMAL).arms[0];
    assert_eq!(arm.platform.intake, IntakeSpec::default());
    assert_eq!(arm.platform.export.selection, SelectionSpec::default());
    assert_eq!(arm.platform.hold.level, HoldLevel::Interaction);
    assert_eq!(arm.platform.pipelines[0].updates, None);
    assert_eq!(arm.gates[0].request, ExportRequest::default());
}

#[test]
fn what_a_platform_suffers_from_is_read_with_its_units() {
    let scenario = good("everything");
    let (platform, other) = (&scenario.arms[0].platform, &scenario.arms[1].platform);
    let signalling = platform.intake.signalling;
    assert_eq!(signalling.max_connections, Some(500));
    assert_eq!(signalling.accepted_per_second, Some(100));
    assert_eq!(other.intake.signalling.max_connections, None);
    let stage = &platform.pipelines[platform.kinds.sip.pipeline].stages[0];
    let outages: Vec<_> = stage.outages.iter().map(|outage| outage.workers).collect();
    assert_eq!(outages, [0, 1]);
    // 600 a minute are 20 in windows of two seconds; a pipeline of one's own has its own limit.
    for pipeline in &platform.pipelines[..2] {
        let updates = pipeline.updates.expect("limited");
        assert_eq!(updates.limit.calls, 20);
        assert_eq!(updates.backoff.jitter, Jitter::Equal);
    }
    let selection = platform.export.selection;
    assert_eq!(selection.filters, Filters::MatchingNothing);
    assert_eq!(selection.correlation, Correlation::Session);
    assert_eq!(selection.sidecar, SidecarSource::Own);
    assert!(selection.lake.is_some());
    let request = scenario.arms[0].gates[0].request;
    assert_eq!(request.media_type, Some(MediaTypeFilter::Webrtc));
    assert!(request.include.contains(Field::EndTime) && !request.include.contains(Field::ClientIp));
    assert_eq!(request.exporting, Permission::Granted);
}

#[test]
fn reads_cost_something_only_where_the_platform_is_coupled() {
    let scenario = good("everything");
    let (base, coupled) = (&scenario.arms[0], &scenario.arms[1]);
    assert_eq!(base.platform.coupling, None);
    let Some(ReadCost::Service { stage, time }) = &coupled.platform.coupling else {
        panic!("{:?}", coupled.platform.coupling)
    };
    assert_eq!(stage, "inject");
    let mean = Duration::from_millis(20);
    assert_eq!(*time, Distribution::exponential(mean).unwrap());
    assert!(!base.is_coupled() && coupled.is_coupled());
    // The only stage need not be named.
    let stage = "[[platform.metadata.stage]]\nname = \"only\"\nworkers = 1\nservice = \"1s\"\n";
    let api = "[platform.api]\ncoupled = true\nread_cost = \"5ms\"\n";
    let read = read(&format!("{MINIMAL}{stage}{api}"));
    let Some(ReadCost::Service { stage, .. }) = &read.arms[0].platform.coupling else {
        panic!("{:?}", read.arms[0].platform.coupling)
    };
    assert_eq!(stage, "only");
}

#[test]
fn a_gate_has_the_permissions_of_its_scopes_only() {
    let text = MINIMAL.replace("[[gate]]", "[[gate]]\nscopes = [\"recording:view\"]");
    let request = read(&text).arms[0].gates[0].request;
    assert_eq!(request.reading, Permission::Granted);
    assert_eq!(request.exporting, Permission::Missing);
}

#[test]
fn a_pipeline_has_no_more_stages_than_a_timeline_can_hold() {
    let stages = |count: usize| {
        let stage = |at| {
            format!(
                "[[platform.metadata.stage]]\nname = \"s{at}\"\nworkers = 1\nservice = \"1s\"\n"
            )
        };
        (0..count).map(stage).collect::<String>()
    };
    let parsed = |count| {
        parse(
            &Source::new("a.toml", format!("{MINIMAL}{}", stages(count))),
            &[],
        )
    };
    assert!(parsed(6).is_ok());
    let mistakes = parsed(7).unwrap_err().to_string();
    assert!(mistakes.contains("use at most 6"), "{mistakes}");
}

#[test]
fn how_real_sessions_are_made_is_said_for_all_or_for_each_end_and_share() {
    let live = good("everything").workload.live;
    assert!((live.persistent.as_f64() - 0.3).abs() < 1e-9);
    let stacks = (live.softphone_stack, live.ingest_stack);
    assert_eq!(stacks, (WebrtcStack::Str0m, WebrtcStack::Dense));
    assert_eq!(live.silence, Silence::Sent);
    assert_eq!(read(MINIMAL).workload.live, LiveSessions::default());
    let set = |assignment: &str| Override::set(assignment);
    let overrides = [
        set("workload.connection='persistent'"),
        set("workload.stack='str0m'"),
    ];
    let all = parse(&Source::new("test.toml", MINIMAL), &overrides);
    let all = all.expect("both are words of the format").workload.live;
    assert_eq!(all.persistent, Probability::ONE);
    let stacks = (all.softphone_stack, all.ingest_stack);
    assert_eq!(stacks, (WebrtcStack::Str0m, WebrtcStack::Str0m));
    let scenario = good("everything");
    let calls = Calls::new(&scenario.workload, Seed(1)).take(1000);
    let shared = calls
        .filter(|call| scenario.workload.connection_of(Seed(1), call) == Connection::Persistent);
    assert!((250..350).contains(&shared.count()));
}
