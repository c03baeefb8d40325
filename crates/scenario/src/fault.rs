//! `[[fault]]`: what goes wrong with sessions.

use racegate_model::fault::{DenseEnds, Fault, FaultKind, Strike};
use racegate_model::scenario::{
    Executor, FaultShare, FaultSpec, Fidelity, LiveSessions, WebrtcStack, Workload,
};
use racegate_model::time::{Duration, Probability};

use crate::reader::{Field, Table};
use crate::suggest;

/// Faults of a scenario.
const FAULTS_MAX: usize = 256;
/// Sessions of one fault.
const COUNT_MAX: u32 = 10_000_000;

/// Reads all `[[fault]]`s; they act on the sessions of `workload`.
pub(crate) fn read(root: &mut Table<'_>, workload: &Workload) -> Vec<FaultSpec> {
    let tables = root.tables("fault", FAULTS_MAX);
    let read = |table| fault(table, workload);
    tables.into_iter().filter_map(read).collect()
}

/// The names of all faults.
pub(crate) fn names() -> Vec<&'static str> {
    Fault::ALL.iter().map(|kind| kind.name).collect()
}

fn fault(mut table: Table<'_>, workload: &Workload) -> Option<FaultSpec> {
    let name = table.need("name", "\"consent-loss\"");
    let kind = name.as_ref().and_then(known);
    let share = share(&mut table);
    let phase = table.get("phase").and_then(|field| phase(&field, workload));
    let at = table.get("at");
    let lasts = table.get("lasts");
    let loss = table.get("loss");
    table.finish();
    let kind = kind?;
    refuse_without_meaning(kind, &at, &lasts, &loss);
    if let Some(name) = name {
        refuse_without_effect(kind, &name, workload);
    }
    let half = Probability::new(0.5).unwrap_or(Probability::ONE);
    let loss_default = Probability::new(0.05).unwrap_or(Probability::ZERO);
    Some(FaultSpec {
        fault: kind.fault,
        share: share?,
        phase,
        at: at.and_then(|field| field.probability()).unwrap_or(half),
        lasts: lasts
            .and_then(|field| field.duration_above_zero())
            .unwrap_or(kind.lasts),
        loss: loss
            .and_then(|field| field.probability())
            .unwrap_or(loss_default),
    })
}

/// A fault that no session of the workload could meet.
fn refuse_without_effect(kind: &FaultKind, name: &Field<'_>, workload: &Workload) {
    if !acts_on_any(kind, workload) {
        let needs = kind.group.needs().name();
        name.wrong(
            format!("is `{}`, which acts on no session here", kind.name),
            format!("it needs WebRTC sessions of fidelity `{needs}` or above (or `model`)"),
        );
    } else if is_real(kind, workload) && !stack_can(kind.fault, &workload.live) {
        let stack = match kind.fault.dense_ends() {
            DenseEnds::Both => "\"dense\"",
            DenseEnds::Softphone | DenseEnds::Neither => "{ softphones = \"dense\" }",
        };
        name.wrong(
            format!("is `{}`, which str0m cannot follow", kind.name),
            format!("write `stack = {stack}` in `[workload]`, or leave the fault out"),
        );
    }
}

fn stack_can(fault: Fault, live: &LiveSessions) -> bool {
    let softphones = live.softphone_stack == WebrtcStack::Dense;
    let ingest = live.ingest_stack == WebrtcStack::Dense;
    match fault.dense_ends() {
        DenseEnds::Neither => true,
        DenseEnds::Softphone => softphones,
        DenseEnds::Both => softphones && ingest,
    }
}

/// Keys that say nothing of this fault.
fn refuse_without_meaning(
    kind: &FaultKind,
    at: &Option<Field<'_>>,
    lasts: &Option<Field<'_>>,
    loss: &Option<Field<'_>>,
) {
    let name = kind.name;
    if let Some(at) = at.as_ref().filter(|_| kind.strike == Strike::SetUp) {
        at.wrong(
            format!("means nothing: `{name}` acts while the session is set up"),
            "leave it out",
        );
    }
    if let Some(lasts) = lasts.as_ref().filter(|_| kind.lasts == Duration::ZERO) {
        lasts.wrong(
            format!("means nothing: `{name}` lasts no particular time"),
            "leave it out",
        );
    }
    if let Some(loss) = loss.as_ref().filter(|_| kind.fault != Fault::Loss) {
        loss.wrong(
            format!("means nothing of `{name}`"),
            "leave it out, or name the fault `loss`",
        );
    }
}

fn known(field: &Field<'_>) -> Option<&'static FaultKind> {
    let text = field.string("the name of a fault, as in \"consent-loss\"")?;
    let found = Fault::ALL.iter().find(|kind| kind.name == text);
    if found.is_none() {
        field.wrong(
            format!("names the unknown fault `{text}`"),
            suggest::help_for(text, &names(), "faults"),
        );
    }
    found
}

fn share(table: &mut Table<'_>) -> Option<FaultShare> {
    let probability = table.get("probability");
    let count = table.get("count");
    match (probability, count) {
        (Some(_), Some(count)) => {
            count.wrong(
                "stands beside `probability`",
                "give one of them: a share of the sessions, or how many",
            );
            None
        }
        (Some(field), None) => field.probability().map(FaultShare::Probability),
        (None, Some(field)) => field.count(1, COUNT_MAX).map(FaultShare::Count),
        (None, None) => {
            table.need("probability", "0.05` or `count = 10");
            None
        }
    }
}

fn phase(field: &Field<'_>, workload: &Workload) -> Option<usize> {
    let names: Vec<&str> = match &workload.executor {
        Executor::ArrivalRate(stages) => stages.iter().map(|stage| stage.name.as_str()).collect(),
        Executor::ConstantVus { .. } => vec![crate::workload::ONLY_STAGE],
    };
    let text = field.string("a stage's name in quotes")?;
    let found = names.iter().position(|name| *name == text);
    if found.is_none() && field.context.whole() {
        field.wrong(
            format!("names the unknown stage `{text}`"),
            suggest::help_for(text, &names, "stages"),
        );
    }
    found
}

/// Whether any session is real enough for the fault, or not real at all.
fn acts_on_any(kind: &FaultKind, workload: &Workload) -> bool {
    let modelled = workload.fidelity.webrtc.has(Fidelity::Model);
    workload.webrtc_share > Probability::ZERO && (modelled || is_real(kind, workload))
}

/// Whether any session is real enough for the fault.
fn is_real(kind: &FaultKind, workload: &Workload) -> bool {
    let mix = &workload.fidelity.webrtc;
    let mut all = Fidelity::ALL.into_iter();
    all.any(|fidelity| {
        fidelity != Fidelity::Model && fidelity >= kind.group.needs() && mix.has(fidelity)
    })
}
