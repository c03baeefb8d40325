//! `racegate judge`: the user's own exporter against the platform under load, judged by what it
//! wrote.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use racegate_model::analysis::{Exit, Tenant};
use racegate_model::scenario::{Engine, Scenario};
use racegate_scenario::{Override, Source};

use super::change::ChangeArgs;
use super::report::{Extent, Table, show, write};
use crate::engine;
use crate::judge::{Exporter, Judge, exit, print as describe};
use crate::live::{Arms, LiveOptions};
use crate::load::{parse, read, select_gates};
use crate::output::{Notes, Output, OutputArgs, note, print};
use crate::plan::Plan;
use crate::signals::Signals;
use crate::store::{Existing, NewRun, RunFolder};

const AFTER_HELP: &str = "\
The command is started when the platform is up, and asked to end (SIGTERM, then SIGKILL, to its
whole process group) when all calls are over and every recording is exported complete, or
`limits.drain` after the last call. It finds in its environment

  RACEGATE_API_URL, RACEGATE_LOGIN_URL, RACEGATE_CLIENT_ID, RACEGATE_CLIENT_SECRET
  RACEGATE_S3_URL, RACEGATE_BUCKET, RACEGATE_REGION, RACEGATE_SCENARIO, RACEGATE_SEED
  GENESYS_CLOUD_CLIENT_ID, GENESYS_CLOUD_CLIENT_SECRET
  GENESYSCLOUD_OAUTHCLIENT_ID, GENESYSCLOUD_OAUTHCLIENT_SECRET
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, AWS_REGION,
  AWS_DEFAULT_REGION

and is judged by the mock's journal and by the sidecars of its export jobs, or by its own JSON files
(--exports). Exit code 0: every recording was exported complete; 99: one was not.

  racegate judge scenarios/webrtc-spike.toml -- python3 examples/exporters/fields.py";

/// Arguments of `racegate judge`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct JudgeArgs {
    /// The scenario file
    scenario: PathBuf,
    /// The exporter's command and its arguments
    #[arg(last = true, required_unless_present = "attach", value_name = "CMD")]
    command: Vec<OsString>,
    /// Start no command: the exporter runs already, and reads exporter.env in the run's folder
    #[arg(long, conflicts_with = "command")]
    attach: bool,
    /// Its name in tables and reports
    #[arg(long, value_name = "NAME", default_value = "exporter")]
    name: String,
    /// Where it writes JSON of its own, if it uses no export jobs
    #[arg(long, value_name = "DIR|s3://BUCKET/PREFIX")]
    exports: Option<String>,
    /// Where fields stand in its JSON: {"recording": "id", "fields": {"legal_hold_flag": "/hold"}}
    #[arg(long, value_name = "FILE", requires = "exports")]
    field_map: Option<PathBuf>,
    #[command(flatten)]
    change: ChangeArgs,
    /// Run only this gate of the scenario beside it (repeatable)
    #[arg(long = "gate", value_name = "NAME")]
    gates: Vec<String>,
    /// Run none of the scenario's gates beside it
    #[arg(long, conflicts_with = "gates")]
    alone: bool,
    /// The run's folder [default: reports/<scenario>/<utc>-<seed>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the run that is in the folder already
    #[arg(long, requires = "out")]
    force: bool,
    #[command(flatten)]
    output: OutputArgs,
    /// No progress and no notes on stderr, but for errors and the last line
    #[arg(long, short)]
    quiet: bool,
}

impl JudgeArgs {
    /// Runs the scenario with the exporter beside its gates, and judges it.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let overrides = self.change.overrides();
        let source = read(&self.scenario)?;
        let (scenario, source) = self.with_exporter(&source, &overrides)?;
        let tenants = Tenant::all(&scenario);
        let fields = self.field_map.as_deref().map(read_map).transpose()?;
        Plan::of(&scenario).ensure_fits(Engine::Live)?;
        let folder = RunFolder::create(&NewRun {
            out: self.out.as_deref(),
            existing: if self.force {
                Existing::Replaced
            } else {
                Existing::Kept
            },
            scenario: &scenario,
            source: &source,
            overrides: &overrides,
            gates: &self.kept_gates(),
            until: &[],
            arms: Arms::Base,
            engine: Engine::Live,
        })?;
        let exporter = Exporter {
            gate: self.name.clone(),
            command: (!self.attach).then(|| self.command.clone()),
            exports: self.exports.clone(),
            fields,
            folder: folder.path().to_owned(),
        };
        let mut judge = Judge::new(&scenario, exporter).map_err(Exit::Usage)?;
        if self.notes() == Notes::Shown {
            note(&format!(
                "seed {} · {} · {}",
                scenario.seed.0,
                scenario.name,
                folder.path().display()
            ));
        }
        let options = LiveOptions {
            arms: Arms::Base,
            keep_audio: None,
            shards: None,
        };
        let signals = Signals::listen().map_err(Exit::internal)?;
        let mut played = engine::live::judge(
            &scenario,
            &tenants,
            &folder,
            &options,
            self.notes(),
            &mut judge,
            &signals,
        )?;
        let judgement = judge.into_judgement();
        let exit = Exit::of(&played.summary).worse(exit(&judgement));
        played.summary.exit_code = exit.code();
        let mut shown = show(&played.summary, self.output.output(), Extent::Full);
        if self.output.output() == Output::Table {
            shown = shown.and_then(|()| print(&describe(&judgement, &self.name)));
        }
        folder
            .write_json("judge.json", &judgement)
            .map_err(Exit::internal)?;
        write(&played, (&scenario, &tenants), &folder, Table::WhenShort)?;
        shown?;
        Ok(exit)
    }

    /// The scenario with a gate in whose place the exporter stands, reduced to what is run.
    fn with_exporter(
        &self,
        source: &Source,
        overrides: &[Override],
    ) -> Result<(Scenario, Source), Exit> {
        let folder = self.scenario.parent().unwrap_or(Path::new("")).to_owned();
        let name = serde_json::Value::from(self.name.as_str());
        let place = format!(
            "{}\n\n# The exporter that is judged stands in this gate's place.\n[[gate]]\n\
             name = {name}\nstrategy = \"none\"\n",
            source.text.trim_end()
        );
        let extended = Source::new(source.name.clone(), place);
        // A mistake is shown in the file as it is, not in the extended one.
        let (mut scenario, source) = match parse(&extended, overrides, &folder) {
            Ok(scenario) => (scenario, extended),
            Err(_) => {
                let scenario = parse(source, overrides, &folder)?;
                if !scenario.arms[0]
                    .gates
                    .iter()
                    .any(|gate| gate.name == self.name)
                {
                    return Err(Exit::Usage(format!(
                        "--name {}: the scenario cannot have a gate of that name",
                        self.name
                    )));
                }
                (scenario, source.clone())
            }
        };
        scenario.engine = Engine::Live;
        scenario.arms.truncate(1);
        select_gates(&mut scenario, &self.kept_gates())?;
        Ok((scenario, source))
    }

    /// The gates that are run, the exporter's place among them; all if empty.
    fn kept_gates(&self) -> Vec<String> {
        if self.alone {
            return vec![self.name.clone()];
        }
        let own = (!self.gates.is_empty()).then(|| self.name.clone());
        self.gates.iter().cloned().chain(own).collect()
    }

    const fn notes(&self) -> Notes {
        if self.quiet {
            Notes::Hidden
        } else {
            Notes::Shown
        }
    }
}

fn read_map(path: &Path) -> Result<String, Exit> {
    std::fs::read_to_string(path)
        .map_err(|error| Exit::Usage(format!("--field-map {}: {error}", path.display())))
}
