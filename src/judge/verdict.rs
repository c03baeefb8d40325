//! What became of each recording under the exporter, from what it wrote and asked.

use racegate_model::draws::Seed;
use racegate_model::field::FieldSet;
use racegate_model::history::Settled;
use racegate_model::ids::{RecordingId, RecordingIndex, TenantIndex};
use racegate_model::org::verdict;
use racegate_model::outcome::{Cause, OutcomeKind};
use racegate_model::scenario::RequiredFields;
use racegate_model::time::Timestamp;
use racegate_model::timeline::Timeline;
use serde::Serialize;

use super::exports::{Exports, Written};
use super::journal::{Asked, Calls};

/// What is remarkable beside the outcomes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(super) struct Findings {
    /// Recordings that were to be exported.
    pub(super) recordings: u64,
    /// Recordings exported complete in the end.
    pub(super) complete: u64,
    /// Recordings never exported.
    pub(super) never_exported: u64,
    /// Recordings whose last export lacks a field or holds a false one.
    pub(super) broken: u64,
    /// Recordings that a job listed as failed and that were not exported after all.
    pub(super) failed: u64,
    /// Exports of recordings that had a complete export already.
    pub(super) needless_exports: u64,
    /// Recordings whose first export was not complete and whose last one is.
    pub(super) repaired: u64,
    /// Requests in all, and those answered with 429 or refused otherwise.
    pub(super) requests: u64,
    /// Requests answered with 429.
    pub(super) throttled: u64,
    /// Requests refused for a mistake of the client's: 4xx but 404 and 429.
    pub(super) refused: u64,
    /// Export jobs made.
    pub(super) jobs: u64,
    /// Calls for export jobs.
    pub(super) job_calls: u64,
    /// Requests that the journal forgot, which count nowhere.
    pub(super) forgotten: u64,
    /// What it wrote that cannot be understood.
    pub(super) unreadable: Vec<String>,
}

/// The verdicts of one exporter.
pub(super) struct Verdicts<'a> {
    pub(super) tenant: TenantIndex,
    pub(super) required: RequiredFields,
    pub(super) seed: Seed,
    /// When the run ended.
    pub(super) now: Timestamp,
    pub(super) exports: &'a Exports,
    pub(super) asked: &'a Asked,
}

impl Verdicts<'_> {
    /// What became of the recordings, and what is remarkable.
    pub(super) fn of<'t>(
        &self,
        timelines: impl Iterator<Item = &'t Timeline>,
    ) -> (Vec<Settled>, Findings) {
        let mut findings = Findings {
            requests: self.asked.requests,
            throttled: self.asked.throttled,
            refused: self.asked.refused,
            jobs: self.asked.jobs_made,
            job_calls: self.asked.job_calls,
            forgotten: self.asked.forgotten,
            unreadable: self.exports.unreadable.clone(),
            ..Findings::default()
        };
        let settled = timelines
            .map(|timeline| self.settle(timeline, &mut findings))
            .collect();
        (settled, findings)
    }

    fn settle(&self, timeline: &Timeline, findings: &mut Findings) -> Settled {
        let recording = timeline.recording;
        let written = self.exports.written.get(&recording);
        let written = written.map_or(&[][..], Vec::as_slice);
        let outcomes: Vec<Option<(OutcomeKind, FieldSet)>> = written
            .iter()
            .map(|one| self.judge(one, timeline))
            .collect();
        // What was replaced before it was looked at has no verdict; the last one always has.
        let known = || outcomes.iter().flatten();
        let (outcome, missing) = match known().next_back() {
            Some(last) => *last,
            None if self.exports.failed.contains(&recording) => {
                (OutcomeKind::Errored, FieldSet::EMPTY)
            }
            None => (OutcomeKind::Abandoned, FieldSet::EMPTY),
        };
        let first = known().next().map(|(outcome, _)| *outcome);
        count(findings, outcome, &outcomes);
        let calls = self.calls(recording);
        let last = written.last();
        Settled {
            tenant: self.tenant,
            recording,
            outcome,
            first_outcome: first.filter(|_| written.len() > 1),
            missing,
            fate: None,
            cause: (outcome == OutcomeKind::Errored).then_some(Cause::JobFailure),
            checked_at: (calls.made > 0).then_some(calls.last_at),
            approved_at: None,
            snapshot_at: last.map(|last| last.at),
            media_read_at: last.and_then(|last| last.media_read_at),
            settled_at: last.map_or(self.now, |last| last.at),
            gate_calls: calls.made,
            wasted_checks: calls.wasted,
            throttled: calls.throttled,
            exports: u32::try_from(written.len()).unwrap_or(u32::MAX),
            lateness: None,
        }
    }

    fn judge(&self, written: &Written, timeline: &Timeline) -> Option<(OutcomeKind, FieldSet)> {
        let view = written.view.as_ref()?;
        Some(verdict(&self.required, timeline.taken_for(), view))
    }

    fn calls(&self, recording: RecordingIndex) -> Calls {
        let id = RecordingId::of(self.seed, recording);
        self.asked.recordings.get(&id).copied().unwrap_or_default()
    }
}

fn count(
    findings: &mut Findings,
    outcome: OutcomeKind,
    outcomes: &[Option<(OutcomeKind, FieldSet)>],
) {
    let complete = |one: &Option<(OutcomeKind, FieldSet)>| {
        one.is_some_and(|(outcome, _)| outcome == OutcomeKind::Complete)
    };
    findings.recordings += 1;
    match outcome {
        OutcomeKind::Complete => {
            findings.complete += 1;
            let first = outcomes.iter().flatten().next();
            findings.repaired +=
                u64::from(first.is_some_and(|(outcome, _)| *outcome != OutcomeKind::Complete));
        }
        OutcomeKind::Abandoned => findings.never_exported += 1,
        OutcomeKind::Errored => findings.failed += 1,
        OutcomeKind::Incomplete
        | OutcomeKind::Inconsistent
        | OutcomeKind::Rejected
        | OutcomeKind::Skipped => findings.broken += 1,
    }
    if let Some(first) = outcomes.iter().position(complete) {
        findings.needless_exports += (outcomes.len() - first - 1) as u64;
    }
}

#[cfg(test)]
mod tests {
    use racegate_model::field::Field;
    use racegate_model::history::{EndReason, JobRecord};
    use racegate_model::ids::ArmIndex;
    use racegate_model::recorder::Sink;
    use racegate_model::timeline::{RecordingState, View};

    use super::*;

    const TEXT: &str = include_str!("../../examples/exporters/short.toml");

    /// The timelines of a simulated run.
    #[derive(Default)]
    struct Kept(Vec<Timeline>);

    impl Sink for Kept {
        fn timeline(&mut self, _: ArmIndex, timeline: &Timeline) {
            self.0.push(timeline.clone());
        }
        fn settled(&mut self, _: &Settled, _: &Timeline) {}
        fn job(&mut self, _: &JobRecord) {}
        fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {}
    }

    /// An export at that second which holds all but `missing`, or one that was replaced unseen.
    fn written(secs: u64, missing: Option<FieldSet>) -> Written {
        let all = FieldSet::METADATA.with(Field::Media);
        Written {
            at: Timestamp::from_nanos(secs * 1_000_000_000),
            media_read_at: None,
            view: missing.map(|missing| View {
                present: all.difference(missing),
                null: FieldSet::EMPTY,
                wrong: FieldSet::EMPTY,
                state: RecordingState::Completed,
            }),
        }
    }

    /// What becomes of a recording with these exports.
    fn judged(written: Vec<Written>, failed: &[RecordingIndex]) -> (Settled, Findings) {
        let source = racegate_scenario::Source::new("short.toml", TEXT);
        let scenario = racegate_scenario::parse(&source, &[]).expect("a right scenario");
        let mut kept = Kept::default();
        racegate_model::sim::run(&scenario, &mut kept);
        let timeline = &kept.0[0];
        let mut exports = Exports::default();
        exports.written.insert(timeline.recording, written);
        exports.failed.extend(failed);
        let asked = Asked::default();
        let verdicts = Verdicts {
            tenant: TenantIndex(0),
            required: scenario.arms[0].required,
            seed: scenario.seed,
            now: Timestamp::from_nanos(99_000_000_000),
            exports: &exports,
            asked: &asked,
        };
        let (mut settled, findings) = verdicts.of(std::iter::once(timeline));
        (settled.remove(0), findings)
    }

    const WHOLE: Option<FieldSet> = Some(FieldSet::EMPTY);
    const TORN: Option<FieldSet> = Some(FieldSet::EMPTY.with(Field::LegalHoldFlag));

    #[test]
    fn the_last_export_decides_and_the_first_verdict_is_kept() {
        let (settled, found) = judged(vec![written(1, TORN), written(2, WHOLE)], &[]);
        assert_eq!(settled.outcome, OutcomeKind::Complete);
        assert_eq!(settled.first_outcome, Some(OutcomeKind::Incomplete));
        assert_eq!(
            (found.complete, found.repaired, found.needless_exports),
            (1, 1, 0)
        );
        let (settled, found) = judged(vec![written(1, WHOLE), written(2, TORN)], &[]);
        assert_eq!(settled.outcome, OutcomeKind::Incomplete);
        assert_eq!(settled.missing, FieldSet::EMPTY.with(Field::LegalHoldFlag));
        assert_eq!((found.broken, found.needless_exports), (1, 1));
    }

    #[test]
    fn an_export_that_was_replaced_unseen_has_no_verdict_of_its_own() {
        let (settled, found) = judged(vec![written(1, None), written(2, WHOLE)], &[]);
        assert_eq!(settled.outcome, OutcomeKind::Complete);
        assert_eq!(settled.exports, 2);
        assert_eq!((found.repaired, found.needless_exports), (0, 0));
    }

    #[test]
    fn what_was_never_exported_is_abandoned_unless_a_job_says_that_it_failed() {
        let (settled, found) = judged(Vec::new(), &[]);
        assert_eq!(
            (settled.outcome, found.never_exported),
            (OutcomeKind::Abandoned, 1)
        );
        assert_eq!(settled.settled_at, Timestamp::from_nanos(99_000_000_000));
        let (settled, found) = judged(Vec::new(), &[RecordingIndex(0)]);
        assert_eq!((settled.outcome, found.failed), (OutcomeKind::Errored, 1));
        assert_eq!(settled.cause, Some(Cause::JobFailure));
    }
}
