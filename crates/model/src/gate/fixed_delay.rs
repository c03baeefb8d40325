//! `fixed-delay`: waits, and never looks.

use super::Form;
use super::keys::{Key, Keys, Value};
use super::policy::{Look, Next, Seen, Step};
use crate::time::{Duration, Timestamp};

/// Exports after a delay, without checking.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FixedDelay {
    /// The delay.
    pub delay: Duration,
}

impl Form for FixedDelay {
    const NAME: &'static str = "fixed-delay";
    const ABOUT: &'static str = "exports after a delay, without a look";

    fn keys(&mut self, keys: &mut dyn Keys) {
        let key = Key::required("delay", "wait before the export", "\"5s\"");
        keys.key(key, Value::Duration(&mut self.delay));
    }

    #[inline]
    fn on(&self, now: Timestamp, _: Seen, look: &mut Look<'_>) -> Step {
        look.progress.next = Next::Approve;
        Step::At(now + self.delay)
    }
}
