//! `dead-letters.csv`: what each gate gave up, for who has to look after it by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};

use racegate_model::analysis::Tenant;
use racegate_model::field::{Field, FieldSet};
use racegate_model::history::{Entry, Settled};
use racegate_model::ids::{ArmIndex, ConversationId, RecordingId};
use racegate_model::outcome::{Cause, OutcomeKind};
use racegate_model::scenario::{GateSpec, Scenario};
use racegate_model::timeline::Timeline;

use super::recordings::{fields, instant, key_of, text};
use super::{DEAD_LETTERS, RunFolder, TableError};

const HEADER: &str = "arm,gate,conversation_id,recording_id,recording,outcome,reason,missing,\
                      attempts,exports,last_look_s,given_up_s";

impl RunFolder {
    /// Writes `dead-letters.csv` from the history: a row for each recording that a gate abandoned,
    /// or that no job exported. The history is read twice, since a timeline may be written after
    /// its gates are done with it.
    ///
    /// # Errors
    ///
    /// Fails if the history cannot be opened or the table cannot be written.
    pub fn write_dead_letters(
        &self,
        scenario: &Scenario,
        tenants: &[Tenant],
    ) -> Result<(), TableError> {
        let tenant = |settled: &Settled| tenants.get(settled.tenant.0 as usize).copied();
        let key = |settled: &Settled| Some(key_of(scenario, tenant(settled)?, settled));
        let letters: Vec<Settled> = self.read_history()?.filter_map(letter).collect();
        let wanted: BTreeSet<_> = letters.iter().filter_map(key).collect();
        let mut timelines = BTreeMap::new();
        if !letters.is_empty() {
            for entry in self.read_history()? {
                if let Entry::Timeline { arm, timeline } = entry {
                    let key = (arm, timeline.tenant, timeline.recording);
                    if wanted.contains(&key) {
                        timelines.insert(key, timeline);
                    }
                }
            }
        }
        self.write_with(DEAD_LETTERS, |file| {
            let mut table = BufWriter::new(file);
            writeln!(table, "{HEADER}")?;
            for settled in &letters {
                let Some(tenant) = tenant(settled) else {
                    continue;
                };
                let timeline = key(settled).and_then(|key| timelines.get(&key));
                writeln!(table, "{}", row(scenario, tenant, settled, timeline))?;
            }
            table.flush()
        })?;
        Ok(())
    }
}

/// What was settled without an export.
fn letter(entry: Entry) -> Option<Settled> {
    let Entry::Settled(settled) = entry else {
        return None;
    };
    match settled.outcome {
        OutcomeKind::Abandoned
        | OutcomeKind::Rejected
        | OutcomeKind::Skipped
        | OutcomeKind::Errored => Some(settled),
        OutcomeKind::Complete | OutcomeKind::Incomplete | OutcomeKind::Inconsistent => None,
    }
}

fn row(
    scenario: &Scenario,
    tenant: Tenant,
    settled: &Settled,
    timeline: Option<&Timeline>,
) -> String {
    let arm = ArmIndex(u32::try_from(tenant.arm).unwrap_or(u32::MAX));
    let gate = &scenario.arms[tenant.arm].gates[tenant.gate];
    let (seed, recording) = (scenario.seed, settled.recording);
    let missing = timeline.map_or(settled.missing, |timeline| {
        missing(scenario, arm, gate, settled, timeline)
    });
    let cells = [
        text(&scenario.arms[tenant.arm].name),
        text(&gate.name),
        ConversationId::of(seed, recording).to_string(),
        RecordingId::of(seed, recording).to_string(),
        recording.0.to_string(),
        settled.outcome.name().to_owned(),
        settled.cause.map_or("", Cause::name).to_owned(),
        fields(missing),
        settled.gate_calls.to_string(),
        settled.exports.to_string(),
        instant(settled.checked_at),
        instant(Some(settled.settled_at)),
    ];
    cells.join(",")
}

/// What the gate's last look did not show of what a complete export needs; what a job missed where
/// that is known.
fn missing(
    scenario: &Scenario,
    arm: ArmIndex,
    gate: &GateSpec,
    settled: &Settled,
    timeline: &Timeline,
) -> FieldSet {
    let Some(looked_at) = settled.checked_at.filter(|_| settled.missing.is_empty()) else {
        return settled.missing;
    };
    let required = &scenario.arms[arm.0 as usize].required;
    let looks_for = gate.strategy.looks_for();
    let view = timeline.view(looked_at, looks_for.path());
    let needed = required.of(timeline.taken_for()).with(Field::Media);
    let named = looks_for.fields.difference(view.present);
    needed.difference(required.there(&view)).union(named)
}

#[cfg(test)]
mod tests {
    use super::HEADER;

    #[test]
    fn every_column_has_a_name() {
        assert_eq!(HEADER.split(',').count(), 12);
        assert!(!HEADER.contains(' '));
    }
}
