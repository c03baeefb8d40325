//! What an exporter remembers of a recording until it is settled.

use crate::field::{FieldSet, Kind};
use crate::history::Settled;
use crate::ids::{RecordingIndex, TenantIndex};
use crate::outcome::{Cause, OutcomeKind};
use crate::scenario::SidecarName;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) kind: Kind,
    /// Instants that have not come are never.
    pub(crate) checked_at: Timestamp,
    pub(crate) approved_at: Timestamp,
    pub(crate) snapshot_at: Timestamp,
    pub(crate) media_read_at: Timestamp,
    pub(crate) first_outcome: Option<OutcomeKind>,
    pub(crate) gate_calls: u32,
    pub(crate) checks_answered: u32,
    pub(crate) checks_passed: u32,
    pub(crate) throttled: u32,
    pub(crate) exports: u32,
    pub(crate) rejections: u32,
    /// What the client itself knows to be the reason.
    pub(crate) cause: Option<Cause>,
}

impl Tally {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            checked_at: Timestamp::NEVER,
            approved_at: Timestamp::NEVER,
            snapshot_at: Timestamp::NEVER,
            media_read_at: Timestamp::NEVER,
            first_outcome: None,
            gate_calls: 0,
            checks_answered: 0,
            checks_passed: 0,
            throttled: 0,
            exports: 0,
            rejections: 0,
            cause: None,
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
        self.snapshot_at = snapshot_at;
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
            checked_at: self.checked_at.ever(),
            approved_at: self.approved_at.ever(),
            snapshot_at: self.snapshot_at.ever(),
            media_read_at: self.media_read_at.ever(),
            settled_at,
            gate_calls: self.gate_calls,
            wasted_checks: self.checks_answered - self.checks_passed,
            throttled: self.throttled,
            exports: self.exports,
            lateness: None,
        }
    }
}
