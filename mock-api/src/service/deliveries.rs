//! Notifications on their way: who subscribed, and what is due when.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use racegate_model::field::Kind;
use racegate_model::ids::{ArmIndex, RecordingIndex, TenantIndex};
use racegate_model::platform::Notification;
use racegate_model::scenario::WebhookEvent;
use racegate_model::time::Timestamp;

/// A tenant wants to be told of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscription {
    /// Who.
    pub tenant: TenantIndex,
    /// On which arm's platform.
    pub arm: ArmIndex,
    /// Of what.
    pub event: WebhookEvent,
    /// Where to; none for a subscriber in the same process.
    pub url: Option<String>,
}

/// A notification that is due for one subscriber.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// When it was due.
    pub at: Timestamp,
    /// The subscriber.
    pub subscription: Subscription,
    /// The recording.
    pub recording: RecordingIndex,
    /// Its kind.
    pub kind: Kind,
    /// Which copy: the second is a duplicate.
    pub copy: u32,
}

/// A notification that was due, whoever subscribed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    /// On which arm's platform.
    pub arm: ArmIndex,
    /// Of what.
    pub event: WebhookEvent,
    /// The recording.
    pub recording: RecordingIndex,
}

#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// Whether somebody wants to hear of everything.
    watched: bool,
    notices: Vec<Due>,
    subscriptions: Vec<Subscription>,
    calendar: BinaryHeap<Reverse<Entry>>,
    /// News of metadata that is held back, by recording.
    parked: BTreeMap<(ArmIndex, RecordingIndex), Vec<Entry>>,
    due: Vec<Delivery>,
}

type Entry = (Timestamp, RecordingIndex, u32, ArmIndex, WebhookEvent, Kind);

impl Deliveries {
    /// One subscription per tenant, event and address; the same one again changes nothing.
    pub(super) fn subscribe(&mut self, subscription: Subscription) {
        self.unsubscribe(&subscription);
        self.subscriptions.push(subscription);
    }

    pub(super) fn unsubscribe(&mut self, subscription: &Subscription) {
        self.subscriptions.retain(|known| known != subscription);
    }

    pub(super) const fn watch(&mut self) {
        self.watched = true;
    }

    /// What was due since the last time, for whoever watches.
    pub(super) fn take_notices(&mut self) -> Vec<Due> {
        std::mem::take(&mut self.notices)
    }

    pub(super) fn schedule(
        &mut self,
        arm: ArmIndex,
        kind: Kind,
        event: WebhookEvent,
        notification: Notification,
    ) {
        let listening = self
            .subscriptions
            .iter()
            .any(|known| known.arm == arm && known.event == event);
        if listening || self.watched {
            let Notification {
                at,
                recording,
                copy,
            } = notification;
            self.calendar
                .push(Reverse((at, recording, copy, arm, event, kind)));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.calendar.peek().map(|Reverse(entry)| entry.0)
    }

    /// What is due next until `now`. News of a recording's metadata that may not come yet, as
    /// `comes` says, wait until they are released.
    pub(super) fn take_due(
        &mut self,
        now: Timestamp,
        comes: impl Fn(ArmIndex, RecordingIndex) -> bool,
    ) -> Option<Delivery> {
        while self.due.is_empty() {
            let Reverse((at, recording, copy, arm, event, kind)) = *self.calendar.peek()?;
            if at > now {
                return None;
            }
            self.calendar.pop();
            if event == WebhookEvent::MetadataReady && !comes(arm, recording) {
                let parked = self.parked.entry((arm, recording)).or_default();
                parked.push((at, recording, copy, arm, event, kind));
                continue;
            }
            if self.watched {
                self.notices.push(Due {
                    arm,
                    event,
                    recording,
                });
            }
            let listeners = self
                .subscriptions
                .iter()
                .rev()
                .filter(|known| known.arm == arm && known.event == event);
            self.due.extend(listeners.map(|subscription| Delivery {
                at,
                subscription: subscription.clone(),
                recording,
                kind,
                copy,
            }));
        }
        self.due.pop()
    }

    /// What waited for a recording's metadata is due at `now`.
    pub(super) fn release(&mut self, now: Timestamp, arm: ArmIndex, recording: RecordingIndex) {
        let parked = self.parked.remove(&(arm, recording));
        let released = parked.into_iter().flatten();
        self.calendar
            .extend(released.map(|(at, recording, copy, arm, event, kind)| {
                Reverse((at.max(now), recording, copy, arm, event, kind))
            }));
    }

    /// Nobody is told of these recordings any more.
    pub(super) fn forget(&mut self, forgotten: &BTreeSet<RecordingIndex>) {
        self.calendar
            .retain(|Reverse(entry)| !forgotten.contains(&entry.1));
        self.parked
            .retain(|(_, recording), _| !forgotten.contains(recording));
    }
}
