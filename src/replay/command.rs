//! The user's own exporter in the forced interleaving: its process group, its time-outs, and what
//! its jobs wrote.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use racegate_model::analysis::Exit;
use racegate_model::ids::ArmIndex;
use racegate_model::org::verdict as judged;
use racegate_model::outcome::OutcomeKind;
use racegate_model::repro::Fingerprint;

use super::Verdict;
use super::stage::{Held, RECORDING, Stage};
use crate::judge::{Exports, Running, variables};
use crate::signals::Signals;

/// The command, and how long it is waited for.
pub(crate) struct Command<'a> {
    /// Program and arguments.
    pub(crate) words: &'a [OsString],
    /// Where its output goes.
    pub(crate) folder: &'a Path,
    /// For what it must do next: be observed, then export or end.
    pub(crate) timeout: Duration,
}

/// How waiting for the command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Over {
    /// It ended by itself.
    Ended,
    /// It exported the recording complete.
    Exported,
    /// Its time was over.
    TimedOut,
    /// A signal asked for an end.
    Interrupted,
}

/// Runs the command until it has exported, has ended, or its time is over.
pub(crate) async fn run(
    mut stage: Stage,
    command: &Command<'_>,
    signals: &Signals,
    expect: &Fingerprint,
) -> Result<Verdict, Exit> {
    let variables = variables(&stage.scenario, &stage.server, &stage.tenant);
    let secret = stage.tenant.credentials.client_secret.clone();
    let running = Running::start(command.words, &variables, &secret, command.folder);
    let mut running = running
        .map_err(|error| Exit::Usage(format!("the exporter could not be started: {error}")))?;
    let over = watch(&mut stage, &mut running, command.timeout, signals).await;
    let ended = running.end().await;
    if over == Over::Interrupted {
        stage.stop().await;
        return Err(Exit::Interrupted("the replay was interrupted".to_owned()));
    }
    finish_jobs(&stage, command.timeout).await;
    let verdict = verdict(&stage, over, &ended.how, expect);
    stage.stop().await;
    Ok(verdict)
}

/// Waits for what the command does; nothing is polled.
async fn watch(
    stage: &mut Stage,
    running: &mut Running,
    timeout: Duration,
    signals: &Signals,
) -> Over {
    let answered = stage.server.control().map(|control| control.answered());
    let Some(mut answered) = answered else {
        return Over::TimedOut;
    };
    let mut exports = stage.service().exports();
    let mut stop = signals.stop();
    let deadline = tokio::time::sleep(timeout);
    tokio::pin!(deadline);
    loop {
        if stage.held == Held::Yes && stage.is_observed() {
            stage.release(stage.clock.now(), Held::Released);
            deadline
                .as_mut()
                .reset(tokio::time::Instant::now() + timeout);
        }
        if stage.held != Held::Yes && outcome(stage) == Some(OutcomeKind::Complete) {
            return Over::Exported;
        }
        tokio::select! {
            () = running.wait() => return Over::Ended,
            _ = answered.changed() => {}
            _ = exports.changed() => {}
            _ = stop.changed() => return Over::Interrupted,
            () = &mut deadline => {
                if stage.held != Held::Yes {
                    return Over::TimedOut;
                }
                // It may still show what it does when it is not held up.
                stage.release(stage.clock.now(), Held::GivenUp);
                deadline.as_mut().reset(tokio::time::Instant::now() + timeout);
            }
        }
    }
}

/// Jobs that the command has started and not waited for run to their end.
async fn finish_jobs(stage: &Stage, timeout: Duration) {
    let service = stage.service();
    let jobs = async {
        while let Some(at) = service.poll_timeout() {
            stage.clock.sleep_until(at).await;
            service.handle_timeout(stage.clock.now());
        }
    };
    drop(tokio::time::timeout(timeout, jobs).await);
}

/// What the last export of the recording is.
fn outcome(stage: &Stage) -> Option<OutcomeKind> {
    last(stage).map(|(outcome, _)| outcome)
}

fn last(stage: &Stage) -> Option<(OutcomeKind, racegate_model::field::FieldSet)> {
    let mut exports = Exports::default();
    exports.read_jobs(stage.service(), &stage.tenant.organization);
    let written = exports.written.get(&RECORDING)?;
    let view = written
        .iter()
        .filter_map(|one| one.view.as_ref())
        .next_back()?;
    let timeline = stage.service().timelines(ArmIndex(0)).get(RECORDING)?;
    let required = stage.scenario.arms[0].required;
    Some(judged(&required, timeline.taken_for(), view))
}

fn verdict(stage: &Stage, over: Over, how: &str, expect: &Fingerprint) -> Verdict {
    let missing = expect.missing.iter().count();
    let ended = match over {
        Over::Ended => format!("it ended: {how}"),
        Over::Exported | Over::TimedOut | Over::Interrupted => "its time was over".to_owned(),
    };
    match (last(stage), stage.held) {
        (Some((OutcomeKind::Complete, _)), Held::Released) => Verdict::Complete,
        (Some((OutcomeKind::Complete, _)), Held::Yes | Held::GivenUp) => {
            Verdict::Impossible(format!(
                "the exporter neither exported nor read one address of the recording {} times \
                 while {missing} of its fields were held back; it exported them once they came",
                stage.reads
            ))
        }
        (Some((_, missing)), _) => Verdict::Incomplete(missing),
        (None, _) if !stage.all_comes() => Verdict::Impossible(format!(
            "the exporter never exported the recording, whose {} never come; {ended}",
            stage.never()
        )),
        (None, Held::Released) => Verdict::Impossible(format!(
            "the exporter read the recording until its fields came and never exported it; {ended}"
        )),
        (None, Held::Yes | Held::GivenUp) => Verdict::Impossible(format!(
            "the exporter neither exported the recording nor read one address of it {} times; \
             {ended}",
            stage.reads
        )),
    }
}
