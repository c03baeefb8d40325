//! The folder itself: made, found again, filled.

mod places;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use racegate_model::analysis::{Accumulator, Exit, Replicates};
use racegate_model::scenario::{Engine, Scenario};
use racegate_model::summary::Summary;
use racegate_scenario::{Override, Source};
use serde::de::DeserializeOwned;

use super::latency::interval_log;
use super::lock::{self, Claim};
use super::run_file::folder_of;
use super::{
    DEAD_LETTERS, HISTORY, HistoryReader, HistoryWriter, LATENCY, LATEST, MODEL_REPLICATIONS,
    Machine, RECORDINGS, REPLICATIONS, RUN, SUMMARY, Stored, StoredError, WhenFull, utc_now,
};
use crate::live::Arms;
use crate::report::{self, ReportError};
use places::{clear_audio, file_name, follow, is_ours, names_in, new_folder, point_at};

/// Where runs go unless they are told.
const REPORTS: &str = "reports";
/// The folder of received audio, which a live run keeps if it is told to.
pub(crate) const AUDIO: &str = "audio";
/// How names of files that are being written end.
const DRAFT_SUFFIX: &str = ".part";

/// What becomes of a run that is in the folder already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Existing {
    /// It stays, and the new run is refused.
    Kept,
    /// Its files are removed, and nothing else.
    Replaced,
}

/// A run that is to begin.
#[derive(Clone, Copy, Debug)]
pub struct NewRun<'a> {
    /// The folder itself; the default is a new one under `reports/<scenario>`.
    pub out: Option<&'a Path>,
    /// What becomes of an earlier run in that folder.
    pub existing: Existing,
    /// The scenario, overrides applied.
    pub scenario: &'a Scenario,
    /// Its text.
    pub source: &'a Source,
    /// Changes to it.
    pub overrides: &'a [Override],
    /// Gates that were asked for; all if empty.
    pub gates: &'a [String],
    /// Claims that the run goes on for, as they were written.
    pub until: &'a [String],
    /// Arms of a live run.
    pub arms: Arms,
    /// The engine.
    pub engine: Engine,
}

/// Where a run's folder is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// The folder itself, and what becomes of an earlier run in it.
    Folder(PathBuf, Existing),
    /// A new folder `<reports>/<scenario>/<utc>-<seed>`, and `latest` beside it.
    Under(PathBuf),
}

/// Why a run's folder cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The folder holds something else.
    #[error("{path} is not empty and no run's folder; choose another --out", path = .0.display())]
    Occupied(PathBuf),
    /// The folder holds a run.
    #[error(
        "{path} holds a run already; choose another --out, or replace that run with --force",
        path = .0.display()
    )]
    Exists(PathBuf),
    /// Another process is writing there.
    #[error(
        "another racegate is writing to {path}; wait for it, or choose another --out",
        path = .0.display()
    )]
    Busy(PathBuf),
    /// The file system refused.
    #[error("cannot make the run's folder {path} ({source}); choose another --out", path = path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl From<CreateError> for Exit {
    /// A folder that was named wrongly is a mistake of the command line.
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Occupied(_) | CreateError::Exists(_) => Self::Usage(error.to_string()),
            CreateError::Busy(_) | CreateError::Io { .. } => Self::internal(error),
        }
    }
}

/// Why a run's folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such folder, or no run in it.
    #[error("{path} is no run's folder: there is no {RUN}", path = .0.display())]
    NotARun(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {path} ({source})", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// `run.toml` is not understood.
    #[error("cannot read {path}: {source}", path = path.display())]
    Run {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: StoredError,
    },
    /// `summary.json` is not understood.
    #[error(
        "cannot read {path}: {source}; move it away to have it made again from the history",
        path = path.display()
    )]
    Summary {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
}

impl From<OpenError> for Exit {
    /// A folder that was named wrongly is a mistake of the command line.
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotARun(_) => Self::Usage(error.to_string()),
            OpenError::Io { .. } | OpenError::Run { .. } | OpenError::Summary { .. } => {
                Self::internal(error)
            }
        }
    }
}

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path} ({source})", path = path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

/// Reports that cannot be made or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportsError {
    /// `summary.json` cannot be written.
    #[error(transparent)]
    Summary(#[from] WriteError),
    /// A report cannot be made or written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl NewRun<'_> {
    fn stored(&self) -> Stored {
        Stored {
            tool: concat!("racegate ", env!("CARGO_PKG_VERSION")).to_owned(),
            started: utc_now(),
            engine: self.engine,
            seed: self.scenario.seed.0,
            name: self.scenario.name.clone(),
            scenario_name: self.source.name.clone(),
            scenario_folder: folder_of(&self.source.name),
            overrides: self.overrides.to_vec(),
            gates: self.gates.to_vec(),
            until: self.until.to_vec(),
            all_arms: self.engine == Engine::Sim || self.arms == Arms::All,
            machine: Machine::here(),
            scenario: self.source.text.clone(),
        }
    }
}

/// A run's folder.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    run: Stored,
    /// Held while this process may write here.
    lock: Option<File>,
}

impl RunFolder {
    /// Makes the folder and writes `run.toml`: what was run is on disk before anything happens.
    ///
    /// # Errors
    ///
    /// Fails if the folder holds something else, or cannot be written.
    pub fn create(run: &NewRun<'_>) -> Result<Self, CreateError> {
        let place = match run.out {
            Some(path) => Place::Folder(path.to_path_buf(), run.existing),
            None => Place::Under(PathBuf::from(REPORTS)),
        };
        Self::create_at(&place, run.stored())
    }

    fn create_at(place: &Place, run: Stored) -> Result<Self, CreateError> {
        let path = match place {
            Place::Folder(path, _) => path.clone(),
            Place::Under(reports) => new_folder(&reports.join(file_name(&run.name)), &run)?,
        };
        let lock = claim_new(&path)?;
        if let Place::Folder(path, existing) = place {
            clear(path, *existing)?;
        }
        let folder = Self { path, run, lock };
        folder
            .write(RUN, folder.run.to_text().as_bytes())
            .map_err(|WriteError { path, source }| CreateError::Io { path, source })?;
        if matches!(place, Place::Under(_)) {
            point_at(&folder.path);
        }
        Ok(folder)
    }

    /// Finds the folder of an earlier run, or the one that a `latest` points at.
    ///
    /// # Errors
    ///
    /// Fails if there is no run in it, or `run.toml` is not understood.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path = follow(path);
        let file = path.join(RUN);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if not_there(&error) => return Err(OpenError::NotARun(path)),
            Err(source) => return Err(OpenError::Io { path: file, source }),
        };
        match Stored::parse(&text) {
            Ok(run) => Ok(Self {
                path,
                run,
                lock: None,
            }),
            Err(source) => Err(OpenError::Run { path: file, source }),
        }
    }

    /// Makes this process the one that writes to the folder; false if another one is.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be written.
    pub fn claim(&mut self) -> Result<bool, WriteError> {
        match lock::claim(&self.path) {
            Ok(Claim::Ours(held)) => {
                self.lock = held;
                Ok(true)
            }
            Ok(Claim::Another) => Ok(false),
            Err(source) => Err(WriteError {
                path: self.path.join(lock::LOCK),
                source,
            }),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the history.
    #[must_use]
    pub fn history_path(&self) -> PathBuf {
        self.path.join(HISTORY)
    }

    /// What was run.
    #[must_use]
    pub const fn stored(&self) -> &Stored {
        &self.run
    }

    /// Begins the history. When the disk is far behind, a simulated run waits for it and a live
    /// run loses entries.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be made.
    pub fn history(&self) -> Result<HistoryWriter, WriteError> {
        let when_full = match self.run.engine {
            Engine::Sim => WhenFull::Wait,
            Engine::Live => WhenFull::Lose,
        };
        let path = self.history_path();
        let writer = File::create(&path).and_then(|file| HistoryWriter::start(file, when_full));
        writer.map_err(|source| WriteError { path, source })
    }

    /// Reads the history; a run that kept none has an empty one.
    ///
    /// # Errors
    ///
    /// Fails if the file is there and cannot be opened.
    pub fn read_history(&self) -> Result<HistoryReader, OpenError> {
        let path = self.history_path();
        match HistoryReader::open(&path) {
            Ok(reader) => Ok(reader),
            Err(error) if not_there(&error) => Ok(HistoryReader::empty()),
            Err(source) => Err(OpenError::Io { path, source }),
        }
    }

    /// Writes `summary.json`.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written.
    pub fn write_summary(&self, summary: &Summary) -> Result<(), WriteError> {
        let mut text = serde_json::to_vec_pretty(summary).map_err(|error| WriteError {
            path: self.path.join(SUMMARY),
            source: error.into(),
        })?;
        text.push(b'\n');
        self.write(SUMMARY, &text)
    }

    /// Writes everything that a person or CI reads.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be made or written; those before it are there.
    pub fn write_reports(&self, summary: &Summary) -> Result<(), ReportsError> {
        report::write_all(
            summary,
            Some(&self.run.origin(summary)),
            &mut |name, bytes| self.write(name, bytes).map_err(|error| error.source),
        )?;
        Ok(())
    }

    /// Reads `summary.json`; none if the run was cut short before it had one.
    ///
    /// # Errors
    ///
    /// Fails if the file is there and is not understood.
    pub fn summary(&self) -> Result<Option<Summary>, OpenError> {
        self.read_json(SUMMARY)
    }

    /// Writes `replications.json`: what each seed of the run showed, in one line.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write_replications(&self, all: &Replicates) -> Result<(), WriteError> {
        self.write_replicates(REPLICATIONS, all)
    }

    /// Writes `model-replications.json`: what the simulated seeds of a live run showed.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write_model(&self, simulated: &Replicates) -> Result<(), WriteError> {
        self.write_replicates(MODEL_REPLICATIONS, simulated)
    }

    /// Reads `replications.json`; none if there is no such file.
    ///
    /// # Errors
    ///
    /// Fails if the file is there and is not understood.
    pub fn replications(&self) -> Result<Option<Replicates>, OpenError> {
        self.read_json(REPLICATIONS)
    }

    /// Reads `model-replications.json`; none if there is no such file.
    ///
    /// # Errors
    ///
    /// Fails if the file is there and is not understood.
    pub fn model(&self) -> Result<Option<Replicates>, OpenError> {
        self.read_json(MODEL_REPLICATIONS)
    }

    fn write_replicates(&self, name: &str, all: &Replicates) -> Result<(), WriteError> {
        let text = serde_json::to_vec(all).map_err(|error| WriteError {
            path: self.path.join(name),
            source: error.into(),
        })?;
        self.write(name, &text)
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, OpenError> {
        let path = self.path.join(name);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if not_there(&error) => return Ok(None),
            Err(source) => return Err(OpenError::Io { path, source }),
        };
        match serde_json::from_slice(&text) {
            Ok(value) => Ok(Some(value)),
            Err(source) => Err(OpenError::Summary { path, source }),
        }
    }

    /// Writes `latency.hlog`.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write_latency(&self, counted: &Accumulator) -> Result<(), WriteError> {
        let started = self.run.started.parse::<jiff::Timestamp>();
        let started = started.map_or(SystemTime::UNIX_EPOCH, SystemTime::from);
        self.write(
            LATENCY,
            &interval_log(started, &counted.latency_intervals()),
        )
    }

    /// Writes the file `name`, a report's for instance; there is all of it, or what was before.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written, or `name` is not that of a file in the folder.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
        self.write_with(name, |file| file.write_all(bytes))
    }

    /// Writes a file of the run as JSON for people and programs.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written.
    pub fn write_json(&self, name: &str, value: &impl serde::Serialize) -> Result<(), WriteError> {
        self.write_with(name, |file| {
            serde_json::to_writer_pretty(&mut *file, value)?;
            file.write_all(b"\n")
        })
    }

    /// As [`RunFolder::write`], for what is made while it is written.
    pub(super) fn write_with(
        &self,
        name: &str,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        let path = self.path.join(name);
        if Path::new(name).file_name().is_none_or(|file| file != name) {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "not a plain file name");
            return Err(WriteError { path, source });
        }
        self.draft(name)
            .and_then(|mut draft| {
                fill(draft.as_file_mut())?;
                draft.as_file().sync_all()?;
                draft.persist(&path).map_err(|error| error.error)
            })
            .map(drop)
            .map_err(|source| WriteError { path, source })
    }

    /// A file under a name of its own, which is removed unless it is kept.
    fn draft(&self, name: &str) -> io::Result<tempfile::NamedTempFile> {
        let prefix = format!(".{name}.");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(DRAFT_SUFFIX);
        // Readable as the user's other files are, not only for the user.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder.tempfile_in(&self.path)
    }
}

/// Whether an error says that there is no such file.
fn not_there(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Makes the folder if it is not there, and claims it.
fn claim_new(path: &Path) -> Result<Option<File>, CreateError> {
    let failed = |source| CreateError::Io {
        path: path.to_path_buf(),
        source,
    };
    fs::create_dir_all(path).map_err(failed)?;
    // A folder of something else gets no file of ours.
    let names = names_in(path).map_err(failed)?;
    if !names.is_empty() && !names.iter().any(|name| name == RUN || name == lock::LOCK) {
        return Err(CreateError::Occupied(path.to_path_buf()));
    }
    match lock::claim(path).map_err(failed)? {
        Claim::Ours(held) => Ok(held),
        Claim::Another => Err(CreateError::Busy(path.to_path_buf())),
    }
}

/// Empties the folder of the run that is in it, if that may be.
fn clear(path: &Path, existing: Existing) -> Result<(), CreateError> {
    let failed = |source| CreateError::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut names = names_in(path).map_err(failed)?;
    names.retain(|name| name != lock::LOCK);
    if names.is_empty() {
        return Ok(());
    }
    if !names.iter().any(|name| name == RUN) {
        return Err(CreateError::Occupied(path.to_path_buf()));
    }
    if existing == Existing::Kept {
        return Err(CreateError::Exists(path.to_path_buf()));
    }
    // `run.toml` last: if this is cut short, the folder is still known for what it is.
    names.sort_by_key(|name| name == RUN);
    for name in names {
        let file = path.join(&name);
        if name == AUDIO && file.is_dir() {
            clear_audio(&file).map_err(failed)?;
        } else if is_ours(&name) && !file.is_dir() {
            fs::remove_file(&file).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
