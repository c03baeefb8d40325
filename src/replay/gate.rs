//! A gate in the forced interleaving: its exporter over HTTP and S3, on a clock that jumps from one
//! thing to the next.

use racegate_model::analysis::Exit;
use racegate_model::exporter::{Exporter, Input, Output};
use racegate_model::history::Settled;
use racegate_model::outcome::OutcomeKind;
use racegate_model::scenario::WebhookEvent;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Timeline;

use super::Verdict;
use super::stage::{Held, RECORDING, Stage};
use crate::live::HttpTransport;
use crate::live::transport::Transport as _;

/// A gate that has not settled the recording by then waits for something else.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Runs the stage's gate until it has settled the recording.
pub(crate) async fn run(mut stage: Stage) -> Result<Verdict, Exit> {
    let transport = HttpTransport::connect(&stage.server, &stage.tenant).await;
    let transport = transport.map_err(Exit::internal)?;
    let arm = &stage.scenario.arms[0];
    let gate = arm.gates[0].clone();
    let (export, seed) = (&arm.platform.export, stage.scenario.seed);
    let mut driver = Driver {
        exporter: Exporter::new(stage.tenant.index, &gate, export, arm.required, seed),
        transport,
        listens: gate.strategy.listens(),
        now: stage.ended_at,
    };
    let settled = driver.conduct(&mut stage).await?;
    let verdict = verdict(&stage, settled);
    stage.stop().await;
    Ok(verdict)
}

struct Driver {
    exporter: Exporter,
    transport: HttpTransport,
    listens: Option<WebhookEvent>,
    now: Timestamp,
}

impl Driver {
    /// What becomes of the recording; none if nothing does.
    async fn conduct(&mut self, stage: &mut Stage) -> Result<Option<Settled>, Exit> {
        let timeline = stage.timeline();
        self.tell(Input::Ended(RECORDING, timeline.taken_for()));
        self.tell_media(&timeline);
        if self.listens == Some(WebhookEvent::SessionEnded) {
            self.notify(&timeline, WebhookEvent::SessionEnded);
        }
        let horizon = stage.ended_at + PATIENCE;
        loop {
            if let Some(settled) = self.serve(stage).await {
                return Ok(Some(settled));
            }
            let due = [self.exporter.poll_timeout(), stage.service().poll_timeout()];
            match due.into_iter().flatten().min() {
                Some(at) if at <= horizon => self.advance(stage, at)?,
                _ if stage.held == Held::Yes => self.release(stage, Held::GivenUp),
                _ => return Ok(None),
            }
        }
    }

    /// Carries out what the exporter wants, and releases what is held back once it was observed.
    async fn serve(&mut self, stage: &mut Stage) -> Option<Settled> {
        loop {
            if stage.held == Held::Yes && stage.is_observed() {
                self.release(stage, Held::Released);
            }
            match self.exporter.poll_output()? {
                Output::Command(command) => {
                    let input = self.transport.call(self.now, command).await;
                    self.tell(input);
                }
                Output::Settled(settled) => return Some(settled),
                Output::Job(_) => {}
            }
        }
    }

    /// The clock jumps to `at`.
    fn advance(&mut self, stage: &Stage, at: Timestamp) -> Result<(), Exit> {
        self.now = self.now.max(at);
        if let Some(dial) = stage.clock.dial()
            && stage.clock.now() < self.now
        {
            dial.set(self.now).map_err(Exit::internal)?;
        }
        stage.service().handle_timeout(self.now);
        self.exporter.handle_timeout(self.now);
        Ok(())
    }

    fn release(&mut self, stage: &mut Stage, how: Held) {
        let before = stage.timeline();
        let released = stage.release(self.now, how);
        if before.media_at.is_never() {
            self.tell_media(&released);
        }
        if self.listens == Some(WebhookEvent::MetadataReady) && stage.all_comes() {
            self.notify(&released, WebhookEvent::MetadataReady);
        }
    }

    fn tell(&mut self, input: Input) {
        self.exporter.handle_input(self.now, input);
    }

    fn tell_media(&mut self, timeline: &Timeline) {
        if !timeline.media_at.is_never() {
            self.tell(Input::MediaStored(RECORDING));
        }
    }

    fn notify(&mut self, timeline: &Timeline, event: WebhookEvent) {
        self.tell(Input::Notified(RECORDING, timeline.taken_for(), event));
    }
}

fn verdict(stage: &Stage, settled: Option<Settled>) -> Verdict {
    let gate = &stage.tenant.gate;
    let Some(settled) = settled else {
        return Verdict::Impossible(format!(
            "{gate} waits for something else than the recording's metadata and never exports"
        ));
    };
    match (settled.outcome, stage.held) {
        (OutcomeKind::Incomplete, _) => Verdict::Incomplete(settled.missing),
        (OutcomeKind::Complete, Held::Released) => Verdict::Complete,
        (OutcomeKind::Complete, Held::Yes | Held::GivenUp) => Verdict::Impossible(format!(
            "{gate} neither read nor exported the recording while its metadata was held back"
        )),
        _ if !stage.all_comes() => Verdict::Impossible(format!(
            "{gate} did not export the recording ({}), whose {} never come",
            settled.outcome.name(),
            stage.never()
        )),
        (outcome, _) => Verdict::Impossible(format!(
            "{gate} did not export the recording: {} (--reads says how many reads are held up)",
            outcome.name()
        )),
    }
}
