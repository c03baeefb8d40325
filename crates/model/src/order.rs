//! The order in which an engine did what it did, as hashes of its ingredients.
//!
//! A history's hash does not depend on order; these do. One hash per ingredient, so that a change
//! tells what it is: other instants change `time` alone, other draws `draws` alone, and another
//! order of the same events changes all but, where they are ties, `time`.

use std::fmt;

use crate::draws::mix64;
use crate::ids::{RecordingIndex, TenantIndex};
use crate::time::Timestamp;

/// One thing that an engine did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Event {
    /// When, in the run's time.
    pub at: Timestamp,
    /// What: a number that the engine gives to each kind of event, in the order of ties.
    pub kind: u8,
    /// To which recording.
    pub recording: RecordingIndex,
    /// For which tenant; none is the platform.
    pub tenant: Option<TenantIndex>,
    /// What it is drawn from: the platform's first draw for a recording, the jitter of a check if
    /// it finds nothing, a job's query, latency or failures; zero where nothing is drawn.
    pub draws: u64,
}

/// Whether anybody looks at the order of events: what they are drawn from costs time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Order {
    /// Nobody does.
    #[default]
    Ignored,
    /// Somebody does.
    Noted,
}

/// Who wants to know of every event. `()` does not.
pub trait Trace {
    /// Something was done.
    fn event(&mut self, event: Event);
}

impl Trace for () {
    #[inline]
    fn event(&mut self, _: Event) {}
}

/// The hashes of an order of events, by ingredient.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OrderHash {
    events: u64,
    time: u64,
    kind: u64,
    recording: u64,
    tenant: u64,
    draws: u64,
}

impl OrderHash {
    /// Events so far.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Appends the order of another run: replications are folded in the order of their index.
    pub fn append(&mut self, other: &Self) {
        self.events += other.events;
        let pairs = self.ingredients_mut().into_iter().zip(other.ingredients());
        pairs.for_each(|(mine, (_, theirs))| *mine = mix64(mix64(*mine) ^ theirs));
    }

    const fn ingredients(&self) -> [(&'static str, u64); 5] {
        [
            ("time", self.time),
            ("kind", self.kind),
            ("recording", self.recording),
            ("tenant", self.tenant),
            ("draws", self.draws),
        ]
    }

    const fn ingredients_mut(&mut self) -> [&mut u64; 5] {
        [
            &mut self.time,
            &mut self.kind,
            &mut self.recording,
            &mut self.tenant,
            &mut self.draws,
        ]
    }
}

impl Trace for OrderHash {
    fn event(&mut self, event: Event) {
        self.events += 1;
        let words = [
            event.at.as_nanos(),
            u64::from(event.kind),
            event.recording.0,
            event.tenant.map_or(u64::MAX, |tenant| u64::from(tenant.0)),
            event.draws,
        ];
        for (hash, word) in self.ingredients_mut().into_iter().zip(words) {
            *hash = mix64(*hash ^ word);
        }
    }
}

impl fmt::Display for OrderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events", self.events)?;
        for (name, hash) in self.ingredients() {
            write!(f, " {name}={hash:016x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64, kind: u8, recording: u64) -> Event {
        Event {
            at: Timestamp::from_nanos(at),
            kind,
            recording: RecordingIndex(recording),
            tenant: None,
            draws: 7,
        }
    }

    fn hash(events: &[Event]) -> OrderHash {
        let mut hash = OrderHash::default();
        events.iter().for_each(|event| hash.event(*event));
        hash
    }

    #[test]
    fn two_ties_the_other_way_round_change_what_they_differ_in_and_nothing_else() {
        let one = hash(&[event(1, 0, 5), event(1, 0, 6)]);
        let other = hash(&[event(1, 0, 6), event(1, 0, 5)]);
        assert_ne!(one.recording, other.recording);
        let kept = |hash: OrderHash| (hash.time, hash.kind, hash.tenant, hash.draws);
        assert_eq!(kept(one), kept(other));
    }

    #[test]
    fn appending_tells_which_run_came_first() {
        let (one, other) = (hash(&[event(1, 0, 5)]), hash(&[event(2, 0, 5)]));
        let (mut forth, mut back) = (one, other);
        forth.append(&other);
        back.append(&one);
        assert_eq!((forth.events(), back.events()), (2, 2));
        assert_ne!(forth.time, back.time);
        assert!(forth.to_string().starts_with("2 events time="));
    }
}
