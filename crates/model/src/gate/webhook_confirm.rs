//! `webhook-confirm`: takes the webhook as a hint, and looks.

use super::backoff::Backoff;
use super::gaps::Gaps;
use super::keys::Keys;
use super::policy::{Look, Seen, Step};
use super::{Form, Polling, WebhookEvent};
use crate::time::Timestamp;

/// Polls from the webhook on.
#[derive(Clone, PartialEq, Debug)]
pub struct WebhookConfirm {
    /// Which event.
    pub event: WebhookEvent,
    /// Gaps between checks.
    pub backoff: Backoff,
    /// First check, end, and what it looks for.
    pub polling: Polling,
}

impl Default for WebhookConfirm {
    fn default() -> Self {
        Self {
            event: WebhookEvent::SessionEnded,
            backoff: Backoff::default(),
            polling: Polling::default(),
        }
    }
}

impl Form for WebhookConfirm {
    const NAME: &'static str = "webhook-confirm";
    const ABOUT: &'static str = "polls with exponential back-off from the webhook on";

    fn keys(&mut self, keys: &mut dyn Keys) {
        self.event.key(keys);
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
        match seen {
            Seen::Notified(event) if event == self.event && look.progress.started_at.is_never() => {
                self.polling.begin(now, look)
            }
            Seen::Started | Seen::Notified(_) => Step::Wait,
            Seen::Due | Seen::Checked(_) | Seen::Throttled(_) => self.polling.on(now, seen, look),
        }
    }
}
