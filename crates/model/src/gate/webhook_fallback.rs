//! `webhook-fallback`: does not wait for a lost webhook.

use super::backoff::Backoff;
use super::gaps::Gaps;
use super::keys::{Key, Keys, Value};
use super::policy::{Look, Next, Seen, Step};
use super::{Form, Polling, WebhookEvent};
use crate::time::{Duration, Timestamp};

/// As `webhook-confirm`, and polls from a given time on when no webhook came.
#[derive(Clone, PartialEq, Debug)]
pub struct WebhookFallback {
    /// Which event.
    pub event: WebhookEvent,
    /// How long it waits for the webhook.
    pub after: Duration,
    /// Gaps between checks.
    pub backoff: Backoff,
    /// First check, end, and what it looks for.
    pub polling: Polling,
}

impl Default for WebhookFallback {
    fn default() -> Self {
        Self {
            event: WebhookEvent::SessionEnded,
            after: Duration::from_secs(30),
            backoff: Backoff::default(),
            polling: Polling::default(),
        }
    }
}

impl Form for WebhookFallback {
    const NAME: &'static str = "webhook-fallback";
    const ABOUT: &'static str =
        "polls with exponential back-off from the webhook on, or after a time without one";

    fn keys(&mut self, keys: &mut dyn Keys) {
        self.event.key(keys);
        keys.key(
            Key::new(
                "after",
                "time after its start at which it polls if no webhook came",
            ),
            Value::Duration(&mut self.after),
        );
        self.backoff.keys(keys);
        self.polling.keys(keys);
    }

    fn listens(&self) -> Option<WebhookEvent> {
        Some(self.event)
    }

    fn polling(&self) -> Option<&Polling> {
        Some(&self.polling)
    }

    fn gaps(&self) -> Option<Gaps> {
        Some(Gaps::of(&self.backoff))
    }

    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        let waits = look.progress.started_at.is_never();
        match seen {
            // The webhook may come before the clock starts, where that is at the media.
            Seen::Started if waits => {
                look.progress.next = Next::Own;
                Step::At(now + self.after)
            }
            Seen::Notified(event) if event == self.event && waits => self.polling.begin(now, look),
            Seen::Due => self.polling.begin(now, look),
            Seen::Started | Seen::Notified(_) => Step::Wait,
            Seen::Checked(_) | Seen::Throttled(_) => self.polling.on(now, seen, look),
        }
    }
}
