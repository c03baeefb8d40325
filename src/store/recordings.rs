//! `recordings.csv`: one row per gate and recording, for notebooks.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use racegate_model::analysis::Tenant;
use racegate_model::field::{FieldSet, Kind};
use racegate_model::history::{Entry, Settled};
use racegate_model::ids::{ArmIndex, RecordingIndex, TenantIndex};
use racegate_model::outcome::{Fate, OutcomeKind};
use racegate_model::scenario::{ReadPath, Scenario};
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::{Hold, Timeline};
use racegate_model::workload::{Phase, phases};

use super::{OpenError, RECORDINGS, RunFolder, WriteError};

const HEADER: &str = "arm,gate,recording,kind,phase,legal_hold,started_s,ended_s,media_s,get_s,\
                      complete_s,outcome,first_outcome,missing,cause,fate,late_s,approved_s,\
                      snapshot_s,settled_s,added_delay_s,regret_s,gate_calls,wasted_checks,\
                      throttled,exports,lateness_s";

/// Recordings of the warm-up are listed under this phase.
const WARMUP: &str = "warm-up";

/// Why a table of recordings cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The history cannot be read.
    #[error(transparent)]
    Read(#[from] OpenError),
    /// The table cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What a row needs of a timeline.
#[derive(Clone, Copy, Debug)]
struct Facts {
    kind: Kind,
    hold: Hold,
    started_at: Timestamp,
    ended_at: Timestamp,
    media_at: Timestamp,
    /// All required fields on the primary read path.
    get_at: Timestamp,
    /// An export would be complete.
    /// On the path that the export reads.
    fields_at: Timestamp,
}

impl RunFolder {
    /// Writes `recordings.csv` from the history, which is read twice: a recording's timeline may
    /// be written after its gates are done with it. Rows are in the history's order.
    ///
    /// # Errors
    ///
    /// Fails if the history cannot be opened or the table cannot be written.
    pub fn write_recordings(
        &self,
        scenario: &Scenario,
        tenants: &[Tenant],
    ) -> Result<(), TableError> {
        let mut facts = BTreeMap::new();
        for entry in self.read_history()? {
            if let Entry::Timeline { arm, timeline } = entry {
                facts.insert(
                    (arm, timeline.tenant, timeline.recording),
                    facts_of(scenario, arm, &timeline),
                );
            }
        }
        let history = self.read_history()?;
        let phases = phases(&scenario.workload);
        self.write_with(RECORDINGS, |file| {
            let mut table = BufWriter::new(file);
            writeln!(table, "{HEADER}")?;
            for entry in history {
                let Entry::Settled(settled) = entry else {
                    continue;
                };
                let Some(tenant) = tenants.get(settled.tenant.0 as usize) else {
                    continue;
                };
                let key = key_of(scenario, *tenant, &settled);
                let Some(Some(facts)) = facts.get(&key) else {
                    continue;
                };
                write_row(&mut table, scenario, *tenant, &phases, &settled, facts)?;
            }
            table.flush()
        })?;
        Ok(())
    }
}

/// Which timeline a settled recording belongs to: its arm's, or its tenant's own.
pub(super) fn key_of(
    scenario: &Scenario,
    tenant: Tenant,
    settled: &Settled,
) -> (ArmIndex, Option<TenantIndex>, RecordingIndex) {
    let arm = ArmIndex(u32::try_from(tenant.arm).unwrap_or(u32::MAX));
    let coupled = scenario.arms[tenant.arm].is_coupled();
    let own = coupled.then_some(settled.tenant);
    (arm, own, settled.recording)
}

fn facts_of(scenario: &Scenario, arm: ArmIndex, timeline: &Timeline) -> Option<Facts> {
    let arm = scenario.arms.get(arm.0 as usize)?;
    let required = arm.required.of(timeline.kind);
    let on_get = required.iter().map(|field| {
        timeline
            .clock(Timestamp::NEVER, field)
            .visible_at(ReadPath::Primary)
    });
    Some(Facts {
        kind: timeline.kind,
        hold: timeline.hold,
        started_at: timeline.started_at,
        ended_at: timeline.ended_at,
        media_at: timeline.media_at,
        get_at: on_get.fold(Timestamp::ZERO, Timestamp::max),
        fields_at: timeline.true_at(arm.platform.export.read, required),
    })
}

fn write_row(
    table: &mut impl Write,
    scenario: &Scenario,
    tenant: Tenant,
    phases: &[Phase],
    settled: &Settled,
    facts: &Facts,
) -> io::Result<()> {
    let arm = &scenario.arms[tenant.arm];
    let warmup = phases
        .first()
        .is_some_and(|first| facts.started_at < first.start);
    let phase = phases
        .iter()
        .rev()
        .find(|phase| phase.start <= facts.ended_at);
    let phase = if warmup {
        WARMUP
    } else {
        phase.map_or("", |phase| &phase.name)
    };
    let (fate, late) = match settled.fate {
        None => ("", None),
        Some(Fate::Late(by)) => ("late", Some(by)),
        Some(Fate::Lost) => ("lost", None),
    };
    let complete = settled.outcome == OutcomeKind::Complete;
    let added_delay = settled.snapshot_at.map(|at| at.since(facts.ended_at));
    let regret = settled.regret(facts.fields_at, facts.media_at);
    let cells = [
        text(&arm.name),
        text(&arm.gates[tenant.gate].name),
        settled.recording.0.to_string(),
        facts.kind.name().to_owned(),
        text(phase),
        (facts.hold == Hold::Held).to_string(),
        instant(Some(facts.started_at)),
        instant(Some(facts.ended_at)),
        instant(Some(facts.media_at)),
        instant(Some(facts.get_at)),
        instant(Some(facts.fields_at.max(facts.media_at))),
        settled.outcome.name().to_owned(),
        settled
            .first_outcome
            .map_or(String::new(), |outcome| outcome.name().to_owned()),
        fields(settled.missing),
        settled
            .cause
            .map_or(String::new(), |cause| cause.name().to_owned()),
        fate.to_owned(),
        length(late),
        instant(settled.approved_at),
        instant(settled.snapshot_at),
        instant(Some(settled.settled_at)),
        length(added_delay),
        length(regret.filter(|_| complete)),
        settled.gate_calls.to_string(),
        settled.wasted_checks.to_string(),
        settled.throttled.to_string(),
        settled.exports.to_string(),
        length(settled.lateness),
    ];
    writeln!(table, "{}", cells.join(","))
}

/// Seconds of the run's clock to the nanosecond; empty if never.
pub(super) fn instant(at: Option<Timestamp>) -> String {
    length(
        at.filter(|at| !at.is_never())
            .map(|at| at.since(Timestamp::ZERO)),
    )
}

fn length(length: Option<Duration>) -> String {
    let nanos = length.map(Duration::as_nanos);
    nanos.map_or(String::new(), |nanos| {
        format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
    })
}

pub(super) fn fields(fields: FieldSet) -> String {
    fields
        .iter()
        .map(|field| field.name())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A field as RFC 4180 wants it; a sign that a spreadsheet would compute is disarmed.
pub(super) fn text(field: &str) -> String {
    let sign = if field.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{sign}{}\"", field.replace('"', "\"\""))
    } else {
        format!("{sign}{field}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_plain_or_quoted() {
        assert_eq!(text("forum"), "forum");
        assert_eq!(text("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(text("=1+1"), "'=1+1");
        assert_eq!(instant(Some(Timestamp::NEVER)), "");
        assert_eq!(length(Some(Duration::from_millis(1_500))), "1.500000000");
        assert_eq!(fields(FieldSet::EMPTY), "");
    }

    #[test]
    fn every_column_has_a_name() {
        assert_eq!(HEADER.split(',').count(), 27);
        assert!(!HEADER.contains(' '));
    }
}
