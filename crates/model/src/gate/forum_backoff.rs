//! `forum-backoff`: the forum's answer to the letter.

use super::keys::{Key, Keys, Value, Word};
use super::policy::{Look, Next, Ready, Seen, Step};
use super::{Form, Looked, Readiness};
use crate::field::Field;
use crate::time::{Duration, Timestamp};

/// Checks: their sleeps double, and 2^19 s is six days.
const ATTEMPTS_MAX: u32 = 20;

/// The forum's answer to the letter: checks at 0, 1, 3, 7, 15 s (sleeps of 2^attempt seconds),
/// then a last sleep of 16 s without another look. A 429 counts as an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ForumBackoff {
    /// Number of checks.
    pub attempts: u32,
    /// What happens when the tries are used up.
    pub on_failure: OnFailure,
    /// What it looks at.
    pub check: ForumCheck,
}

/// What the forum's gate looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForumCheck {
    /// `state == COMPLETED` and the hold flag is not null.
    StateAndFlag,
    /// `state == COMPLETED`.
    StateOnly,
}

impl Word for ForumCheck {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("state-and-flag", Self::StateAndFlag),
        ("state-only", Self::StateOnly),
    ];
}

/// What happens when a gate's tries are used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnFailure {
    /// The recording is abandoned.
    Skip,
    /// It is exported all the same.
    ExportAnyway,
}

impl Word for OnFailure {
    const WORDS: &'static [(&'static str, Self)] =
        &[("skip", Self::Skip), ("export-anyway", Self::ExportAnyway)];
}

impl Default for ForumBackoff {
    fn default() -> Self {
        Self {
            attempts: 5,
            on_failure: OnFailure::Skip,
            check: ForumCheck::StateAndFlag,
        }
    }
}

impl Form for ForumBackoff {
    const NAME: &'static str = "forum-backoff";
    const ABOUT: &'static str =
        "the forum's code: checks at 0, 1, 3, 7, 15 s, then sleeps 16 s and gives up unseen";

    fn keys(&mut self, keys: &mut dyn Keys) {
        keys.key(
            Key::new("attempts", "number of checks"),
            Value::Count(&mut self.attempts, 1, ATTEMPTS_MAX),
        );
        keys.key(
            Key::new("on_failure", "what happens when the tries are used up"),
            Value::Word(&mut self.on_failure),
        );
        keys.key(
            Key::new("check", "`state` COMPLETED, and whether the hold flag too"),
            Value::Word(&mut self.check),
        );
    }

    fn looks_for(&self) -> Readiness {
        let mut ready = Readiness {
            state_completed: Looked::Needed,
            ..Readiness::default()
        };
        if self.check == ForumCheck::StateAndFlag {
            ready.fields.insert(Field::LegalHoldFlag);
        }
        ready
    }

    #[inline]
    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        match seen {
            Seen::Started => {
                look.progress.started_at = now;
                Step::Check
            }
            Seen::Checked(Ready::Yes) => Step::Approve,
            Seen::Checked(Ready::No) | Seen::Throttled(_) => self.sleep(now, look),
            Seen::Notified(_) | Seen::Due => Step::Wait,
        }
    }
}

impl ForumBackoff {
    /// After check `k` (from 0) the code sleeps `2^k` seconds, after the last one too, and then
    /// gives up without another look.
    fn sleep(&self, now: Timestamp, look: &mut Look<'_>) -> Step {
        let progress = &mut *look.progress;
        let sleep = Duration::from_secs(1 << progress.attempts.min(ATTEMPTS_MAX));
        progress.attempts += 1;
        progress.next = match (progress.attempts >= self.attempts, self.on_failure) {
            (false, _) => Next::Check,
            (true, OnFailure::Skip) => Next::GiveUp,
            (true, OnFailure::ExportAnyway) => Next::Approve,
        };
        Step::At(now + sleep)
    }
}
