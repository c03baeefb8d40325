//! What an exporter remembers of a recording until it is settled.

use crate::field::{FieldSet, Kind};
use crate::history::Settled;
use crate::ids::{RecordingIndex, TenantIndex};
use crate::outcome::{Cause, OutcomeKind};
use crate::scenario::SidecarName;
use crate::time::{Duration, Timestamp};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) kind: Kind,
    pub(crate) checked_at: Option<Timestamp>,
    pub(crate) approved_at: Option<Timestamp>,
    pub(crate) snapshot_at: Option<Timestamp>,
    pub(crate) media_read_at: Option<Timestamp>,
    pub(crate) first_outcome: Option<OutcomeKind>,
    pub(crate) gate_calls: u32,
    pub(crate) checks_answered: u32,
    pub(crate) checks_passed: u32,
    pub(crate) throttled: u32,
    pub(crate) exports: u32,
    pub(crate) rejections: u32,
    /// What the client itself knows to be the reason.
    pub(crate) cause: Option<Cause>,
    pub(crate) lateness: Option<Duration>,
}

impl Tally {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            checked_at: None,
            approved_at: None,
            snapshot_at: None,
            media_read_at: None,
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

    /// A sidecar was read: what it is, and when it was taken.
    #[inline]
    pub(crate) fn exported(
        &mut self,
        snapshot_at: Timestamp,
        outcome: OutcomeKind,
        name: SidecarName,
    ) {
        self.cause = name.cause();
        self.exports += 1;
        self.snapshot_at = Some(snapshot_at);
        self.first_outcome.get_or_insert(outcome);
    }

    #[inline(always)]
    pub(crate) fn settled(
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
            media_read_at: self.media_read_at,
            settled_at,
            gate_calls: self.gate_calls,
            wasted_checks: self.checks_answered - self.checks_passed,
            throttled: self.throttled,
            exports: self.exports,
            lateness: self.lateness,
        }
    }
}
