//! How two runs of the same plan agree, recording by recording: the live engine against the
//! simulator, or either against itself.
//!
//! A pair that differs is *explained* when its decision was nearer than the live run was late: a
//! snapshot one millisecond before a field became visible may fall after it when everything is two
//! milliseconds late. What is not explained is a bug in one engine.

use std::collections::BTreeMap;

use crate::history::Settled;
use crate::ids::{RecordingIndex, TenantIndex};
use crate::outcome::OutcomeKind;
use crate::scenario::{Arm, ReadPath};
use crate::summary::{ConformanceSummary, Disagreement};
use crate::time::{Duration, Timestamp};
use crate::timeline::Timeline;

/// Disagreements kept for the summary.
const SHOWN_MAX: usize = 20;

/// Compares two runs.
#[derive(Clone, Debug, Default)]
pub struct Conformance {
    simulated: BTreeMap<Key, Side>,
    live: BTreeMap<Key, Side>,
    /// How late sessions ended in the live run, at most: it shifts what follows in a queue.
    session_lateness: Duration,
}

type Key = (TenantIndex, RecordingIndex);

/// What one engine decided, and how near the decision was.
#[derive(Clone, Copy, Debug)]
struct Side {
    outcome: OutcomeKind,
    margin: Duration,
    ended_at: Timestamp,
    lateness: Duration,
}

impl Side {
    fn of(settled: &Settled, timeline: &Timeline, arm: &Arm) -> Self {
        let required = arm.required.of(timeline.taken_for());
        let margin = match (settled.snapshot_at, settled.checked_at) {
            (Some(snapshot_at), _) => {
                let fields_at = timeline.true_at(arm.platform.export.read, required);
                match settled.media_read_at {
                    None => distance(snapshot_at, fields_at.max(timeline.media_at)),
                    Some(read_at) => {
                        distance(snapshot_at, fields_at).min(distance(read_at, timeline.media_at))
                    }
                }
            }
            (None, Some(checked_at)) => {
                distance(checked_at, timeline.fields_at(ReadPath::Primary, required))
            }
            (None, None) => Duration::MAX,
        };
        Self {
            outcome: settled.outcome,
            margin,
            ended_at: timeline.ended_at,
            lateness: settled.lateness.unwrap_or(Duration::ZERO),
        }
    }
}

impl Conformance {
    /// A pair that the simulator settled.
    pub fn simulated(&mut self, settled: &Settled, timeline: &Timeline, arm: &Arm) {
        let key = (settled.tenant, settled.recording);
        self.simulated.insert(key, Side::of(settled, timeline, arm));
    }

    /// A pair that the live run settled.
    pub fn live(&mut self, settled: &Settled, timeline: &Timeline, arm: &Arm) {
        let key = (settled.tenant, settled.recording);
        self.live.insert(key, Side::of(settled, timeline, arm));
    }

    /// The agreement on pairs that both settled; `gate_of` names a tenant.
    #[must_use]
    pub fn summary(mut self, gate_of: impl Fn(TenantIndex) -> String) -> ConformanceSummary {
        self.session_lateness = self.session_lateness();
        let mut summary = ConformanceSummary {
            pairs: 0,
            agreed: 0,
            explained: 0,
            unexplained: 0,
            gates: BTreeMap::new(),
            disagreements: Vec::new(),
        };
        for (key, live) in &self.live {
            let Some(simulated) = self.simulated.get(key) else {
                continue;
            };
            let agreed = simulated.outcome == live.outcome;
            let gate = summary.gates.entry(gate_of(key.0)).or_insert((0, 0));
            gate.0 += 1;
            gate.1 += u64::from(agreed);
            summary.pairs += 1;
            if agreed {
                summary.agreed += 1;
                continue;
            }
            let margin = simulated.margin.min(live.margin);
            // A session that was cut off ended when somebody noticed: that much is its own.
            let own = distance(live.ended_at, simulated.ended_at);
            let lateness = live.lateness.saturating_add(self.session_lateness.max(own));
            if margin <= lateness {
                summary.explained += 1;
            } else {
                summary.unexplained += 1;
            }
            summary.disagreements.push(Disagreement {
                gate: gate_of(key.0),
                recording: key.1.0,
                sim: simulated.outcome,
                live: live.outcome,
                margin_s: margin.as_secs_f64(),
                lateness_s: lateness.as_secs_f64(),
            });
        }
        summary
            .disagreements
            .sort_by(|a, b| b.margin_s.total_cmp(&a.margin_s));
        summary.disagreements.truncate(SHOWN_MAX);
        summary
    }

    fn session_lateness(&self) -> Duration {
        let late = self.live.iter().filter_map(|(key, live)| {
            let simulated = self.simulated.get(key)?;
            Some(live.ended_at.since(simulated.ended_at))
        });
        late.max().unwrap_or(Duration::ZERO)
    }
}

fn distance(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).max(b.since(a))
}
