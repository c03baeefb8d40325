//! What an exporter remembers of a recording until it is settled.

use crate::field::{FieldSet, Kind};
use crate::history::Settled;
use crate::ids::{RecordingIndex, TenantIndex};
use crate::outcome::{Cause, OutcomeKind};
use crate::time::{Duration, Timestamp};

#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub(super) kind: Kind,
    pub(super) checked_at: Option<Timestamp>,
    pub(super) approved_at: Option<Timestamp>,
    pub(super) snapshot_at: Option<Timestamp>,
    pub(super) first_outcome: Option<OutcomeKind>,
    pub(super) gate_calls: u32,
    pub(super) checks_answered: u32,
    pub(super) checks_passed: u32,
    pub(super) throttled: u32,
    pub(super) exports: u32,
    pub(super) rejections: u32,
    /// What the client itself knows to be the reason.
    pub(super) cause: Option<Cause>,
    pub(super) lateness: Option<Duration>,
}

impl Tally {
    pub(super) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            checked_at: None,
            approved_at: None,
            snapshot_at: None,
            first_outcome: None,
            gate_calls: 0,
            checks_answered: 0,
            checks_passed: 0,
            throttled: 0,
            exports: 0,
            rejections: 0,
            cause: None,
            lateness: None,
        }
    }

    pub(super) fn settled(
        self,
        tenant: TenantIndex,
        recording: RecordingIndex,
        settled_at: Timestamp,
        outcome: OutcomeKind,
        missing: FieldSet,
    ) -> Settled {
        Settled {
            tenant,
            recording,
            outcome,
            first_outcome: self.first_outcome.filter(|first| *first != outcome),
            missing,
            fate: None,
            cause: self.cause,
            checked_at: self.checked_at,
            approved_at: self.approved_at,
            snapshot_at: self.snapshot_at,
            settled_at,
            gate_calls: self.gate_calls,
            wasted_checks: self.checks_answered - self.checks_passed,
            throttled: self.throttled,
            exports: self.exports,
            lateness: self.lateness,
        }
    }
}
