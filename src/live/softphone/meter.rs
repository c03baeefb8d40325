//! What the softphones count, and how late they were.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use racegate_udp::SendCount;

use super::{CallEnd, CallOutcome, CallStage};

/// Lateness beyond a minute is recorded as a minute.
const LATENESS_MAX_US: u64 = 60_000_000;

/// The counters at one moment.
#[derive(Debug, Clone)]
pub struct SoftphoneReport {
    /// Calls begun.
    pub dialled: u64,
    /// Persistent connections opened.
    pub lines: u64,
    /// Calls over in which audio flowed.
    pub established: u64,
    /// Calls over in which it never did, by [`CallStage::ALL`].
    pub failed: [u64; CallStage::ALL.len()],
    /// Established calls that the other side ended.
    pub cut_off: u64,
    /// Audio packets handed to the kernel.
    pub packets_sent: u64,
    /// Datagrams that the kernel refused.
    pub sends_refused: u64,
    /// Calls that failed for want of file descriptors.
    pub files_short: u64,
    /// Per audio packet, when it was in the kernel less when it was due, in microseconds.
    pub send_lateness_us: Histogram<u64>,
}

impl SoftphoneReport {
    /// Calls that never came to carry audio.
    #[must_use]
    pub fn not_established(&self) -> u64 {
        self.failed.iter().sum()
    }

    /// The 99th percentile of how late audio packets were sent.
    #[must_use]
    pub fn send_lateness_p99(&self) -> Duration {
        Duration::from_micros(self.send_lateness_us.value_at_quantile(0.99))
    }
}

/// The live counters. One lock, taken once per call and once per tick in which audio was sent.
#[derive(Debug)]
pub(super) struct Meter {
    report: Mutex<SoftphoneReport>,
}

impl Meter {
    pub(super) fn new() -> Self {
        let report = SoftphoneReport {
            dialled: 0,
            lines: 0,
            established: 0,
            failed: [0; CallStage::ALL.len()],
            cut_off: 0,
            packets_sent: 0,
            sends_refused: 0,
            files_short: 0,
            send_lateness_us: Histogram::new_with_bounds(1, LATENESS_MAX_US, 3)
                .expect("the bounds are a valid range"),
        };
        Self {
            report: Mutex::new(report),
        }
    }

    fn lock(&self) -> MutexGuard<'_, SoftphoneReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count_dialled(&self) {
        self.lock().dialled += 1;
    }

    /// A persistent connection was opened.
    pub(super) fn count_line(&self) {
        self.lock().lines += 1;
    }

    /// A socket could not be opened; counted if that was for want of file descriptors.
    pub(super) fn count_refusal(&self, error: &std::io::Error) {
        // EMFILE and ENFILE: of the process and of the machine.
        if matches!(error.raw_os_error(), Some(24 | 23)) {
            self.lock().files_short += 1;
        }
    }

    pub(super) fn count(&self, outcome: &CallOutcome) {
        let mut report = self.lock();
        report.established += u64::from(outcome.established_at.is_some());
        match &outcome.end {
            CallEnd::HungUp => {}
            CallEnd::CutOff { .. } => report.cut_off += 1,
            CallEnd::NotEstablished { stage, .. } => report.failed[*stage as usize] += 1,
        }
    }

    pub(super) fn count_sent(&self, lateness: impl Iterator<Item = Duration>, count: SendCount) {
        let mut report = self.lock();
        report.sends_refused += count.refused;
        for late in lateness {
            report.packets_sent += 1;
            let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            report
                .send_lateness_us
                .saturating_record(micros.clamp(1, LATENESS_MAX_US));
        }
    }

    pub(super) fn report(&self) -> SoftphoneReport {
        self.lock().clone()
    }
}
