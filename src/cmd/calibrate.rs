//! `racegate calibrate`: fit a lag model to a trace and write a `[platform]` table.

use std::path::{Path, PathBuf};

use clap::Args;
use racegate_model::analysis::Exit;
use racegate_model::draws::Seed;

use crate::calibrate::{self, Calibration, Columns, TraceOptions};
use crate::output::{Output, OutputArgs, note, print};
use crate::report;

/// The table of a run's folder that is a trace.
const RECORDINGS: &str = "recordings.csv";

/// Arguments of `racegate calibrate`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct CalibrateArgs {
    /// The trace: CSV, or one JSON object a line; `-` for stdin
    #[arg(required_unless_present = "from_run")]
    trace: Option<PathBuf>,
    /// Take the recordings of a run's folder for the trace
    #[arg(long, value_name = "RUN", conflicts_with = "trace")]
    from_run: Option<PathBuf>,
    /// Which column means what, e.g. ended=call_end (repeatable)
    #[arg(long = "column", value_name = "ROLE=COLUMN")]
    columns: Vec<String>,
    /// A metadata field that counts, by its columns FIELD.visible … (repeatable) [default: all]
    #[arg(long = "field", value_name = "FIELD")]
    fields: Vec<String>,
    /// Add this to every lag: how far the platform's clock is behind, e.g. 250ms
    #[arg(long, value_name = "DURATION")]
    skew: Option<String>,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write the [platform] table, calibration.json and pictures into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

const HELP: &str = "\
Columns: recording, ended (the session's end), media, and per metadata field either FIELD.visible
(the instant), or FIELD.last_without and FIELD.first_with (the looks around it; the second is empty
while it was not seen). Without FIELD. they are of the metadata as a whole. Times are ISO, or since
1970 in s, ms, us or ns; without a column `ended` they are lags, in seconds or with a unit.
Format and example: docs/trace-format.md";

impl CalibrateArgs {
    /// Reads the trace, fits it, says what it found.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let (path, options) = self.options()?;
        let trace =
            calibrate::read(&path, &options).map_err(|error| Exit::Scenario(error.to_string()))?;
        let calibration = Calibration::of(trace, Seed(self.seed));
        if let Some(folder) = &self.out {
            write(folder, &calibration)?;
            note(&format!("written to {}", folder.display()));
        }
        match self.output.output() {
            Output::Table => print(&calibrate::text(&calibration))?,
            Output::Json => print(&calibrate::json(&calibration).to_string())?,
        }
        Ok(Exit::Done)
    }

    fn options(&self) -> Result<(PathBuf, TraceOptions), Exit> {
        let (path, mut columns) = match (&self.trace, &self.from_run) {
            (_, Some(run)) => (run.join(RECORDINGS), Columns::of_run()),
            (Some(trace), None) => (trace.clone(), Columns::default()),
            (None, None) => return Err(Exit::Usage("name a trace".to_owned())),
        };
        for assignment in &self.columns {
            columns.set(assignment).map_err(Exit::Usage)?;
        }
        let options = TraceOptions {
            columns,
            fields: self.fields.clone(),
            skew: self.skew()?,
        };
        Ok((path, options))
    }

    /// A duration with a sign, in seconds.
    fn skew(&self) -> Result<f64, Exit> {
        let Some(text) = &self.skew else {
            return Ok(0.0);
        };
        let (sign, size) = match text.strip_prefix('-') {
            Some(rest) => (-1.0, rest),
            None => (1.0, text.as_str()),
        };
        let duration = racegate_scenario::parse_duration(size)
            .map_err(|error| Exit::Usage(format!("--skew {text}: {error}")))?;
        Ok(sign * duration.as_secs_f64())
    }
}

fn write(folder: &Path, calibration: &Calibration) -> Result<(), Exit> {
    let failed = |error: std::io::Error| Exit::Internal(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let table = calibrate::platform_table(calibration);
    std::fs::write(folder.join("platform.toml"), table).map_err(failed)?;
    let json = format!("{:#}\n", calibrate::json(calibration));
    std::fs::write(folder.join("calibration.json"), json).map_err(failed)?;
    for (name, lag) in [
        ("media", &calibration.media),
        ("metadata", &calibration.metadata),
    ] {
        if let Some(lag) = lag {
            let picture = report::chart(&calibrate::picture(name, lag))
                .map_err(|error| Exit::Internal(error.to_string()))?;
            std::fs::write(folder.join(format!("{name}-lag.svg")), picture.svg).map_err(failed)?;
            std::fs::write(folder.join(format!("{name}-lag.png")), picture.png).map_err(failed)?;
        }
    }
    Ok(())
}
