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
    /// The messages about `event` of a decided `timeline`; `required` are the fields that
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

    /// Whether the event is sent at the session's end, whatever the fields do.
    #[must_use]
    pub fn is_at_session_end(&self, event: WebhookEvent, recording: RecordingIndex) -> bool {
        let draws = Draws::of_call(self.seed, recording.0);
        event == WebhookEvent::SessionEnded
            || self.early.occurs(draws.draw(Purpose::NotificationEarly))
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
                if self.is_at_session_end(event, timeline.recording) {
                    timeline.ended_at
                } else {
                    timeline.fields_at(ReadPath::Primary, required)
                }
            }
        }
    }
}
