//! What a hand may do to the platform beside the workload: place recordings, and hold back their
//! metadata.

use std::collections::BTreeSet;
use std::sync::Arc;

use racegate_model::fault::Ending;
use racegate_model::field::FieldSet;
use racegate_model::ids::{ArmIndex, RecordingIndex};
use racegate_model::platform::Known;
use racegate_model::scenario::Scenario;
use racegate_model::time::Timestamp;
use racegate_model::timeline::Timeline;
use racegate_model::workload::Call;

use super::{ArmWorld, News, Service, ServiceConfig, TenantConfig};
use crate::storage::layout::RunEpoch;

/// Which arms' platforms something happens on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    /// All of them.
    Every,
    /// One of them.
    One(ArmIndex),
}

/// Why a recording cannot be held back or released.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HoldError {
    /// There is no such recording there.
    #[error("there is no such recording")]
    Unknown,
    /// It is not held back.
    #[error("the recording is not held back")]
    NotHeld,
    /// Too many are held back.
    #[error("too many recordings are held back; release some")]
    TooMany,
}

impl ServiceConfig {
    /// The platform of a scenario, once for every tenant: the same law for each, and nothing shared
    /// but the calls of the workload. Tenant `i` must be on arm `i`.
    #[must_use]
    pub fn apart(scenario: &Scenario, tenants: Vec<TenantConfig>, epoch: RunEpoch) -> Self {
        let base = scenario.arms.first().into_iter();
        let arms = base.flat_map(|base| tenants.iter().map(|_| base.clone()));
        Self {
            seed: scenario.seed,
            epoch,
            workload: scenario.workload.clone(),
            arms: arms.collect(),
            tenants,
        }
    }
}

impl On {
    /// Whether that arm's is one of them.
    #[must_use]
    pub const fn includes(self, arm: ArmIndex) -> bool {
        match self {
            Self::Every => true,
            Self::One(one) => one.0 == arm.0,
        }
    }
}

impl Service {
    fn arms_on(&self, on: On) -> impl Iterator<Item = (ArmIndex, &ArmWorld)> {
        (0..)
            .map(ArmIndex)
            .zip(&self.inner.arms)
            .filter(move |(arm, _)| on.includes(*arm))
    }

    /// A session has ended at `now` on the platforms of `on`; elsewhere it never was.
    pub fn session_ended_on(&self, now: Timestamp, call: &Call, on: On) {
        self.session_over_on(now, call, Ending::default(), on);
    }

    pub(super) fn session_over_on(&self, now: Timestamp, call: &Call, ending: Ending, on: On) {
        if !self.inner.calls.end(call, on) {
            return;
        }
        for (index, arm) in self.arms_on(on) {
            let mut platform = arm.platform.lock();
            platform.handle_session(now, call, ending);
            self.publish(index, arm, &mut platform);
        }
        self.inner.alarm.notify_one();
    }

    /// A recording whose every instant is told, not drawn. Its session has ended.
    pub fn place(&self, call: &Call, timeline: &Timeline, on: On) {
        if !self.inner.calls.end(call, on) {
            return;
        }
        for (index, arm) in self.arms_on(on) {
            let timeline = Arc::new(timeline.clone());
            arm.timelines.set(Arc::clone(&timeline));
            drop(
                self.inner
                    .news
                    .send(News::Began(index, Arc::clone(&timeline))),
            );
            self.schedule(index, arm, &timeline, Known::AtEnd);
            self.schedule(index, arm, &timeline, Known::WhenDecided);
            drop(self.inner.news.send(News::Decided(index, timeline)));
        }
        self.inner.alarm.notify_one();
    }

    /// The instants of a recording that was placed are told anew. What was visible must stay so;
    /// notifications follow from what is told now.
    pub fn retell(&self, timeline: &Timeline, on: On) {
        for (index, arm) in self.arms_on(on) {
            // The platform's lock keeps its own publishing from being overwritten.
            let platform = arm.platform.lock();
            arm.timelines.set(Arc::new(timeline.clone()));
            drop(platform);
            self.schedule(index, arm, timeline, Known::WhenDecided);
        }
        self.inner.alarm.notify_one();
    }

    /// Holds back those of `fields` that are not visible at `now`, until they are released.
    /// A notification that the metadata is ready waits with them; one of the session's end does
    /// not.
    ///
    /// # Errors
    /// [`HoldError`]
    pub fn hold_back(
        &self,
        now: Timestamp,
        recording: RecordingIndex,
        fields: FieldSet,
        on: On,
    ) -> Result<(), HoldError> {
        let mut error = Some(HoldError::Unknown);
        for (index, arm) in self.arms_on(on) {
            if arm.timelines.get(recording).is_none() {
                continue;
            }
            if !self.inner.withheld.hold((index, recording), fields, now) {
                return Err(HoldError::TooMany);
            }
            error = None;
            self.republish(index, arm, recording);
        }
        error.map_or(Ok(()), Err)
    }

    /// What was held back comes at `now`, or later if it would have come later anyway.
    ///
    /// # Errors
    /// [`HoldError`]
    pub fn release(
        &self,
        now: Timestamp,
        recording: RecordingIndex,
        on: On,
    ) -> Result<(), HoldError> {
        let mut error = Some(HoldError::Unknown);
        for (index, arm) in self.arms_on(on) {
            if arm.timelines.get(recording).is_none() {
                continue;
            }
            if self.inner.withheld.release((index, recording), now) {
                error = None;
                self.republish(index, arm, recording);
                self.inner.deliveries.lock().release(now, index, recording);
                self.inner.alarm.notify_one();
            } else if error.is_some() {
                error = Some(HoldError::NotHeld);
            }
        }
        error.map_or(Ok(()), Err)
    }

    /// Releases everything on the platforms of `on`.
    pub fn release_all(&self, now: Timestamp, on: On) {
        for (index, arm) in self.arms_on(on) {
            for recording in self.inner.withheld.held(index) {
                self.inner.withheld.release((index, recording), now);
                self.republish(index, arm, recording);
                self.inner.deliveries.lock().release(now, index, recording);
            }
        }
    }

    /// Recordings from `from` on were never there, on the platforms of `on`: those that are only
    /// there, unless `on` is all of them.
    pub fn forget_recordings(&self, from: RecordingIndex, on: On) {
        let meant = |of: On| on == On::Every || of == on;
        let forgotten = self.inner.calls.forget(from, meant);
        let forgotten: BTreeSet<RecordingIndex> = forgotten.into_iter().collect();
        for (index, arm) in self.arms_on(on) {
            // Whoever publishes holds the lock, and then knows that they are gone.
            let platform = arm.platform.lock();
            for recording in &forgotten {
                arm.timelines.forget(*recording);
                self.inner.withheld.forget((index, *recording));
            }
            drop(platform);
        }
        for recording in &forgotten {
            self.inner.store.forget_media(*recording);
        }
        self.inner.deliveries.lock().forget(&forgotten);
    }

    /// The platform's lock keeps its own publishing from being overwritten.
    fn republish(&self, index: ArmIndex, arm: &ArmWorld, recording: RecordingIndex) {
        let platform = arm.platform.lock();
        if let Some(timeline) = arm.timelines.get(recording) {
            let mut timeline = Timeline::clone(&timeline);
            self.inner.withheld.revise(index, &mut timeline);
            arm.timelines.set(Arc::new(timeline));
        }
        drop(platform);
    }
}
