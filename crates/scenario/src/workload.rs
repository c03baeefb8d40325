//! `[workload]`: what makes the sessions.

use racegate_model::field::{Kind, PerKind};
use racegate_model::scenario::{
    Arrivals, Executor, Fidelity, FidelityMix, HoldSetAt, HoldWorkload, LiveSessions, Silence,
    Stage, StageShape, WebrtcStack, Workload,
};
use racegate_model::time::{Duration, Probability, Rate};

use crate::diagnostics::Diagnostic;
use crate::distribution;
use crate::reader::{Field, Table, unique};
use crate::units::DURATION_MAX;

/// Stages of a workload.
const STAGES_MAX: usize = 10_000;
/// Virtual users.
const VUS_MAX: u32 = 1_000_000;
/// Distance from 1 that the shares of kinds may have: rounding, not an oversight.
const SHARES_TOLERANCE: f64 = 1e-6;
/// The name of the only phase of `constant-arrival-rate` and `constant-vus`, which have no table
/// to name it.
pub(crate) const ONLY_STAGE: &str = "steady";

/// In the order in which they are best told to people.
const FIDELITIES: [(&str, Fidelity); 5] = [
    ("media", Fidelity::Media),
    ("wire", Fidelity::Wire),
    ("transport", Fidelity::Transport),
    ("signalling", Fidelity::Signalling),
    ("model", Fidelity::Model),
];

const CONNECTIONS: [(&str, Probability); 2] = [
    ("per-call", Probability::ZERO),
    ("persistent", Probability::ONE),
];

const STACKS: [(&str, WebrtcStack); 2] =
    [("dense", WebrtcStack::Dense), ("str0m", WebrtcStack::Str0m)];

const EXECUTORS: [(&str, Form); 4] = [
    ("constant-arrival-rate", Form::Constant),
    ("stepped-arrival-rate", Form::Stepped),
    ("ramping-arrival-rate", Form::Ramping),
    ("constant-vus", Form::Vus),
];

/// Every key of any executor.
const EXECUTOR_KEYS: [&str; 6] = ["rate", "duration", "stages", "start_rate", "vus", "pause"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Constant,
    Stepped,
    Ramping,
    Vus,
}

/// Reads `[workload]`.
pub(crate) fn read(mut table: Table<'_>) -> Workload {
    let form = table.need("executor", "\"stepped-arrival-rate\"");
    let form = form.and_then(|field| field.choice(&EXECUTORS));
    let executor = match form.or_else(|| likely_form(&mut table)) {
        Some(form) => executor(form, &mut table),
        None => Executor::ArrivalRate(Vec::new()),
    };
    if form.is_none() {
        // Any executor's keys may be meant.
        for key in EXECUTOR_KEYS {
            table.get(key);
        }
    }
    let (mut arrivals, mut warmup) = (Arrivals::Poisson, Duration::ZERO);
    if form != Some(Form::Vus) {
        arrivals = table.or("arrivals", arrivals, |field| {
            field.choice(&[
                ("poisson", Arrivals::Poisson),
                ("regular", Arrivals::Regular),
            ])
        });
    }
    warmup = table.or("warmup", warmup, Field::duration);
    let example = "{ lognormal = { median = \"5s\", p99 = \"15s\" } }";
    let call_duration = table.need("call_duration", example);
    let call_duration = call_duration.and_then(|field| distribution::read(&field));
    let workload = Workload {
        executor,
        arrivals,
        warmup,
        call_duration: call_duration.unwrap_or_else(crate::platform::at_once),
        webrtc_share: table.or("media", Probability::ONE, webrtc_share),
        hold: hold(table.table("legal_hold")),
        fidelity: fidelity(table.table("fidelity")),
        live: live(&mut table),
        faults: Vec::new(),
    };
    table.finish();
    workload
}

/// The executor that the keys at hand belong to: where its name is wrong, the mistakes in them are
/// found all the same, and expectations know the stages.
fn likely_form(table: &mut Table<'_>) -> Option<Form> {
    let forms = [
        ("start_rate", Form::Ramping),
        ("stages", Form::Stepped),
        ("vus", Form::Vus),
        ("rate", Form::Constant),
    ];
    let mut given = forms.into_iter();
    given.find_map(|(key, form)| table.get(key).map(|_| form))
}

fn executor(form: Form, table: &mut Table<'_>) -> Executor {
    let zero = Rate::from_nanohertz(0);
    match form {
        Form::Constant => {
            let rate = table
                .need("rate", "\"10/s\"")
                .and_then(|field| field.rate());
            let shape = StageShape::Constant(rate.unwrap_or(zero));
            let name = ONLY_STAGE.to_owned();
            Executor::ArrivalRate(vec![Stage {
                name,
                duration: lasting(table),
                shape,
            }])
        }
        Form::Stepped => stages(table, lasting, |stage| {
            let rate = stage.need("rate", "\"10/s\"");
            let rate = rate.and_then(|field| field.rate_or_zero());
            StageShape::Constant(rate.unwrap_or(zero))
        }),
        Form::Ramping => {
            let start = table.need("start_rate", "\"10/s\"");
            let mut before = start.and_then(|field| field.rate_or_zero()).unwrap_or(zero);
            // A ramp of no length is a jump.
            stages(table, lasting_or_not, |stage| {
                let rate = stage.need("rate", "\"10/s\"");
                let reached = rate.and_then(|field| field.rate_or_zero());
                let from = std::mem::replace(&mut before, reached.unwrap_or(zero));
                StageShape::Ramp(from, before)
            })
        }
        Form::Vus => Executor::ConstantVus {
            vus: table
                .need("vus", "50")
                .and_then(|field| field.count(1, VUS_MAX))
                .unwrap_or(1),
            duration: lasting(table),
            pause: table.or("pause", Duration::ZERO, Field::duration),
        },
    }
}

fn lasting(table: &mut Table<'_>) -> Duration {
    let field = table.need("duration", "\"1m\"");
    field
        .and_then(|field| field.duration_above_zero())
        .unwrap_or_default()
}

fn lasting_or_not(table: &mut Table<'_>) -> Duration {
    let field = table.need("duration", "\"1m\"");
    field.and_then(|field| field.duration()).unwrap_or_default()
}

fn stages(
    table: &mut Table<'_>,
    length: impl Fn(&mut Table<'_>) -> Duration,
    mut shape: impl FnMut(&mut Table<'_>) -> StageShape,
) -> Executor {
    let example = "[ { name = \"steady\", duration = \"1m\", rate = \"10/s\" } ]";
    let Some(field) = table.need("stages", example) else {
        return Executor::ArrivalRate(Vec::new());
    };
    let (mut stages, mut spans) = (Vec::new(), Vec::new());
    let mistakes_before = field.context.count();
    let mut total = Duration::ZERO;
    for mut stage in table.tables("stages", STAGES_MAX) {
        let name = stage.need("name", "\"spike\"");
        spans.push(name.as_ref().map_or(stage.span, |name| name.node.span));
        let name = name.and_then(|name| name.name()).unwrap_or_default();
        let duration = length(&mut stage);
        let shape = shape(&mut stage);
        total = total.saturating_add(duration);
        stages.push(Stage {
            name,
            duration,
            shape,
        });
        stage.finish();
    }
    if field.node.array().is_some_and(<[_]>::is_empty) {
        field.wrong("is empty", format!("give at least one stage: {example}"));
    }
    if total > DURATION_MAX {
        field.wrong("take more than 30 days together", "shorten them");
    }
    let is_read = field.context.count() == mistakes_before;
    if is_read && !stages.is_empty() && stages.iter().all(Stage::is_silent) {
        let help = "raise a stage's rate above 0/s (stages of zero rate are for silence between)";
        field.context.report_missing(
            Diagnostic::new(field.node.span, "no call would ever arrive").help(help),
        );
    }
    unique(
        field.context,
        "stage",
        stages.iter().map(|stage| stage.name.as_str()).zip(spans),
    );
    Executor::ArrivalRate(stages)
}

/// `{ webrtc = 0.8, sip = 0.2 }`; what is left out is 0.
fn webrtc_share(field: &Field<'_>) -> Option<Probability> {
    let mut table = field.table();
    let given = Kind::ALL.map(|kind| table.get(kind.name()));
    let shares = given.each_ref().map(|share| match share {
        Some(share) => share.probability(),
        None => Some(Probability::ZERO),
    });
    table.finish();
    let ([Some(webrtc), Some(sip)], crate::document::Value::Table(_)) = (shares, &field.node.value)
    else {
        return None;
    };
    let sum = webrtc.as_f64() + sip.as_f64();
    // Where a name is wrong, the sum says nothing more.
    let entries = field.node.table_entries();
    let are_known = entries
        .iter()
        .all(|entry| Kind::ALL.iter().any(|kind| kind.name() == entry.key));
    if are_known && (sum - 1.0).abs() > SHARES_TOLERANCE {
        let message = format!("`{}` sums to {:.4}", field.path, sum);
        let help = "the shares of webrtc and sip must sum to 1";
        field
            .context
            .report(Diagnostic::new(field.node.span, message).help(help));
    }
    Some(webrtc)
}

fn hold(mut table: Table<'_>) -> HoldWorkload {
    let hold = HoldWorkload {
        fraction: table.or("fraction", Probability::ZERO, Field::probability),
        set_at: table.or("set_at", HoldSetAt::CallEnd, |field| {
            field.choice(&[
                ("call-start", HoldSetAt::CallStart),
                ("call-end", HoldSetAt::CallEnd),
            ])
        }),
    };
    table.finish();
    hold
}

fn fidelity(mut table: Table<'_>) -> PerKind<FidelityMix> {
    let media = FidelityMix::only(Fidelity::Media);
    let webrtc = table.or("webrtc", media, |field| match field.node.text() {
        Some(_) => field.choice(&FIDELITIES).map(FidelityMix::only),
        None => fidelity_mix(field),
    });
    let sip = table.or("sip", Fidelity::Model, |field| {
        field.choice(&[("model", Fidelity::Model)])
    });
    table.finish();
    PerKind {
        webrtc,
        sip: FidelityMix::only(sip),
    }
}

/// How real sessions are made.
fn live(table: &mut Table<'_>) -> LiveSessions {
    let default = LiveSessions::default();
    let persistent = table.or("connection", default.persistent, |field| {
        match field.node.text() {
            Some(_) => field.choice(&CONNECTIONS),
            None => persistent_share(field),
        }
    });
    let both = (default.softphone_stack, default.ingest_stack);
    let (softphone_stack, ingest_stack) =
        table.or("stack", both, |field| match field.node.text() {
            Some(_) => field.choice(&STACKS).map(|stack| (stack, stack)),
            None => stacks(field, both),
        });
    LiveSessions {
        persistent,
        softphone_stack,
        ingest_stack,
        silence: table.or("silence", default.silence, |field| {
            field.choice(&[("dtx", Silence::Dtx), ("sent", Silence::Sent)])
        }),
    }
}

/// `{ persistent = 0.3 }`; the others have a connection of their own.
fn persistent_share(field: &Field<'_>) -> Option<Probability> {
    let mut table = field.table();
    let share = table.need("persistent", "0.3");
    let share = share.and_then(|share| share.probability());
    table.finish();
    share
}

/// `{ softphones = "dense", ingest = "str0m" }`; what is left out is as ever.
fn stacks(
    field: &Field<'_>,
    (softphones, ingest): (WebrtcStack, WebrtcStack),
) -> Option<(WebrtcStack, WebrtcStack)> {
    let mut table = field.table();
    let choice = |field: &Field<'_>| field.choice(&STACKS);
    let stacks = (
        table.or("softphones", softphones, choice),
        table.or("ingest", ingest, choice),
    );
    table.finish();
    matches!(field.node.value, crate::document::Value::Table(_)).then_some(stacks)
}

/// `{ media = 0.2, transport = 0.8 }`; what is left out is 0.
fn fidelity_mix(field: &Field<'_>) -> Option<FidelityMix> {
    let mut table = field.table();
    let given = Fidelity::ALL.map(|fidelity| table.get(fidelity.name()));
    let shares = given.each_ref().map(|share| match share {
        Some(share) => share.probability(),
        None => Some(Probability::ZERO),
    });
    table.finish();
    if !matches!(field.node.value, crate::document::Value::Table(_)) {
        return None;
    }
    let shares: Option<Vec<Probability>> = shares.into_iter().collect();
    let shares: [Probability; Fidelity::ALL.len()] = shares?.try_into().ok()?;
    let mix = FidelityMix::new(shares);
    if mix.is_none() {
        let sum: f64 = shares.iter().map(|share| share.as_f64()).sum();
        field.wrong(
            format!("sums to {sum:.4}"),
            "the shares of the fidelities must sum to 1",
        );
    }
    mix
}
