//! A gate in the forced interleaving: its exporter over HTTP and S3, on a clock that jumps from one
//! thing to the next.

use std::collections::VecDeque;

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
    let settled = Driver::start(&stage, &[])
        .await?
        .conduct(&mut stage)
        .await?;
    let verdict = verdict(&stage, settled);
    stage.stop().await;
    Ok(verdict)
}

/// Runs the stage's gate on a recording whose own instants decide, and which is `told` about then;
/// none if its gate waits for ever.
pub(crate) async fn run_free(
    mut stage: Stage,
    told: &[Timestamp],
) -> Result<Option<Settled>, Exit> {
    let settled = Driver::start(&stage, told)
        .await?
        .conduct(&mut stage)
        .await?;
    stage.stop().await;
    Ok(settled)
}

impl Driver {
    async fn start(stage: &Stage, told: &[Timestamp]) -> Result<Self, Exit> {
        let transport = HttpTransport::connect(&stage.server, &stage.tenant).await;
        let transport = transport.map_err(Exit::internal)?;
        let arm = &stage.scenario.arms[0];
        let gate = arm.gates[0].clone();
        let (export, seed) = (&arm.platform.export, stage.scenario.seed);
        let listens = gate.strategy.listens();
        let timeline = stage.timeline();
        let mut coming: VecDeque<(Timestamp, Input)> = VecDeque::new();
        if stage.held == Held::Released {
            let told = told.iter().zip(std::iter::repeat(listens));
            let told = told.filter_map(|(at, event)| {
                Some((
                    *at,
                    Input::Notified(RECORDING, timeline.taken_for(), event?),
                ))
            });
            coming.extend(told);
            coming.push_back((timeline.media_at, Input::MediaStored(RECORDING)));
            coming.make_contiguous().sort_by_key(|(at, _)| *at);
        }
        Ok(Self {
            exporter: Exporter::new(stage.tenant.index, &gate, export, arm.required, seed),
            transport,
            listens,
            coming,
            now: stage.ended_at,
        })
    }
}

struct Driver {
    exporter: Exporter,
    transport: HttpTransport,
    listens: Option<WebhookEvent>,
    /// What it will be told, in order of time.
    coming: VecDeque<(Timestamp, Input)>,
    now: Timestamp,
}

impl Driver {
    /// What becomes of the recording; none if nothing does.
    async fn conduct(&mut self, stage: &mut Stage) -> Result<Option<Settled>, Exit> {
        let timeline = stage.timeline();
        self.tell(Input::Ended(RECORDING, timeline.taken_for()));
        if stage.held == Held::Yes {
            self.tell_media(&timeline);
            if self.listens == Some(WebhookEvent::SessionEnded) {
                self.notify(&timeline, WebhookEvent::SessionEnded);
            }
        }
        let horizon = stage.ended_at + PATIENCE;
        loop {
            if let Some(settled) = self.serve(stage).await {
                return Ok(Some(settled));
            }
            let told = self.coming.front().map(|(at, _)| *at);
            let due = [
                told,
                self.exporter.poll_timeout(),
                stage.service().poll_timeout(),
            ];
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
        while self.coming.front().is_some_and(|(at, _)| *at <= self.now)
            && let Some((_, input)) = self.coming.pop_front()
        {
            self.tell(input);
        }
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
