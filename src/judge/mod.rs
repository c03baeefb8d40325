//! The user's own exporter, run beside the gates on the same recordings and judged by what it wrote
//! and asked: its bucket, or its own files, and the mock's journal.

mod command;
mod environment;
mod exports;
mod fields;
mod journal;
mod report;
mod verdict;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mock_api::clock::RunClock;
use mock_api::server::MockServer;
use mock_api::service::{Service, TenantConfig};
use racegate_model::history::Settled;
use racegate_model::ids::ArmIndex;
use racegate_model::org::verdict as outcome_of;
use racegate_model::outcome::OutcomeKind;
use racegate_model::scenario::Scenario;

use crate::live::{Guest, LiveError};
use command::Ended;
use exports::Source;
use fields::FieldMap;
use journal::Watch;
use verdict::{Findings, Verdicts};

pub(crate) use command::Running;
pub(crate) use environment::variables;
pub(crate) use exports::Exports;
pub(crate) use report::{exit, print};

/// What the exporter is, and where its results are.
#[derive(Clone, Debug)]
pub(crate) struct Exporter {
    /// The gate in whose place it stands.
    pub(crate) gate: String,
    /// Its command; none if it runs already, and is told where the platform is by a file.
    pub(crate) command: Option<Vec<OsString>>,
    /// Where its results are, unless in the sidecars of export jobs.
    pub(crate) exports: Option<String>,
    /// The text of its field map.
    pub(crate) fields: Option<String>,
    /// The run's folder.
    pub(crate) folder: PathBuf,
}

/// An exporter under judgement.
pub(crate) struct Judge<'a> {
    scenario: &'a Scenario,
    exporter: Exporter,
    source: Source,
    begun: Option<Begun>,
    exports: Exports,
    judgement: Option<Judgement>,
}

struct Begun {
    tenant: TenantConfig,
    clock: RunClock,
    running: Option<Running>,
    watch: Watch,
    prospect: Prospect,
}

/// What is still to be expected of an exporter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Prospect {
    /// It runs, and something is not exported complete.
    Open,
    /// Its command has ended, or all is exported complete.
    Nothing,
}

/// What was found of an exporter beside its outcomes.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Judgement {
    #[serde(flatten)]
    findings: Findings,
    /// How its command ended; none if it was attached.
    command: Option<Ended>,
}

impl<'a> Judge<'a> {
    /// Prepares to judge `exporter`.
    ///
    /// # Errors
    /// What is wrong with its field map or the place of its results, in words.
    pub(crate) fn new(scenario: &'a Scenario, exporter: Exporter) -> Result<Self, String> {
        let fields = match &exporter.fields {
            Some(text) => {
                FieldMap::parse(text).map_err(|reason| format!("--field-map: {reason}"))?
            }
            None => FieldMap::default(),
        };
        let source = match &exporter.exports {
            None => Source::Jobs,
            Some(place) => match place.strip_prefix("s3://") {
                // The bucket is the exporter's own, whatever it is called.
                Some(rest) => Source::Bucket(
                    rest.split_once('/')
                        .map_or("", |(_, prefix)| prefix)
                        .to_owned(),
                    fields,
                ),
                None => Source::Folder(PathBuf::from(place), fields),
            },
        };
        Ok(Self {
            scenario,
            exporter,
            source,
            begun: None,
            exports: Exports::default(),
            judgement: None,
        })
    }

    /// What was found, once the run is over.
    pub(crate) fn into_judgement(self) -> Judgement {
        self.judgement.unwrap_or_default()
    }

    fn read_exports(&mut self, service: &Service, organization: &str) {
        match &self.source {
            Source::Jobs => self.exports.read_jobs(service, organization),
            Source::Folder(folder, fields) => {
                self.exports = Exports::default();
                self.exports.read_folder(service, folder, fields);
            }
            Source::Bucket(prefix, fields) => {
                self.exports = Exports::default();
                self.exports
                    .read_bucket(service, organization, prefix, fields);
            }
        }
    }

    /// Whether every recording that has ended has a complete export.
    fn is_whole(&self, service: &Service) -> bool {
        let required = self.scenario.arms[0].required;
        let timelines = service.timelines(ArmIndex(0));
        service.calls().ended().into_iter().all(|recording| {
            let last = self
                .exports
                .written
                .get(&recording)
                .and_then(|all| all.last());
            let view = last.and_then(|last| last.view.as_ref());
            view.zip(timelines.get(recording))
                .is_some_and(|(view, timeline)| {
                    outcome_of(&required, timeline.taken_for(), view).0 == OutcomeKind::Complete
                })
        })
    }
}

impl Guest for Judge<'_> {
    fn gate(&self) -> Option<&str> {
        Some(&self.exporter.gate)
    }

    fn begin(
        &mut self,
        server: &MockServer,
        tenant: &TenantConfig,
        clock: RunClock,
    ) -> Result<(), LiveError> {
        let mut variables = variables(self.scenario, server, tenant);
        if let Source::Folder(folder, _) = &self.source {
            variables.push(("RACEGATE_EXPORTS", folder.display().to_string()));
        }
        let failed = |source| LiveError::Exporter { source };
        let running = match &self.exporter.command {
            Some(command) => {
                let secret = &tenant.credentials.client_secret;
                let running = Running::start(command, &variables, secret, &self.exporter.folder);
                Some(running.map_err(failed)?)
            }
            None => {
                write_environment(&self.exporter.folder, &variables).map_err(failed)?;
                None
            }
        };
        self.begun = Some(Begun {
            tenant: tenant.clone(),
            clock,
            running,
            watch: Watch::start(&server.api_url(), &tenant.credentials.client_id),
            prospect: Prospect::Open,
        });
        Ok(())
    }

    fn look(&mut self, server: &MockServer) {
        let Some(organization) = self.begun.as_ref().map(|it| it.tenant.organization.clone())
        else {
            return;
        };
        self.read_exports(server.service(), &organization);
        let whole = self.is_whole(server.service());
        if let Some(begun) = &mut self.begun {
            let ended = begun.running.as_mut().is_some_and(Running::has_ended);
            begun.prospect = if ended || whole {
                Prospect::Nothing
            } else {
                Prospect::Open
            };
        }
    }

    fn is_done(&self) -> bool {
        self.begun
            .as_ref()
            .is_none_or(|begun| begun.prospect == Prospect::Nothing)
    }

    async fn settle(&mut self, server: &MockServer) -> Vec<Settled> {
        let Some(begun) = self.begun.take() else {
            return Vec::new();
        };
        let command = match begun.running {
            Some(running) => Some(running.end().await),
            None => None,
        };
        let asked = begun.watch.finish().await;
        let service = server.service();
        self.read_exports(service, &begun.tenant.organization);
        let known = service.timelines(ArmIndex(0));
        let ended: BTreeSet<_> = service.calls().ended().into_iter().collect();
        let timelines: Vec<_> = ended.iter().filter_map(|index| known.get(*index)).collect();
        let verdicts = Verdicts {
            tenant: begun.tenant.index,
            required: self.scenario.arms[0].required,
            seed: self.scenario.seed,
            now: begun.clock.now(),
            exports: &self.exports,
            asked: &asked,
        };
        let (settled, findings) = verdicts.of(timelines.iter().map(|timeline| &**timeline));
        self.judgement = Some(Judgement { findings, command });
        settled
    }
}

/// Writes what an exporter needs as shell assignments, for one that is started by hand.
fn write_environment(folder: &Path, variables: &[(&str, String)]) -> std::io::Result<()> {
    let path = folder.join("exporter.env");
    let lines = variables
        .iter()
        .map(|(name, value)| format!("export {name}='{value}'\n"));
    std::fs::write(&path, lines.collect::<String>())?;
    crate::output::note(&format!(
        "the exporter is told where the platform is by {}",
        path.display()
    ));
    Ok(())
}
