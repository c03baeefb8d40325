//! `racegate certify`: every order of a platform's writes against a gate's looks.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mock_api::clock::Pace;
use racegate_model::analysis::Exit;
use racegate_model::field::{Field, Kind};
use racegate_model::history::Settled;
use racegate_model::repro::{Level, Order, Orders, Write};
use racegate_model::scenario::{Arm, GateSpec, Scenario};
use racegate_scenario::{Origin, Repro};
use serde_json::json;

use super::change::ChangeArgs;
use crate::certificate::{Agreement, Certificate, body, breaks, describe};
use crate::load::{TOOL, select_gates};
use crate::output::{Output, OutputArgs, print, print_json};
use crate::replay::{Stage, run_free};
use crate::signals::Signals;

/// Orders that the default number of looks may lead to.
const ORDERS_USUAL: u64 = 20_000;
/// Looks that are tried by default, at most.
const LOOKS_USUAL: usize = 6;
/// Orders that are run, at most.
const ORDERS_MAX: u64 = 1_000_000;
/// Orders of a gate and kind that are forced over HTTP by default.
const LIVE_USUAL: u64 = 1_000;
/// Repro files that are written per gate and kind.
const REPROS_MAX: usize = 10;

const AFTER_HELP: &str = "\
One held recording is exported by each gate once for every order in which the platform can write its
media, its state, its required fields and the search index against the gate's looks and the export.
Writes between the same two looks count as one order. No chance decides: a gate that passes exports
no incomplete manifest however the platform's pipelines race. What is not written before look number
--looks is written right after it.

live forces each order over HTTP and S3 against the mock and compares it with the model.

Exit code 0: no order makes a gate export an incomplete or false manifest; 90: some order does.

  racegate certify scenarios/webrtc-spike.toml
  racegate certify scenarios/webrtc-spike.toml --early media --early index
  racegate certify scenarios/webrtc-spike.toml --gate forum --looks 3 --out orders
  racegate replay orders/ungated-webrtc-1.toml --engine live";

/// Arguments of `racegate certify`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct CertifyArgs {
    /// A scenario file, or the folder of a run; the first arm is looked at
    #[arg(value_name = "RUN|SCENARIO")]
    scenario: PathBuf,
    #[command(flatten)]
    change: ChangeArgs,
    /// Only this gate (repeatable)
    #[arg(long = "gate", value_name = "NAME")]
    gates: Vec<String>,
    /// Only recordings of this kind [default: those that the workload has]
    #[arg(long, value_enum)]
    kind: Option<KindArg>,
    /// Taken as there when the session ends: media, state or a field; or index, which then has each field at once (repeatable)
    #[arg(long, value_name = "WRITE", value_parser = write_named)]
    early: Vec<Write>,
    /// Looks between which things may be written [default: as many as give 20,000 orders or fewer, at most 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    looks: Option<u8>,
    /// Run by the model, or forced over HTTP and compared with it
    #[arg(long, value_enum, default_value_t = EngineArg::Sim)]
    engine: EngineArg,
    /// Orders of a gate and kind that are forced over HTTP, spread evenly over all
    #[arg(long, value_name = "N", default_value_t = LIVE_USUAL, value_parser = clap::value_parser!(u64).range(1..=ORDERS_MAX))]
    orders: u64,
    /// Writes the first orders that break a gate here, as repro files
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// A write as it is named on the command line.
fn write_named(name: &str) -> Result<Write, String> {
    let fields = Field::METADATA.into_iter().map(Write::Field);
    let all = [Write::Media, Write::State, Write::Index];
    let mut all = all.into_iter().chain(fields);
    let found = all.clone().find(|write| write.to_string() == name);
    found.ok_or_else(|| {
        let names: Vec<String> = all.by_ref().map(|write| write.to_string()).collect();
        format!("there are {}", names.join(", "))
    })
}

/// An engine as it is named on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum EngineArg {
    Sim,
    Live,
}

/// A kind as it is named on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum KindArg {
    Webrtc,
    Sip,
}

impl CertifyArgs {
    /// Tries all orders and says which break a gate.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let mut scenario = self.change.scenario_of(&self.scenario)?;
        select_gates(&mut scenario, &self.gates)?;
        let signals = Signals::listen().map_err(Exit::internal)?;
        let mut found = Vec::new();
        for gate in &scenario.arms[0].gates {
            for kind in self.kinds(&scenario) {
                if signals.is_ending() {
                    return Err(Exit::Interrupted("not all orders were tried".to_owned()));
                }
                found.push(self.certify(&scenario, gate, kind, &signals)?);
            }
        }
        match self.output.output() {
            Output::Table => print(&describe(&found))?,
            Output::Json => print_json(&json!({
                "scenario": scenario.name,
                "seed": scenario.seed.0,
                "certificates": found.iter().map(body).collect::<Vec<_>>(),
            }))?,
        }
        Ok(conclude(&found))
    }

    fn kinds(&self, scenario: &Scenario) -> Vec<Kind> {
        let share = scenario.workload.webrtc_share.as_f64();
        let wanted = |kind: &Kind| match (self.kind, kind) {
            (Some(KindArg::Webrtc), Kind::Webrtc) | (Some(KindArg::Sip), Kind::Sip) => true,
            (Some(KindArg::Webrtc | KindArg::Sip), Kind::Webrtc | Kind::Sip) => false,
            (None, Kind::Webrtc) => share > 0.0,
            (None, Kind::Sip) => share < 1.0,
        };
        Kind::ALL.into_iter().filter(wanted).collect()
    }

    fn certify(
        &self,
        scenario: &Scenario,
        gate: &GateSpec,
        kind: Kind,
        signals: &Signals,
    ) -> Result<Certificate, Exit> {
        let arm = Arm {
            gates: vec![gate.clone()],
            ..scenario.arms[0].clone()
        };
        let looks =
            self.looks(|looks| Orders::new(&arm, scenario.seed, kind, looks, &self.early))?;
        let orders = Orders::new(&arm, scenario.seed, kind, looks, &self.early);
        let mut certificate = Certificate::new(gate.name.clone(), kind, looks, &orders);
        let mut breaking = Vec::new();
        orders.explore(|order| {
            certificate.count(&order);
            if breaks(order.settled.as_ref()) && breaking.len() < REPROS_MAX {
                breaking.push(order);
            }
            !signals.is_ending()
        });
        if let Some(folder) = &self.out {
            for (order, nth) in breaking.iter().zip(1..) {
                let name = format!("{}-{}-{nth}.toml", gate.name, kind.name());
                let path = folder.join(name);
                write_repro(&path, scenario, &orders, order, &certificate)?;
                certificate.files.push(path);
            }
        }
        if self.engine == EngineArg::Live {
            certificate.live = Some(self.force(&orders, gate, certificate.orders, signals)?);
        }
        Ok(certificate)
    }

    /// The number of looks, where the number of orders is one that can be run.
    fn looks<'a>(&self, orders: impl Fn(usize) -> Orders<'a>) -> Result<usize, Exit> {
        let Some(looks) = self.looks.map(usize::from) else {
            let fits = |looks: &usize| is_within(&orders(*looks), ORDERS_USUAL);
            return Ok((1..=LOOKS_USUAL).take_while(fits).last().unwrap_or(1));
        };
        if !is_within(&orders(looks), ORDERS_MAX) {
            return Err(Exit::Usage(format!(
                "--looks {looks}: there are more than {ORDERS_MAX} orders of {} writes and {looks} \
                 looks; give fewer looks",
                orders(looks).writes().len()
            )));
        }
        Ok(looks)
    }

    /// Forces orders over HTTP, and compares what comes of them.
    fn force(
        &self,
        orders: &Orders<'_>,
        gate: &GateSpec,
        count: u64,
        signals: &Signals,
    ) -> Result<Agreement, Exit> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(Exit::internal)?;
        let every = count.div_ceil(self.orders).max(1);
        let mut agreement = Agreement::default();
        let (mut nth, mut failed) = (0_u64, None);
        orders.explore(|order| {
            nth += 1;
            if (nth - 1) % every == 0 {
                match runtime.block_on(force(orders, gate, &order)) {
                    Ok(forced) => agreement.add(&order, forced.as_ref()),
                    Err(error) => failed = Some(error),
                }
            }
            failed.is_none() && !signals.is_ending()
        });
        runtime.shutdown_background();
        failed.map_or(Ok(agreement), Err)
    }
}

/// Whether there are so many orders at most.
fn is_within(orders: &Orders<'_>, most: u64) -> bool {
    let mut count = 0_u64;
    orders.explore(|_| {
        count += 1;
        count <= most
    });
    count <= most
}

/// What becomes of the recording over HTTP, in that order.
async fn force(
    orders: &Orders<'_>,
    gate: &GateSpec,
    order: &Order,
) -> Result<Option<Settled>, Exit> {
    let Some((case, _)) = orders.case(order) else {
        return Ok(None);
    };
    let told = case.recordings[0].told.clone();
    let stage = Stage::start(&case, None, gate.clone(), Pace::MANUAL, None).await?;
    run_free(stage, &told).await
}

fn write_repro(
    path: &Path,
    scenario: &Scenario,
    orders: &Orders<'_>,
    order: &Order,
    certificate: &Certificate,
) -> Result<(), Exit> {
    let found = orders.case(order);
    let (case, played) = found.ok_or_else(|| Exit::internal("an order is not settled again"))?;
    let expect = played
        .fingerprint
        .clone()
        .ok_or_else(|| Exit::internal("an order does not fail again"))?;
    let repro = Repro {
        tool: TOOL.to_owned(),
        origin: Origin {
            scenario: scenario.name.clone(),
            recordings: certificate.orders,
            failing: certificate.broken,
        },
        level: Level::Minimal,
        hash: played.hash().hex(),
        expect,
        case,
    };
    super::repro::write(path, repro.text())
}

fn conclude(found: &[Certificate]) -> Exit {
    let differs = found.iter().filter_map(|one| {
        let live = one.live.as_ref()?;
        live.differs.as_ref().map(|_| one.gate.as_str())
    });
    if let Some(gate) = differs.into_iter().next() {
        return Exit::Invalid(format!("{gate}: over HTTP it is not as the model says"));
    }
    let mut names: Vec<&str> = found
        .iter()
        .filter(|one| one.broken > 0)
        .map(|one| one.gate.as_str())
        .collect();
    names.dedup();
    let orders: u64 = found.iter().map(|one| one.orders).sum();
    if names.is_empty() {
        return Exit::Met(format!(
            "in none of {orders} orders is an incomplete manifest exported"
        ));
    }
    Exit::Regression(format!(
        "an order makes {} export an incomplete manifest",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use racegate_scenario::{Source, parse};

    use super::*;

    #[test]
    fn counting_stops_at_the_most_orders_that_are_run() {
        let text = "name = \"few\"\n[workload]\nexecutor = \"constant-arrival-rate\"\n\
            rate = \"1/s\"\nduration = \"1s\"\ncall_duration = \"1s\"\n\
            [platform.export]\nread = \"primary\"\nlatency = \"1s\"\n\
            [[gate]]\nname = \"ungated\"\nstrategy = \"none\"\n";
        let scenario = parse(&Source::new("few.toml", text), &[]).expect("a scenario");
        let orders = Orders::new(&scenario.arms[0], scenario.seed, Kind::Sip, 1, &[]);
        // Media, state and four fields are each before or after the export.
        assert!(is_within(&orders, 64));
        assert!(!is_within(&orders, 63));
    }
}
