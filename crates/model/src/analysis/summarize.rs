//! The accumulated counts as a [`Summary`].

use std::collections::BTreeMap;

use super::delay::Cdf;
use super::gates::{GateCell, GateSums};
use super::observe::{Selection, job_calls};
use super::{Accumulator, ArmState, Exit, Sharing, TenantState};
use crate::field::Kind;
use crate::scenario::{Engine, Executor, Stage, StageShape};
use crate::stats::{Histogram, MeanEstimate};
use crate::summary::{
    GateSummary, Method, PhaseSummary, PlatformSummary, SCHEMA, SliceSummary, Summary,
};
use crate::time::{Duration, Timestamp};

/// The added delays of one tenant's recordings of one phase, for an interval log.
#[derive(Clone, Debug)]
pub struct LatencyInterval {
    /// `arm/gate`.
    pub tag: String,
    /// Start of the phase.
    pub start: Timestamp,
    /// Its length; the last phase lasts until the run's end.
    pub length: Duration,
    /// Export instant − session end.
    pub added_delay: Histogram,
}

impl Accumulator {
    /// The numbers of the run, its verdicts and its exit code. What only the live engine knows
    /// (`generator`, `conformance`) is left out; `exit_code` is to be set again by
    /// [`Exit::of`] once that, or a reason to distrust the run, is added.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = self.numbers();
        self.doubt_itself(&mut summary);
        summary.expect = self.verdicts();
        summary.exit_code = Exit::of(&summary).code();
        summary
    }

    /// The same without intervals and verdicts.
    pub(crate) fn numbers(&self) -> Summary {
        let invalid_reasons = self.invalid_reasons();
        let recordings = self.arms.first().map_or(0, |arm| ended_of(arm, |_| true));
        let names: Vec<&str> = self
            .tenants
            .iter()
            .filter(|tenant| tenant.shown.is_some())
            .map(|tenant| self.gate_name(tenant))
            .collect();
        Summary {
            schema: SCHEMA,
            tool: self.context.tool.clone(),
            scenario: self.scenario.name.clone(),
            description: self.scenario.description.clone(),
            engine: self.context.engine.name().to_owned(),
            seed: self.scenario.seed.0,
            plan_hash: format!("{:016x}", self.context.plan_hash),
            history_hash: (self.context.engine == Engine::Sim).then(|| self.hash.hex()),
            valid: invalid_reasons.is_empty(),
            invalid_reasons,
            interrupted: self.interrupted(),
            recordings,
            warmup_recordings: self.warmup_recordings,
            not_established: self.not_established,
            duration_s: seconds(self.last_at),
            replications: self.replications(),
            replications_hash: None,
            sharing: Sharing::default(),
            method: Method::default(),
            exit_code: 0,
            gates: (0..self.tenants.len())
                .map(|tenant| self.gate_summary(tenant))
                .collect(),
            platform: self.platform_summaries(),
            phases: self.phase_summaries(),
            expect: Vec::new(),
            over_time: self.over_time.summary(&names),
            generator: None,
            conformance: None,
        }
    }

    /// The added delays by tenant and phase, without the empty ones.
    #[must_use]
    pub fn latency_intervals(&self) -> Vec<LatencyInterval> {
        let mut intervals = Vec::new();
        for (position, tenant) in self.tenants.iter().enumerate() {
            for (at, phase) in self.phases.iter().enumerate() {
                let cell = self.gate_slice(Selection {
                    phase: Some(at),
                    ..self.whole(position)
                });
                let Some(added_delay) = cell.added_delay.histogram() else {
                    continue;
                };
                let arm = &self.scenario.arms[tenant.tenant.arm].name;
                intervals.push(LatencyInterval {
                    tag: format!("{arm}/{}", self.gate_name(tenant)),
                    start: phase.start,
                    length: phase.end.min(self.last_at).since(phase.start),
                    added_delay: added_delay.clone(),
                });
            }
        }
        intervals
    }

    fn gate_summary(&self, position: usize) -> GateSummary {
        let tenant = &self.tenants[position];
        let whole = self.whole(position);
        let (cell, jobs) = (self.gate_slice(whole), self.job_slice(whole));
        let (sums, job_sums) = (cell.batches.total(), jobs.total());
        let settled = cell.settled();
        let calls = cell.batches.ratio(GateSums::call_parts);
        let throttled = sums.throttled + job_sums.throttled;
        let all_calls = sums.calls + job_sums.calls;
        let arm = &self.scenario.arms[tenant.tenant.arm];
        GateSummary {
            name: self.gate_name(tenant).to_owned(),
            arm: arm.name.clone(),
            strategy: arm.gates[tenant.tenant.gate].strategy.name().to_owned(),
            total: cell.outcome_summary(self.ended(position, whole)),
            added_delay: added_delay_of(&cell),
            regret: cell
                .regret
                .summary(cell.batches.ratio(GateSums::regret_parts), Cdf::Drawn),
            calls_per_recording: calls.map_or(0.0, |calls| calls.mean),
            calls_per_recording_se: calls.and_then(|calls| calls.standard_error).unwrap_or(0.0),
            calls_per_recording_interval: None,
            job_calls_per_recording_interval: None,
            throttled_rate_interval: None,
            job_calls_per_recording: job_calls(&jobs, settled as f64)
                .map_or(0.0, |calls: MeanEstimate| calls.mean),
            throttled,
            throttled_rate: if all_calls > 0 {
                throttled as f64 / all_calls as f64
            } else {
                0.0
            },
            wasted_checks: cell.wasted_checks,
            re_exports: cell.re_exports,
            jobs: job_sums.jobs,
            causes: cell.cause_counts(),
            missing: cell.missing_counts(),
            late: cell.late,
            lost: cell.lost,
            phases: self.phase_slices(position, whole),
            kinds: self.kind_slices(position, whole),
        }
    }

    fn phase_slices(&self, position: usize, whole: Selection) -> BTreeMap<String, SliceSummary> {
        let named = self.phases.iter().enumerate().map(|(at, phase)| {
            let selection = Selection {
                phase: Some(at),
                ..whole
            };
            let cell = self.gate_slice(selection);
            (
                phase.name.clone(),
                cell.slice_summary(self.ended(position, selection)),
            )
        });
        named.collect()
    }

    fn kind_slices(&self, position: usize, whole: Selection) -> BTreeMap<String, SliceSummary> {
        let named = Kind::ALL.into_iter().map(|kind| {
            let selection = Selection {
                kind: Some(kind),
                ..whole
            };
            let cell = self.gate_slice(selection);
            (
                kind.name().to_owned(),
                cell.slice_summary(self.ended(position, selection)),
            )
        });
        named.collect()
    }

    fn platform_summaries(&self) -> Vec<PlatformSummary> {
        let mut rows = Vec::new();
        for state in &self.arms {
            let arm = &self.scenario.arms[state.arm];
            for kind in Kind::ALL {
                let at = Selection {
                    arm: state.arm,
                    tenant: state.tenant,
                    phase: None,
                    kind: Some(kind),
                };
                let cell = self.platform_slice(at);
                let pipeline = arm.platform.kinds.get(kind).pipeline;
                let stages = &arm.platform.pipelines[pipeline].stages;
                let stages = stages.iter().zip(state.usage[pipeline].iter().copied());
                let gate = state.tenant.map(|own| self.gate_name(&self.tenants[own]));
                let mut row = PlatformSummary {
                    gate: gate.map(str::to_owned),
                    ..cell.summary(&arm.name, kind.name(), stages)
                };
                if let Some(pipeline) = arm.platform.regional_pipeline() {
                    let stages = &arm.platform.pipelines[pipeline].stages;
                    let stages = stages.iter().zip(state.usage[pipeline].iter().copied());
                    row.stages
                        .extend(self.regional_slice(at).stage_summaries(stages));
                }
                rows.push(row);
            }
        }
        rows
    }

    fn phase_summaries(&self) -> Vec<PhaseSummary> {
        let stages: &[Stage] = match &self.scenario.workload.executor {
            Executor::ArrivalRate(stages) => stages,
            Executor::ConstantVus { .. } => &[],
        };
        let rows = self
            .phases
            .iter()
            .enumerate()
            .map(|(at, phase)| PhaseSummary {
                name: phase.name.clone(),
                start_s: seconds(phase.start),
                end_s: seconds(if phase.end.is_never() {
                    self.last_at.max(phase.start)
                } else {
                    phase.end
                }),
                rate_per_s: stages.get(at).map(|stage| rates(stage.shape)),
                ended: self
                    .arms
                    .first()
                    .map_or(0, |arm| ended_of(arm, |cell| cell / Kind::ALL.len() == at)),
            });
        rows.collect()
    }

    pub(super) fn whole(&self, tenant: usize) -> Selection {
        let arm = self.tenants[tenant].tenant.arm;
        Selection {
            arm,
            tenant: Some(tenant),
            phase: None,
            kind: None,
        }
    }

    /// Recordings of the selection whose session ended on the tenant's arm.
    fn ended(&self, position: usize, selection: Selection) -> u64 {
        let arm = &self.arms[self.tenants[position].arm_slot];
        ended_of(arm, |cell| selection.covers(cell))
    }

    fn gate_name(&self, tenant: &TenantState) -> &str {
        &self.scenario.arms[tenant.tenant.arm].gates[tenant.tenant.gate].name
    }
}

fn added_delay_of(cell: &GateCell) -> crate::summary::DelaySummary {
    cell.added_delay
        .summary(cell.batches.ratio(GateSums::delay_parts), Cdf::Drawn)
}

fn ended_of(arm: &ArmState, meant: impl Fn(usize) -> bool) -> u64 {
    let cells = arm
        .cells
        .iter()
        .enumerate()
        .filter(|(position, _)| meant(*position));
    cells.map(|(_, cell)| cell.ended).sum()
}

fn seconds(at: Timestamp) -> f64 {
    at.since(Timestamp::ZERO).as_secs_f64()
}

fn rates(shape: StageShape) -> (f64, f64) {
    let (from, to) = match shape {
        StageShape::Constant(rate) => (rate, rate),
        StageShape::Ramp(from, to) => (from, to),
    };
    (from.as_per_second_f64(), to.as_per_second_f64())
}
