//! One tenant in real time: drives its exporter, on a schedule that slow replies do not shift.
//!
//! The exporter's clock is logical: a call and its reply both happen at the instant at which the
//! call was due, as in the simulation, where the network takes no time. How much later they really
//! happened is measured and kept with the recording. So lateness does not add up over a run, and a
//! disagreement with the simulation can be held against it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mock_api::clock::RunClock;
use racegate_model::exporter::{Command, Exporter, Input, LocalJob, Output};
use racegate_model::history::{JobRecord, Settled};
use racegate_model::ids::RecordingIndex;
use racegate_model::time::{Duration, Timestamp};
use tokio::sync::mpsc;

use super::transport::Transport;

/// What a tenant gets to know from outside, and when it happened.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) at: Timestamp,
    pub(super) input: Input,
    /// How late the event itself was.
    pub(super) lateness: Duration,
}

/// What a tenant has to say.
#[derive(Debug)]
pub(super) enum Record {
    Settled(Settled),
    Job(JobRecord),
    /// A call was sent that much after it was due.
    Sent(Duration),
}

/// Calls under way at once, per tenant; more wait their turn and count as late.
const CALLS_MAX: usize = 128;

pub(super) struct TenantDriver<T> {
    exporter: Exporter,
    transport: Arc<T>,
    clock: RunClock,
    jobs: BTreeMap<LocalJob, Vec<RecordingIndex>>,
    records: mpsc::UnboundedSender<Record>,
    permits: Arc<tokio::sync::Semaphore>,
}

/// A reply, when its call was due, and when it came.
struct Replied {
    due_at: Timestamp,
    sent_at: Timestamp,
    replied_at: Timestamp,
    concerns: Concerns,
    input: Input,
}

#[derive(Clone, Copy)]
enum Concerns {
    Recording(RecordingIndex),
    Job(LocalJob),
}

impl<T: Transport> TenantDriver<T> {
    pub(super) fn new(
        exporter: Exporter,
        transport: T,
        clock: RunClock,
        records: mpsc::UnboundedSender<Record>,
    ) -> Self {
        Self {
            exporter,
            transport: Arc::new(transport),
            clock,
            jobs: BTreeMap::new(),
            records,
            permits: Arc::new(tokio::sync::Semaphore::new(CALLS_MAX)),
        }
    }

    /// Runs until the inbox is closed.
    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        let mut calls = FuturesUnordered::new();
        let mut now = self.clock.now();
        loop {
            while let Some(output) = self.exporter.poll_output() {
                match output {
                    Output::Command(command) => calls.push(self.call(now, command)),
                    Output::Settled(settled) => self.record(Record::Settled(settled)),
                    Output::Job(job) => self.record(Record::Job(job)),
                }
            }
            let timeout = self.exporter.poll_timeout();
            tokio::select! {
                biased;
                Some(replied) = calls.next() => now = self.replied(replied),
                message = inbox.recv() => {
                    let Some(message) = message else { return };
                    now = message.at;
                    let about = if let Input::Ended(recording, _)
                    | Input::Notified(recording, ..) = message.input
                    {
                        Some(recording)
                    } else {
                        None
                    };
                    self.exporter.handle_input(now, message.input);
                    if let Some(recording) = about {
                        self.exporter.note_lateness(recording, message.lateness);
                    }
                }
                () = sleep_until(self.clock, timeout), if timeout.is_some() => {
                    now = timeout.unwrap_or(now);
                    self.exporter.handle_timeout(now);
                }
            }
        }
    }

    fn call(
        &mut self,
        due_at: Timestamp,
        command: Command,
    ) -> impl Future<Output = Replied> + Send + use<T> {
        let concerns = match &command {
            Command::Read(read) => Concerns::Recording(read.recording()),
            Command::CreateJob { job, recordings } => {
                self.jobs.insert(*job, recordings.clone());
                Concerns::Job(*job)
            }
            Command::PollJob(job) | Command::StartJob(job) | Command::ReadExport(job) => {
                Concerns::Job(*job)
            }
        };
        let (transport, clock) = (Arc::clone(&self.transport), self.clock);
        let permits = Arc::clone(&self.permits);
        async move {
            // The semaphore is never closed, so there always is a permit in the end.
            let permit = permits.acquire().await;
            let sent_at = clock.now();
            let input = transport.call(due_at, command).await;
            drop(permit);
            Replied {
                due_at,
                sent_at,
                replied_at: clock.now(),
                concerns,
                input,
            }
        }
    }

    /// Handles a reply; returns the logical instant at which it came.
    fn replied(&mut self, replied: Replied) -> Timestamp {
        let Replied {
            due_at,
            sent_at,
            replied_at,
            concerns,
            input,
        } = replied;
        self.record(Record::Sent(sent_at.since(due_at)));
        let lateness = replied_at.since(due_at);
        match concerns {
            Concerns::Recording(recording) => self.exporter.note_lateness(recording, lateness),
            Concerns::Job(job) => {
                for recording in self.jobs.get(&job).into_iter().flatten() {
                    self.exporter.note_lateness(*recording, lateness);
                }
                if matches!(input, Input::Exported(..)) {
                    self.jobs.remove(&job);
                }
            }
        }
        self.exporter.handle_input(due_at, input);
        due_at
    }

    fn record(&self, record: Record) {
        // Whoever listened has stopped: the run is over, and nothing is measured any more.
        drop(self.records.send(record));
    }
}

async fn sleep_until(clock: RunClock, at: Option<Timestamp>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
