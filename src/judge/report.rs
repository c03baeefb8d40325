//! What is said of an exporter that was judged, below the tables of the run.

use std::fmt::Write as _;

use racegate_model::analysis::Exit;

use super::Judgement;
use super::verdict::Findings;

/// What was found, in lines.
pub(crate) fn print(judgement: &Judgement, gate: &str) -> String {
    let found = &judgement.findings;
    let mut text = format!("Your exporter ({gate})\n");
    let mut line = |label: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {label:<22}{value}");
    };
    line(
        "complete",
        format!("{} of {} recordings", found.complete, found.recordings),
    );
    if found.broken > 0 {
        line("incomplete or false", found.broken.to_string());
    }
    if found.never_exported > 0 {
        line("never exported", found.never_exported.to_string());
    }
    if found.failed > 0 {
        line("failed in a job", found.failed.to_string());
    }
    if found.repaired > 0 {
        line(
            "repaired later",
            format!("{} of the complete ones", found.repaired),
        );
    }
    if found.needless_exports > 0 {
        let count = found.needless_exports;
        line(
            "exported again",
            format!("{count} times, though complete already"),
        );
    }
    line(
        "requests",
        format!(
            "{}, of them {} for {} export jobs; {} got 429, {} were refused",
            found.requests, found.job_calls, found.jobs, found.throttled, found.refused
        ),
    );
    if found.forgotten > 0 {
        line(
            "not counted",
            format!("{} requests, which the journal forgot", found.forgotten),
        );
    }
    if let Some(command) = &judgement.command {
        let when = if command.by_itself {
            "by itself"
        } else {
            "when told to"
        };
        line("command", format!("ended {when}: {}", command.how));
        if command.secrets_in_output > 0 {
            let count = command.secrets_in_output;
            line(
                "secrets",
                format!("its client secret is {count} times in its output"),
            );
        }
    }
    for unreadable in &found.unreadable {
        line("not understood", unreadable.clone());
    }
    text
}

/// How a judgement ends the command, beside what the scenario expects.
pub(crate) fn exit(judgement: &Judgement) -> Exit {
    let Findings {
        recordings,
        complete,
        broken,
        never_exported,
        failed,
        ..
    } = judgement.findings;
    if recordings == 0 {
        return Exit::NoSamples("no recording ended, so there was nothing to export".to_owned());
    }
    if complete == recordings {
        return Exit::Met(format!(
            "all {recordings} recordings were exported complete"
        ));
    }
    Exit::Failed(format!(
        "of {recordings} recordings {broken} were exported incomplete or false, {never_exported} \
         never, {failed} failed"
    ))
}
