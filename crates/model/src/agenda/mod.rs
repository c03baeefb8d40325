//! What is to happen, in order of time; ties by content, never by insertion.
//!
//! Streams whose delay is the same every time come in order, so they need no sorting: each has a
//! lane, a plain queue. What is out of order goes to a 4-ary heap, and above some number of entries to a
//! timing wheel, whose price does not grow with what is pending.

mod heap;
mod wheel;

use std::collections::VecDeque;

use crate::time::Timestamp;
use heap::Heap;
use wheel::Wheel;

/// One thing to happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Due {
    /// When.
    pub(crate) at: Timestamp,
    /// What: orders things of the same instant. No two things have both in common.
    pub(crate) content: u64,
    /// Where to find it; has no part in the order.
    pub(crate) slot: u32,
}

impl Due {
    #[inline]
    const fn key(self) -> u128 {
        ((self.at.as_nanos() as u128) << 64) | self.content as u128
    }

    #[inline]
    const fn before(self, other: Self) -> bool {
        self.key() < other.key()
    }
}

#[cfg(test)]
thread_local! {
    /// Entries that queues have moved on this thread.
    static MOVED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// A queue has moved so many entries: what pushing and popping cost, for tests.
#[inline(always)]
fn moved(entries: usize) {
    #[cfg(test)]
    MOVED.set(MOVED.get() + entries as u64);
    let _ = entries;
}

/// A priority queue of things to happen. Nothing may be pushed before what was popped last: then
/// every queue below gives the same order.
trait Queue {
    /// Adds `due`.
    fn push(&mut self, due: Due);
    /// The first thing.
    fn peek(&mut self) -> Option<Due>;
    /// Removes and returns the first thing.
    fn pop(&mut self) -> Option<Due>;
    /// How many there are.
    fn len(&self) -> usize;
}

/// Above this many entries out of order the wheel is used; below a quarter of it, the heap again.
/// At 4,000 in flight the simulator took a sixth less time with the wheel than with the heap.
const WHEEL_FROM: usize = 1_000;

/// Lanes for streams in order.
const LANES: usize = 2;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Agenda {
    /// The first thing of all, which is still in its queue.
    first: Option<(Due, Place)>,
    lanes: [VecDeque<Due>; LANES],
    sorted: Sorted,
}

/// Where a thing is queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Lane(usize),
    Sorted,
}

#[derive(Clone, Debug)]
enum Sorted {
    Heap(Heap),
    Wheel(Box<Wheel>),
}

impl Default for Agenda {
    fn default() -> Self {
        Self {
            first: None,
            lanes: Default::default(),
            sorted: Sorted::Heap(Heap::default()),
        }
    }
}

impl Agenda {
    /// Adds `due`.
    #[inline]
    pub(crate) fn push(&mut self, due: Due) {
        self.note(due, Place::Sorted);
        match &mut self.sorted {
            Sorted::Heap(heap) => {
                heap.push(due);
                if heap.len() > WHEEL_FROM {
                    self.grow();
                }
            }
            Sorted::Wheel(wheel) => wheel.push(due),
        }
    }

    /// Adds `due`, of a stream that mostly comes in order.
    #[inline]
    pub(crate) fn push_in_order(&mut self, lane: usize, due: Due) {
        let queue = &mut self.lanes[lane];
        if queue.back().is_none_or(|last| last.before(due)) {
            queue.push_back(due);
            self.note(due, Place::Lane(lane));
        } else {
            self.push(due);
        }
    }

    /// The first thing.
    #[inline]
    pub(crate) fn peek(&self) -> Option<Due> {
        self.first.map(|(due, _)| due)
    }

    /// When the first thing is due; never if there is none.
    #[inline]
    pub(crate) const fn first_at(&self) -> Timestamp {
        match self.first {
            Some((due, _)) => due.at,
            None => Timestamp::NEVER,
        }
    }

    /// Removes and returns the first thing if it is due until `horizon`.
    #[inline]
    pub(crate) fn pop_until(&mut self, horizon: Timestamp) -> Option<Due> {
        let (due, place) = self.first.filter(|(due, _)| due.at <= horizon)?;
        match place {
            Place::Lane(lane) => self.lanes[lane].pop_front(),
            Place::Sorted => self.pop_sorted(),
        };
        self.first = self.find_first();
        Some(due)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.first = None;
        self.lanes.iter_mut().for_each(VecDeque::clear);
        match &mut self.sorted {
            Sorted::Heap(heap) => drop(heap.drain()),
            Sorted::Wheel(_) => self.sorted = Sorted::Heap(Heap::default()),
        }
    }

    /// Whether nothing is to happen.
    pub(crate) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[inline]
    fn note(&mut self, due: Due, place: Place) {
        if self.first.is_none_or(|(first, _)| due.before(first)) {
            self.first = Some((due, place));
        }
    }

    #[inline]
    fn find_first(&mut self) -> Option<(Due, Place)> {
        let sorted = match &mut self.sorted {
            Sorted::Heap(heap) => heap.peek(),
            Sorted::Wheel(wheel) => wheel.peek(),
        };
        let mut first = sorted.map(|due| (due, Place::Sorted));
        for (lane, queue) in self.lanes.iter().enumerate() {
            if let Some(due) = queue.front()
                && first.is_none_or(|(best, _)| due.before(best))
            {
                first = Some((*due, Place::Lane(lane)));
            }
        }
        first
    }

    #[inline]
    fn pop_sorted(&mut self) -> Option<Due> {
        match &mut self.sorted {
            Sorted::Heap(heap) => heap.pop(),
            Sorted::Wheel(wheel) => {
                let due = wheel.pop();
                if wheel.len() < WHEEL_FROM / 4 {
                    self.shrink();
                }
                due
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let Sorted::Heap(heap) = &mut self.sorted else {
            return;
        };
        let from = heap.peek().map_or(Timestamp::ZERO, |due| due.at);
        self.sorted = Sorted::Wheel(Box::new(Wheel::of(from, heap.drain().collect())));
    }

    #[cold]
    fn shrink(&mut self) {
        let Sorted::Wheel(wheel) = &mut self.sorted else {
            return;
        };
        let mut heap = Heap::default();
        wheel.drain().for_each(|due| heap.push(due));
        self.sorted = Sorted::Heap(heap);
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;
    use crate::draws::mix64;

    /// Pushes and pops as a simulation does: what is pushed lies ahead of what was popped.
    fn held(queue: &mut impl Queue, seed: u64, size: u64, steps: u64) -> Vec<(u64, u64)> {
        let mut popped = Vec::new();
        let due = |now: u64, n: u64| Due {
            // Small steps make ties, large ones go up the wheel's levels.
            at: Timestamp::from_nanos(now + (mix64(seed ^ n) >> (24 + n % 40))),
            content: mix64(n),
            slot: 0,
        };
        (0..size).for_each(|n| queue.push(due(0, n)));
        for n in size..size + steps {
            assert_eq!(queue.peek().is_some(), queue.len() > 0);
            let Some(first) = queue.pop() else { break };
            popped.push((first.at.as_nanos(), first.content));
            if !mix64(n).is_multiple_of(8) {
                queue.push(due(first.at.as_nanos(), n));
            }
        }
        popped
    }

    /// The reference: the standard library's heap.
    #[derive(Default)]
    struct Reference(BinaryHeap<Reverse<(Timestamp, u64)>>);

    impl Queue for Reference {
        fn push(&mut self, due: Due) {
            self.0.push(Reverse((due.at, due.content)));
        }

        fn peek(&mut self) -> Option<Due> {
            let Reverse((at, content)) = *self.0.peek()?;
            let slot = 0;
            Some(Due { at, content, slot })
        }

        fn pop(&mut self) -> Option<Due> {
            let first = self.peek();
            self.0.pop();
            first
        }

        fn len(&self) -> usize {
            self.0.len()
        }
    }

    proptest! {
        #[test]
        fn heap_and_wheel_give_the_same_order(seed: u64, size in 1_u64..400, steps in 0_u64..3000) {
            let expected = held(&mut Reference::default(), seed, size, steps);
            prop_assert_eq!(&held(&mut Heap::default(), seed, size, steps), &expected);
            let mut wheel = Wheel::of(Timestamp::ZERO, Vec::new());
            prop_assert_eq!(&held(&mut wheel, seed, size, steps), &expected);
        }
    }

    #[test]
    fn lanes_growth_and_shrinking_change_no_order() {
        let mut agenda = Agenda::default();
        let mut reference = Reference::default();
        let (mut now, mut popped) = (Timestamp::ZERO, 0_u64);
        for n in 0..400_000_u64 {
            // Grows beyond the wheel's threshold, and back.
            let pushes = if n < 150_000 { 2 } else { 0 };
            for k in 0..pushes {
                let content = n * 2 + k;
                let wait = if k == 0 {
                    5000
                } else {
                    mix64(content) % 100_000
                };
                let at = Timestamp::from_nanos(now.as_nanos() + wait);
                let due = Due {
                    at,
                    content,
                    slot: 0,
                };
                reference.push(due);
                if k == 0 {
                    agenda.push_in_order(1, due);
                } else {
                    agenda.push(due);
                }
            }
            let first = agenda.pop_until(Timestamp::NEVER);
            assert_eq!(first, reference.pop(), "after {popped}");
            let Some(first) = first else { break };
            now = first.at;
            popped += 1;
        }
        assert_eq!(popped, 300_000);
        assert!(agenda.is_empty());
    }

    /// Entries moved for `count` things that are pushed at random within `span` nanoseconds, a few
    /// of them on the way, and then popped; each one popped pushes another a little later.
    fn moved_for(count: u64, span: u64) -> u64 {
        let mut agenda = Agenda::default();
        // What came before chose a long tick.
        let due = |at, content| Due {
            at: Timestamp::from_nanos(at),
            content,
            slot: 0,
        };
        (0..2_000).for_each(|n| agenda.push(due(n * 1_000_000_000, n)));
        MOVED.set(0);
        for n in 2_000..2_000 + count {
            agenda.push(due(mix64(n) % span, n));
        }
        let mut last = Timestamp::ZERO;
        for n in 0..count {
            let first = agenda
                .pop_until(Timestamp::NEVER)
                .expect("as many are there");
            assert!(first.at >= last);
            last = first.at;
            let at = first.at.as_nanos() + mix64(n) % (span / 4);
            agenda.push(due(at, 2_000 + count + n));
        }
        MOVED.get() / count
    }

    #[test]
    fn a_burst_costs_no_more_for_each_thing_than_the_same_spread_out() {
        let spread = moved_for(100_000, 1_000_000_000_000);
        assert!(spread >= 2, "{spread}");
        for span in [1_000_000_000, 1_000, 4] {
            let burst = moved_for(100_000, span);
            assert!(
                burst <= 4 * spread + 40,
                "{burst} in {span} ns, {spread} spread out"
            );
        }
    }

    #[test]
    fn nothing_is_popped_beyond_the_horizon() {
        let mut agenda = Agenda::default();
        let due = Due {
            at: Timestamp::from_nanos(7),
            content: 1,
            slot: 3,
        };
        agenda.push(due);
        assert_eq!(agenda.pop_until(Timestamp::from_nanos(6)), None);
        assert_eq!(agenda.peek(), Some(due));
        assert_eq!(agenda.pop_until(Timestamp::from_nanos(7)), Some(due));
    }
}
