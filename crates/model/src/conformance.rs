//! How two runs of the same plan agree, recording by recording: the live engine against the
//! simulator, or either against itself.
//!
//! A pair that differs is *explained* when its decision was nearer than the live run was late: a
//! snapshot one millisecond before a field became visible may fall after it when everything is two
//! milliseconds late, and what misses a refresh of the index by that much comes with the next one.
//! Where recordings share jobs, a pair may have *moved to another job*: a
//! recording that ends just as a job is created is in that job in one run and in the next one in
//! the other, or the job's own creation has moved, and with it what the job draws. Neither engine
//! is wrong about it. What is not explained is a bug in one engine.

use std::collections::BTreeMap;

use crate::history::{JobRecord, Settled};
use crate::ids::{RecordingIndex, TenantIndex};
use crate::job_draws::JobDraws;
use crate::outcome::OutcomeKind;
use crate::scenario::{Arm, ReadPath, Slots};
use crate::summary::{ConformanceSummary, Disagreement, Explanation};
use crate::time::{Duration, Timestamp};
use crate::timeline::Timeline;

/// Disagreements kept for the summary.
const SHOWN_MAX: usize = 20;

/// Compares two runs.
#[derive(Clone, Debug, Default)]
pub struct Conformance {
    simulated: Run,
    live: Run,
    /// How late sessions ended in the live run, at most: it shifts what follows in a queue.
    session_lateness: Duration,
}

type Key = (TenantIndex, RecordingIndex);

/// What one engine settled.
#[derive(Clone, Debug, Default)]
struct Run {
    pairs: BTreeMap<Key, Side>,
    /// Jobs that took sidecars: tenant and instant of the snapshot → creation.
    jobs: BTreeMap<(TenantIndex, Timestamp), Timestamp>,
}

/// When the job of a recording was created, and what keys its draws.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct JobOf {
    created_at: Timestamp,
    key: (u64, u64),
    /// How near another job of the tenant was created: their order may be another one elsewhere.
    near: Duration,
}

impl Run {
    fn job(&mut self, job: &JobRecord) {
        if let Some(snapshot_at) = job.snapshot_at {
            self.jobs.insert((job.tenant, snapshot_at), job.created_at);
        }
    }

    /// The jobs by tenant and snapshot, with what keys their draws.
    fn keyed(&self) -> BTreeMap<(TenantIndex, Timestamp), JobOf> {
        let mut by_creation: Vec<_> = self
            .jobs
            .iter()
            .map(|(at, created)| (*at, *created))
            .collect();
        by_creation
            .sort_by_key(|((tenant, snapshot_at), created)| (*tenant, *created, *snapshot_at));
        let mut keyed = BTreeMap::new();
        for jobs in by_creation.chunk_by(|(a, _), (b, _)| a.0 == b.0) {
            let keys = JobDraws::keys(jobs.iter().map(|(_, created)| *created));
            for (nth, ((at, created_at), key)) in jobs.iter().zip(keys).enumerate() {
                let others = [nth.checked_sub(1), nth.checked_add(1)]
                    .into_iter()
                    .flatten();
                let gaps = others.filter_map(|other| jobs.get(other));
                let near = gaps.map(|(_, other)| distance(*other, *created_at)).min();
                let job = JobOf {
                    created_at: *created_at,
                    key,
                    near: near.unwrap_or(Duration::MAX),
                };
                keyed.insert(*at, job);
            }
        }
        keyed
    }
}

/// What one engine decided, and how near the decision was.
#[derive(Clone, Copy, Debug)]
struct Side {
    outcome: OutcomeKind,
    margin: Duration,
    ended_at: Timestamp,
    lateness: Duration,
    /// Interval of the index's refreshes.
    refresh: Duration,
    /// When the required fields were on the primary read path, and on the index.
    fields_at: [Timestamp; 2],
    /// The snapshot of a job that others share.
    shared_at: Option<Timestamp>,
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
            fields_at: [ReadPath::Primary, ReadPath::Index]
                .map(|path| timeline.fields_at(path, required)),
            refresh: arm.platform.index.refresh,
            shared_at: settled
                .snapshot_at
                .filter(|_| arm.platform.export.slots != Slots::Unlimited),
        }
    }
}

impl Conformance {
    /// A pair that the simulator settled.
    pub fn simulated(&mut self, settled: &Settled, timeline: &Timeline, arm: &Arm) {
        let key = (settled.tenant, settled.recording);
        let side = Side::of(settled, timeline, arm);
        self.simulated.pairs.insert(key, side);
    }

    /// A job of the simulator.
    pub fn simulated_job(&mut self, job: &JobRecord) {
        self.simulated.job(job);
    }

    /// A pair that the live run settled.
    pub fn live(&mut self, settled: &Settled, timeline: &Timeline, arm: &Arm) {
        let key = (settled.tenant, settled.recording);
        let side = Side::of(settled, timeline, arm);
        self.live.pairs.insert(key, side);
    }

    /// A job of the live run.
    pub fn live_job(&mut self, job: &JobRecord) {
        self.live.job(job);
    }

    /// The agreement on pairs that both settled; `gate_of` names a tenant.
    #[must_use]
    pub fn summary(mut self, gate_of: impl Fn(TenantIndex) -> String) -> ConformanceSummary {
        self.session_lateness = self.session_lateness();
        let mut summary = ConformanceSummary {
            pairs: 0,
            agreed: 0,
            explained: 0,
            moved: 0,
            unexplained: 0,
            gates: BTreeMap::new(),
            disagreements: Vec::new(),
        };
        let jobs = [self.simulated.keyed(), self.live.keyed()];
        for (key, live) in &self.live.pairs {
            let Some(simulated) = self.simulated.pairs.get(key) else {
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
            let sides = [simulated, live];
            let (why, count) = if margin <= lateness || missed_refresh(sides, lateness) {
                (Explanation::Lateness, &mut summary.explained)
            } else if moved(&jobs, key.0, sides, lateness) {
                (Explanation::AnotherJob, &mut summary.moved)
            } else {
                (Explanation::None, &mut summary.unexplained)
            };
            *count += 1;
            summary.disagreements.push(Disagreement {
                gate: gate_of(key.0),
                recording: key.1.0,
                sim: simulated.outcome,
                live: live.outcome,
                why,
                margin_s: margin.as_secs_f64(),
                lateness_s: lateness.as_secs_f64(),
            });
        }
        summary
            .disagreements
            .sort_by(|a, b| (a.why.cmp(&b.why)).then(b.margin_s.total_cmp(&a.margin_s)));
        summary.disagreements.truncate(SHOWN_MAX);
        summary
    }

    fn session_lateness(&self) -> Duration {
        let late = self.live.pairs.iter().filter_map(|(key, live)| {
            let simulated = self.simulated.pairs.get(key)?;
            Some(live.ended_at.since(simulated.ended_at))
        });
        late.max().unwrap_or(Duration::ZERO)
    }
}

/// Whether the index showed the fields one refresh later in one run, although they were on the
/// primary read path at nearly the same time.
fn missed_refresh([simulated, live]: [&Side; 2], lateness: Duration) -> bool {
    let [primary, index] =
        [0, 1].map(|path| distance(simulated.fields_at[path], live.fields_at[path]));
    simulated.refresh > Duration::ZERO && primary <= lateness && index == simulated.refresh
}

/// Whether a recording was in jobs of different times, or in one that draws otherwise.
fn moved(
    jobs: &[BTreeMap<(TenantIndex, Timestamp), JobOf>; 2],
    tenant: TenantIndex,
    sides: [&Side; 2],
    lateness: Duration,
) -> bool {
    let job = |engine: usize| {
        let at = sides[engine].shared_at?;
        jobs[engine].get(&(tenant, at)).copied()
    };
    let (Some(simulated), Some(live)) = (job(0), job(1)) else {
        return false;
    };
    let apart = distance(simulated.created_at, live.created_at) > lateness;
    let swapped = simulated.near.min(live.near) <= lateness;
    // The platform saw the creation somewhat later than the exporter's clock says.
    let seen = JobDraws::keys([live.created_at + lateness])[0].0;
    apart || swapped || simulated.key != live.key || simulated.key.0 != seen
}

fn distance(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).max(b.since(a))
}
