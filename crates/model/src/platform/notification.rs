//! Notifications: which events reach a subscriber, when and how often.

use crate::distribution::Sampler;
use crate::draws::{Draws, Purpose, Seed};
use crate::field::FieldSet;
use crate::ids::RecordingIndex;
use crate::scenario::{NotificationSpec, ReadPath, WebhookEvent};
use crate::time::{Probability, Timestamp};
use crate::timeline::Timeline;

/// One message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Notification {
    /// When it arrives.
    pub at: Timestamp,
    /// Of which recording.
    pub recording: RecordingIndex,
    /// Position among the messages of that event: the second is a duplicate.
    pub copy: u32,
}

/// When the messages about an event are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// When the session ends: they depend on nothing else.
    AtEnd,
    /// When every instant of the recording is decided.
    WhenDecided,
}

/// The notification service of one arm.
#[derive(Clone, Debug)]
pub struct Notifications {
    seed: Seed,
    loss: Probability,
    duplicate: Probability,
    early: Probability,
    delay: Sampler,
}

/// The notification service that `spec` describes.
#[must_use]
pub fn notifications(spec: &NotificationSpec, seed: Seed) -> Notifications {
    Notifications {
        seed,
        loss: spec.loss,
        duplicate: spec.duplicate,
        early: spec.early,
        delay: Sampler::new(&spec.delay),
    }
}

impl Notifications {
    /// When the messages about `event` of `timeline` are known.
    #[must_use]
    pub fn known(&self, event: WebhookEvent, timeline: &Timeline) -> Known {
        let draws = Draws::of_call(self.seed, timeline.recording.0);
        match event {
            WebhookEvent::SessionEnded => Known::AtEnd,
            WebhookEvent::MetadataReady if self.is_early(draws) => Known::AtEnd,
            WebhookEvent::MetadataReady => Known::WhenDecided,
        }
    }

    fn is_early(&self, draws: Draws) -> bool {
        self.early.occurs(draws.draw(Purpose::NotificationEarly))
    }

    /// The messages about `event` of a `timeline` of which enough is known; `required` are the fields that
    /// "metadata ready" speaks of.
    pub fn of(
        &self,
        event: WebhookEvent,
        timeline: &Timeline,
        required: FieldSet,
    ) -> impl Iterator<Item = Notification> {
        let draws = Draws::of_call(self.seed, timeline.recording.0);
        let stream = match event {
            WebhookEvent::SessionEnded => 0,
            WebhookEvent::MetadataReady => 8,
        };
        let happens_at = self.happens_at(event, timeline, required);
        let lost = self
            .loss
            .occurs(draws.draw_nth(Purpose::NotificationLoss, stream));
        let doubled = self
            .duplicate
            .occurs(draws.draw_nth(Purpose::NotificationDuplicate, stream));
        let copies = match (lost || happens_at.is_never(), doubled) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        let recording = timeline.recording;
        (0..copies).map(move |copy| {
            let draw = draws.draw_nth(Purpose::NotificationDelay, stream + copy);
            Notification {
                at: happens_at + self.delay.sample(draw),
                recording,
                copy,
            }
        })
    }

    fn happens_at(
        &self,
        event: WebhookEvent,
        timeline: &Timeline,
        required: FieldSet,
    ) -> Timestamp {
        match event {
            WebhookEvent::SessionEnded => timeline.ended_at,
            WebhookEvent::MetadataReady => {
                if self.known(event, timeline) == Known::AtEnd {
                    timeline.ended_at
                } else {
                    timeline.fields_at(ReadPath::Primary, required)
                }
            }
        }
    }
}
