//! Gates: when may a recording be exported?
//!
//! A strategy is a file of this folder: its name, its keys, what it looks for and listens to, and
//! what it decides. [`Strategy`] is the list of them. Most decide about each recording by itself
//! ([`Policy`]); some about all of a tenant together ([`Fleet`]). [`Gate`] drives either.

mod backoff;
mod bucket;
mod event;
mod exponential_backoff;
mod fixed_delay;
mod fixed_interval;
mod forum_backoff;
mod gaps;
pub mod keys;
mod linear_backoff;
mod looks;
mod minimax;
mod odds_index;
mod optimal;
mod policy;
mod polling;
mod polls;
mod quadratic_backoff;
mod quantile;
mod readiness;
mod tenant;
mod ungated;
mod waiter;
mod watermark;
mod webhook;
mod webhook_confirm;
mod webhook_fallback;

pub use backoff::{Backoff, Jitter};
pub use event::WebhookEvent;
pub use exponential_backoff::ExponentialBackoff;
pub use fixed_delay::FixedDelay;
pub use fixed_interval::FixedInterval;
pub use forum_backoff::{ForumBackoff, ForumCheck, OnFailure};
pub(crate) use gaps::Gaps;
pub use linear_backoff::LinearBackoff;
pub use minimax::Minimax;
pub use odds_index::OddsIndex;
pub use optimal::Optimal;
use policy::Look;
pub use policy::{Policy, Progress, Ready, Seen, Step};
pub use polling::Polling;
pub(crate) use polls::{Polls, Rounds, Series};
pub use quadratic_backoff::QuadraticBackoff;
pub use quantile::Quantile;
pub use readiness::{Looked, Readiness};
pub use tenant::{Action, Fleet, Found, Gate, Observation, Read};
pub use ungated::Ungated;
pub use waiter::Waiter;
pub use watermark::Watermark;
pub use webhook::Webhook;
pub use webhook_confirm::WebhookConfirm;
pub use webhook_fallback::WebhookFallback;

use crate::scenario::RequiredFields;
use crate::time::{Duration, Timestamp};
use keys::Keys;

/// What a strategy says of itself. `Default` gives every key its default.
pub(crate) trait Form: Default {
    /// Its name in scenarios.
    const NAME: &'static str;
    /// What it does, in a clause.
    const ABOUT: &'static str;

    /// Lists its keys.
    fn keys(&mut self, keys: &mut dyn Keys) {
        let _ = keys;
    }

    /// What its checks look for.
    fn looks_for(&self) -> Readiness {
        self.polling()
            .map(|polling| polling.ready)
            .unwrap_or_default()
    }

    /// The event that it subscribes to.
    fn listens(&self) -> Option<WebhookEvent> {
        None
    }

    /// How it polls, if that is what it does.
    fn polling(&self) -> Option<&Polling> {
        None
    }

    /// The gaps between its checks, worked out beforehand.
    fn gaps(&self) -> Option<Gaps> {
        None
    }

    /// The gap between looks of one that decides about all recordings together, and when it gives
    /// up.
    fn steady(&self) -> Option<(Duration, Option<Duration>)> {
        None
    }

    /// Whether its polls are those of [`Form::polling`] at [`Form::gaps`] and nothing else.
    fn closed_form(&self) -> bool {
        self.listens().is_none()
    }

    /// What decides about all recordings of a tenant together, where that is not [`Form::on`].
    fn fleet(&self, required: RequiredFields) -> Option<Box<dyn Fleet>> {
        let _ = required;
        None
    }

    /// What follows from what was `seen` of one recording.
    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step;
}

/// Lists the strategies: for each its variant, which is also the name of its type.
macro_rules! strategies {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// How a gate decides.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Strategy {
            $($(#[$doc])* $name($name),)+
        }

        impl Strategy {
            /// All strategies, each with the defaults of its keys.
            #[must_use]
            pub fn all() -> Vec<Self> {
                vec![$(Self::$name($name::default()),)+]
            }

            /// Its name in scenarios.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $name::NAME,)+ }
            }

            /// What it does, in a clause.
            #[must_use]
            pub const fn about(&self) -> &'static str {
                match self { $(Self::$name(_) => $name::ABOUT,)+ }
            }

            /// Lists its keys.
            pub fn keys(&mut self, keys: &mut dyn Keys) {
                match self { $(Self::$name(form) => form.keys(keys),)+ }
            }

            /// What its checks look for.
            #[must_use]
            pub fn looks_for(&self) -> Readiness {
                match self { $(Self::$name(form) => form.looks_for(),)+ }
            }

            /// The event that it subscribes to.
            #[must_use]
            pub fn listens(&self) -> Option<WebhookEvent> {
                match self { $(Self::$name(form) => form.listens(),)+ }
            }

            /// How it polls, if that is what it does.
            #[must_use]
            pub fn polling(&self) -> Option<&Polling> {
                match self { $(Self::$name(form) => form.polling(),)+ }
            }

            /// What decides about all recordings of a tenant together, if that is how it decides.
            #[must_use]
            pub fn fleet(&self, required: RequiredFields) -> Option<Box<dyn Fleet>> {
                match self { $(Self::$name(form) => form.fleet(required),)+ }
            }

            fn steady(&self) -> Option<(Duration, Option<Duration>)> {
                match self { $(Self::$name(form) => form.steady(),)+ }
            }

            pub(crate) fn closed_form(&self) -> bool {
                match self { $(Self::$name(form) => form.closed_form(),)+ }
            }

            pub(crate) fn gaps(&self) -> Option<Gaps> {
                match self { $(Self::$name(form) => form.gaps(),)+ }
            }

            #[inline]
            fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
                match self { $(Self::$name(form) => form.on(now, seen, look),)+ }
            }
        }

        $(impl From<$name> for Strategy {
            fn from(form: $name) -> Self {
                Self::$name(form)
            }
        })+
    };
}

strategies! {
    /// Exports at once.
    Ungated,
    /// Exports after a delay, without checking.
    FixedDelay,
    /// Polls at a fixed interval.
    FixedInterval,
    /// Polls with exponential back-off.
    ExponentialBackoff,
    /// Polls at gaps that grow with the root of the time waited.
    QuadraticBackoff,
    /// Polls at gaps that grow by a step.
    LinearBackoff,
    /// The Smithy waiter of the AWS SDKs.
    Waiter,
    /// Polls by a schedule that suits most laws.
    Minimax,
    /// Looks at quantiles of a known law.
    Quantile,
    /// Looks when a known law says that it is best.
    Optimal,
    /// Looks when the odds that it is ready are worth a call.
    OddsIndex,
    /// The forum's answer to the letter.
    ForumBackoff,
    /// Exports when the webhook arrives.
    Webhook,
    /// Polls from the webhook on.
    WebhookConfirm,
    /// As `WebhookConfirm`, and polls when no webhook came.
    WebhookFallback,
    /// Reads the data lake's watermark for all recordings together.
    Watermark,
}

impl Strategy {
    /// Exports at once: no gate.
    pub const NONE: Self = Self::Ungated(Ungated);

    /// The strategy called `name`, with the defaults of its keys.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all()
            .into_iter()
            .find(|strategy| strategy.name() == name)
    }
}
