//! `webhook`: trusts the webhook.

use super::keys::{Key, Keys, Value};
use super::policy::{Look, Next, Seen, Step};
use super::{Form, WebhookEvent};
use crate::time::{Duration, Timestamp};

/// Exports when the webhook arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Webhook {
    /// Which event.
    pub event: WebhookEvent,
    /// Delay after it.
    pub delay: Duration,
    /// Time after the gate's start at which it gives up if no webhook came.
    pub patience: Option<Duration>,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            event: WebhookEvent::SessionEnded,
            delay: Duration::ZERO,
            patience: None,
        }
    }
}

impl Form for Webhook {
    const NAME: &'static str = "webhook";
    const ABOUT: &'static str = "exports when the webhook arrives, without a look";

    fn keys(&mut self, keys: &mut dyn Keys) {
        self.event.key(keys);
        keys.key(
            Key::new("delay", "wait before the export"),
            Value::Duration(&mut self.delay),
        );
        keys.key(
            Key::new(
                "patience",
                "time after its start at which it gives up if none came",
            ),
            Value::Limit(&mut self.patience),
        );
    }

    fn listens(&self) -> Option<WebhookEvent> {
        Some(self.event)
    }

    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        let progress = &mut *look.progress;
        match seen {
            // The webhook may come before the clock starts, where that is at the media.
            Seen::Started if progress.started_at.is_never() => match self.patience {
                Some(patience) => {
                    progress.next = Next::GiveUp;
                    Step::At(now + patience)
                }
                None => Step::Wait,
            },
            Seen::Notified(event) if event == self.event && progress.started_at.is_never() => {
                progress.started_at = now;
                progress.next = Next::Approve;
                Step::At(now + self.delay)
            }
            Seen::Started
            | Seen::Notified(_)
            | Seen::Due
            | Seen::Checked(_)
            | Seen::Throttled(_) => Step::Wait,
        }
    }
}
