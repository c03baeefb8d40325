//! One recording at a time through one gate: the exporter and the organization of an arm where no
//! recording changes what another one meets.

use super::tenant::Tenant;
use crate::draws::Seed;
use crate::exporter::Output;
use crate::history::{JobRecord, Settled};
use crate::ids::{JobOrdinal, RecordingIndex, TenantIndex};
use crate::org::Recordings;
use crate::platform::{Notifications, notifications};
use crate::scenario::{Arm, GateSpec, RequiredFields};
use crate::time::Timestamp;
use crate::timeline::Timeline;

/// A gate with its exporter and organization, which takes recordings one at a time.
pub struct One {
    tenant: Tenant,
    notifications: Notifications,
    required: RequiredFields,
    /// What would happen later does not happen in this run.
    until: Timestamp,
}

/// The only recording that there is.
struct Only<'a>(&'a Timeline);

impl Recordings for Only<'_> {
    type Recording = Timeline;

    fn read<T>(&self, recording: RecordingIndex, read: impl FnOnce(&Timeline) -> T) -> Option<T> {
        (recording == self.0.recording).then(|| read(self.0))
    }
}

impl One {
    /// The rules of `tenant`, which runs `gate` on `arm`, in a run that is over at `until`.
    #[must_use]
    pub fn new(
        tenant: TenantIndex,
        gate: &GateSpec,
        arm: &Arm,
        seed: Seed,
        until: Timestamp,
    ) -> Self {
        Self {
            tenant: Tenant::new(tenant, gate, arm, seed),
            notifications: notifications(&arm.platform.notification, seed),
            required: arm.required,
            until,
        }
    }

    /// Takes the recording of `timeline` from its session's end to its outcome, fate and cause
    /// left out; none if it still waits when the run is over. `jobs` takes its jobs, which are
    /// named by the recording.
    pub fn settle(
        &mut self,
        timeline: &Timeline,
        mut jobs: impl FnMut(JobRecord),
    ) -> Option<Settled> {
        let kind = timeline.taken_for();
        self.tenant.clear();
        self.tenant.announce(timeline);
        if let Some(event) = self.tenant.listens() {
            let required = self.required.of(kind);
            for notification in self.notifications.of(event, timeline, required) {
                self.tenant.notify(notification, kind);
            }
        }
        let ordinal = JobOrdinal(timeline.recording.0);
        let mut settled = None;
        while settled.is_none()
            && let Some(now) = self.tenant.next_timeout().filter(|at| *at <= self.until)
        {
            self.tenant.advance(now, &Only(timeline));
            for output in self.tenant.drain_outputs() {
                match output {
                    Output::Job(job) => jobs(JobRecord { ordinal, ..job }),
                    Output::Settled(outcome) => settled = Some(outcome),
                    Output::Command(_) => {}
                }
            }
        }
        settled
    }
}
