//! Accounting: every ended recording is settled once per tenant, or in flight.

use std::collections::BTreeMap;

use super::Accumulator;
use crate::history::Settled;
use crate::ids::{ArmIndex, RecordingIndex, TenantIndex};
use crate::index_set::IndexSet;

/// What does not close.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    unknown_arms: u64,
    unknown_tenants: u64,
    /// By arm of the scenario.
    ended_twice: BTreeMap<usize, Repeats>,
    /// By tenant.
    settled_twice: BTreeMap<usize, Repeats>,
    /// Recordings that were in two shares of the run.
    in_two_shares: u64,
    /// The runs that were merged; none before the first merge.
    merged: Option<Merged>,
}

/// What remains of merged runs.
#[derive(Clone, Debug)]
struct Merged {
    replications: u64,
    interrupted: bool,
    reasons: Vec<String>,
}

/// How many recordings something happened to again, and the first of them.
#[derive(Clone, Copy, Debug)]
struct Repeats {
    count: u64,
    first: u64,
}

impl Closing {
    pub(crate) const fn new() -> Self {
        Self {
            unknown_arms: 0,
            unknown_tenants: 0,
            ended_twice: BTreeMap::new(),
            settled_twice: BTreeMap::new(),
            in_two_shares: 0,
            merged: None,
        }
    }

    pub(crate) fn unknown_arm(&mut self, _arm: ArmIndex) {
        self.unknown_arms += 1;
    }

    pub(crate) fn unknown_tenant(&mut self, _tenant: TenantIndex) {
        self.unknown_tenants += 1;
    }

    pub(crate) fn ended_twice(&mut self, arm: usize, recording: RecordingIndex) {
        repeat(&mut self.ended_twice, arm, recording);
    }

    pub(crate) fn settled_twice(&mut self, tenant: usize, recording: RecordingIndex) {
        repeat(&mut self.settled_twice, tenant, recording);
    }

    pub(crate) const fn in_two_shares(&mut self, recordings: u64) {
        self.in_two_shares += recordings;
    }

    /// Adds what does not close in another share of the same run.
    pub(crate) fn add_share(&mut self, other: &Self) {
        self.unknown_arms += other.unknown_arms;
        self.unknown_tenants += other.unknown_tenants;
        self.in_two_shares += other.in_two_shares;
        let maps = [
            (&mut self.ended_twice, &other.ended_twice),
            (&mut self.settled_twice, &other.settled_twice),
        ];
        for (mine, theirs) in maps {
            for (key, more) in theirs {
                let repeats = mine.entry(*key).or_insert(Repeats { count: 0, ..*more });
                repeats.count += more.count;
                repeats.first = repeats.first.min(more.first);
            }
        }
    }

    pub(crate) fn replications(&self) -> u64 {
        self.merged.as_ref().map_or(1, |merged| merged.replications)
    }
}

fn repeat(repeats: &mut BTreeMap<usize, Repeats>, key: usize, recording: RecordingIndex) {
    let repeats = repeats.entry(key).or_insert(Repeats {
        count: 0,
        first: recording.0,
    });
    repeats.count += 1;
    repeats.first = repeats.first.min(recording.0);
}

impl Accumulator {
    /// Adds the counts of further replications: same scenario and tenants, other seeds. Merge in
    /// a fixed order. The hashes add up; seed and plan stay those of the first.
    ///
    /// # Panics
    ///
    /// If the two did not run the same tenants.
    #[must_use]
    pub fn merge(mut self, mut other: Self) -> Self {
        assert_eq!(
            self.context.tenants, other.context.tenants,
            "replications run the same tenants"
        );
        self.seal();
        other.seal();
        if let (Some(mine), Some(theirs)) = (&mut self.closing.merged, other.closing.merged) {
            mine.replications += theirs.replications;
            mine.interrupted |= theirs.interrupted;
            for reason in theirs.reasons {
                if !mine.reasons.contains(&reason) {
                    mine.reasons.push(reason);
                }
            }
        }
        for (mine, theirs) in self.arms.iter_mut().zip(&other.arms) {
            for (cell, more) in mine.cells.iter_mut().zip(&theirs.cells) {
                cell.add_replications(more);
            }
            for (cell, more) in mine.regional.iter_mut().zip(&theirs.regional) {
                cell.add_replications(more);
            }
            let usages = mine
                .usage
                .iter_mut()
                .flatten()
                .zip(theirs.usage.iter().flatten());
            usages.for_each(|(usage, more)| usage.add_replications(more));
        }
        for (mine, theirs) in self.tenants.iter_mut().zip(&other.tenants) {
            for (cell, more) in mine.cells.iter_mut().zip(&theirs.cells) {
                cell.add_replications(more);
            }
            for (cell, more) in mine.jobs.iter_mut().zip(&theirs.jobs) {
                cell.batches.add_replications(&more.batches);
            }
        }
        for (mine, theirs) in self
            .pairs
            .iter_mut()
            .flatten()
            .zip(other.pairs.iter().flatten())
        {
            mine.add_replications(theirs);
        }
        self.over_time.merge(&other.over_time);
        self.hash.merge(other.hash);
        self.not_established += other.not_established;
        self.warmup_recordings += other.warmup_recordings;
        self.last_at = self.last_at.max(other.last_at);
        self
    }

    /// Replications merged so far; one for a single run.
    #[must_use]
    pub fn replications(&self) -> u64 {
        self.closing.replications()
    }

    /// Whether a run was cut short.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        match &self.closing.merged {
            Some(merged) => merged.interrupted,
            None => self.end.as_ref().is_none_or(super::cut_short),
        }
    }

    /// A settled recording whose timeline never came: a fault if the run came to its end, and the
    /// ordinary state of a history that was cut off.
    pub(crate) fn orphan(&mut self, settled: &Settled) {
        if self.end.is_some() && self.arm_of(settled).is_some() {
            self.tenants[settled.tenant.0 as usize]
                .settled
                .insert(settled.recording.0);
        }
    }

    /// Why the numbers cannot be trusted; empty if they can.
    pub(crate) fn invalid_reasons(&self) -> Vec<String> {
        match &self.closing.merged {
            Some(merged) => merged.reasons.clone(),
            None => self.reasons_of_run(),
        }
    }

    /// Settles the accounts of one run, whose recordings cannot be told from another run's.
    fn seal(&mut self) {
        if self.closing.merged.is_some() {
            return;
        }
        let merged = Merged {
            replications: 1,
            interrupted: self.interrupted(),
            reasons: self.reasons_of_run(),
        };
        self.closing = Closing {
            merged: Some(merged),
            ..Closing::new()
        };
        self.arms
            .iter_mut()
            .for_each(|arm| arm.ended = IndexSet::default());
        self.tenants
            .iter_mut()
            .for_each(|tenant| tenant.settled = IndexSet::default());
    }

    fn reasons_of_run(&self) -> Vec<String> {
        let closing = &self.closing;
        let mut reasons = Vec::new();
        if closing.unknown_arms + closing.unknown_tenants > 0 {
            let count = closing.unknown_arms + closing.unknown_tenants;
            reasons.push(format!(
                "{count} entries are of an arm or gate that was not run"
            ));
        }
        if closing.in_two_shares > 0 {
            let count = closing.in_two_shares;
            reasons.push(format!(
                "accounting: {count} recordings were simulated twice"
            ));
        }
        for (arm, Repeats { count, first }) in &closing.ended_twice {
            let arm = &self.scenario.arms[*arm].name;
            reasons.push(format!(
                "accounting: {count} recordings of arm `{arm}` ended twice, first {first}"
            ));
        }
        for (tenant, Repeats { count, first }) in &closing.settled_twice {
            let tenant = self.tenant_name(*tenant);
            reasons.push(format!(
                "accounting: {count} recordings of {tenant} settled twice, first {first}"
            ));
        }
        if let Some(end) = &self.end {
            self.check_ended(&end.ended, &mut reasons);
            reasons.extend(end.invalid_reasons.iter().cloned());
        }
        reasons
    }

    /// Ended = Σ outcomes + in flight, per tenant, and what the engine counted.
    fn check_ended(&self, counted: &[u64], reasons: &mut Vec<String>) {
        for state in &self.arms {
            let arm = &self.scenario.arms[state.arm].name;
            let (seen, counted) = (state.ended.len(), counted.get(state.arm).copied());
            if counted != Some(seen) {
                let counted = counted.unwrap_or(0);
                reasons.push(format!(
                    "accounting: the engine counted {counted} ended recordings of arm `{arm}`, \
                     the history holds {seen}"
                ));
            }
        }
        for (position, tenant) in self.tenants.iter().enumerate() {
            let ended = &self.arms[tenant.arm_slot].ended;
            if let Some((count, first)) = tenant.settled.beyond(ended) {
                let tenant = self.tenant_name(position);
                reasons.push(format!(
                    "accounting: {count} recordings of {tenant} settled without having ended, \
                     first {first}"
                ));
            }
        }
    }

    fn tenant_name(&self, position: usize) -> String {
        let tenant = self.tenants[position].tenant;
        let arm = &self.scenario.arms[tenant.arm];
        format!(
            "gate `{}` of arm `{}`",
            arm.gates[tenant.gate].name, arm.name
        )
    }
}
