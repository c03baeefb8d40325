//! A timing wheel with lazy re-arming: one deadline per key, a millisecond apart.
//!
//! A session's deadline moves with almost every packet, nearly always later. The wheel then only notes the new deadline and looks
//! again when the old entry comes round, so moving a deadline costs two stores.

use std::time::{Duration, Instant};

/// Slots of one millisecond. A deadline further ahead waits in the last slot and is filed again from there.
const SLOTS: u64 = 1024;

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    deadline: Option<u64>,
    /// The tick under which the key is filed; another filing of the key is stale.
    filed: Option<u64>,
}

/// Deadlines by key. Keys are small integers, such as those of a slab.
#[derive(Debug)]
pub struct Wheel {
    epoch: Instant,
    /// The last tick that has been expired.
    tick: u64,
    slots: Vec<Vec<usize>>,
    entries: Vec<Entry>,
}

impl Wheel {
    /// An empty wheel whose time begins at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            tick: 0,
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            entries: Vec::new(),
        }
    }

    /// Sets the deadline of `key`, in place of the one it had. It fires at most a millisecond late.
    pub fn arm(&mut self, key: usize, deadline: Instant) {
        if key >= self.entries.len() {
            self.entries.resize(key + 1, Entry::default());
        }
        let tick = self.tick_after(deadline);
        self.entries[key].deadline = Some(tick);
        self.file(key, tick);
    }

    /// Takes the deadline of `key` away.
    pub fn disarm(&mut self, key: usize) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.deadline = None;
        }
    }

    /// Appends the keys whose deadlines have passed to `due`; each is disarmed.
    pub fn expire(&mut self, now: Instant, due: &mut Vec<usize>) {
        let target = millis(now.saturating_duration_since(self.epoch));
        while self.tick < target {
            self.tick += 1;
            let slot = slot_of(self.tick);
            let mut keys = std::mem::take(&mut self.slots[slot]);
            for key in keys.drain(..) {
                self.visit(key, due);
            }
            // What was filed meanwhile went to other slots: keep this one's memory.
            if self.slots[slot].is_empty() {
                self.slots[slot] = keys;
            }
        }
    }

    fn visit(&mut self, key: usize, due: &mut Vec<usize>) {
        let entry = &mut self.entries[key];
        if entry.filed != Some(self.tick) {
            return;
        }
        entry.filed = None;
        match entry.deadline {
            Some(deadline) if deadline <= self.tick => {
                entry.deadline = None;
                due.push(key);
            }
            Some(deadline) => self.file(key, deadline),
            None => {}
        }
    }

    fn file(&mut self, key: usize, deadline: u64) {
        let tick = deadline.clamp(self.tick + 1, self.tick + SLOTS - 1);
        let entry = &mut self.entries[key];
        if entry.filed.is_some_and(|filed| filed <= tick) {
            return;
        }
        entry.filed = Some(tick);
        self.slots[slot_of(tick)].push(key);
    }

    /// The first tick at or after `deadline`, so that nothing fires early.
    fn tick_after(&self, deadline: Instant) -> u64 {
        let ahead = deadline.saturating_duration_since(self.epoch);
        millis(ahead + Duration::from_nanos(999_999))
    }
}

fn slot_of(tick: u64) -> usize {
    usize::try_from(tick % SLOTS).unwrap_or(0)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn due(wheel: &mut Wheel, now: Instant) -> Vec<usize> {
        let mut due = Vec::new();
        wheel.expire(now, &mut due);
        due
    }

    #[test]
    fn a_deadline_fires_once_and_never_early() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        wheel.arm(3, start + Duration::from_micros(5500));
        assert!(due(&mut wheel, start + ms(5)).is_empty());
        assert_eq!(due(&mut wheel, start + ms(6)), [3]);
        assert!(due(&mut wheel, start + ms(5000)).is_empty());
    }

    #[test]
    fn a_later_deadline_replaces_the_earlier_one_lazily() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        wheel.arm(0, start + ms(10));
        wheel.arm(0, start + ms(30));
        assert!(due(&mut wheel, start + ms(29)).is_empty());
        assert_eq!(due(&mut wheel, start + ms(30)), [0]);
    }

    #[test]
    fn an_earlier_deadline_replaces_the_later_one_and_fires_once() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        wheel.arm(0, start + ms(30));
        wheel.arm(0, start + ms(10));
        assert_eq!(due(&mut wheel, start + ms(10)), [0]);
        assert!(due(&mut wheel, start + ms(40)).is_empty());
    }

    #[test]
    fn deadlines_beyond_the_horizon_still_fire_on_time() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        wheel.arm(7, start + ms(5000));
        for step in 1..5000 {
            assert!(
                due(&mut wheel, start + ms(step)).is_empty(),
                "early at {step} ms"
            );
        }
        assert_eq!(due(&mut wheel, start + ms(5000)), [7]);
    }

    #[test]
    fn a_jump_of_the_clock_fires_everything_that_passed() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        for key in 0..100 {
            wheel.arm(key, start + ms(key as u64 * 37));
        }
        let mut fired = due(&mut wheel, start + ms(100_000));
        fired.sort_unstable();
        assert_eq!(fired, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_disarmed_key_is_silent_and_can_be_armed_again() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        wheel.arm(1, start + ms(5));
        wheel.disarm(1);
        wheel.disarm(99);
        assert!(due(&mut wheel, start + ms(6)).is_empty());
        wheel.arm(1, start);
        assert_eq!(
            due(&mut wheel, start + ms(7)),
            [1],
            "a deadline in the past fires at the next tick"
        );
    }
}
