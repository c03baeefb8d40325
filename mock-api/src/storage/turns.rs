//! Whose turn it is: work that waits, some of it done at once, in order where order matters and
//! fairly between those whose work it is.
//!
//! Each order claims the things that it touches. Two orders that claim the same thing are carried
//! out one after the other, in the order in which they came, unless both only look at it. Orders
//! wait in lanes, one for each tenant. What is free goes to the lane with the least under way, and
//! among equals to the one that has waited longest; the last quarter is for lanes that have nothing
//! under way, so that whoever is slow keeps nobody else waiting.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use racegate_model::ids::RecordingIndex;

/// Whose work it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Lane {
    /// A recording's that grows. Recordings are everybody's, and each keeps its own order.
    Growing(u64),
    /// A recording's.
    Audio(RecordingIndex),
    /// An organization's.
    Tenant(String),
}

/// What an order touches.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Thing {
    Key(String),
    /// A recording that grows.
    Flow(u64),
    /// All that a job writes.
    Job(usize),
    /// What a job writes of a recording.
    Recording(usize, RecordingIndex),
}

/// How an order touches a thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// Others that share it may do so at once.
    Shared,
    /// Nobody else touches it at once.
    Alone,
}

/// What an order touches, and how.
pub(super) type Claim = (Thing, Access);

/// How much there may be at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bounds {
    /// Orders that wait or are under way.
    pub(super) held: usize,
    /// Orders under way of recordings, and likewise of tenants.
    pub(super) begun: usize,
    /// Orders under way in one lane.
    pub(super) begun_by_lane: usize,
}

/// An order that has begun.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Ticket(u64);

/// Orders of type `T`.
#[derive(Debug)]
pub(super) struct Turns<T> {
    bounds: Bounds,
    next: u64,
    turn: u64,
    orders: BTreeMap<Ticket, Order<T>>,
    lanes: BTreeMap<Lane, Queue>,
    things: BTreeMap<Thing, Claimed>,
    recordings: Pool,
    tenants: Pool,
}

#[derive(Debug)]
struct Order<T> {
    lane: Lane,
    claims: Vec<Claim>,
    /// Claims that others come before.
    blocked: usize,
    /// None once it has begun.
    what: Option<T>,
}

/// Who claims a thing, in the order in which they came.
#[derive(Default, Debug)]
struct Claimed {
    by: BTreeMap<Ticket, Access>,
    /// Those that want it alone.
    alone: usize,
}

#[derive(Default, Debug)]
struct Queue {
    ready: VecDeque<Ticket>,
    /// Orders in all.
    held: usize,
    begun: usize,
    /// The turn at which it last began one.
    served: u64,
}

/// Lanes that share a bound.
#[derive(Default, Debug)]
struct Pool {
    begun: usize,
    /// Lanes with something ready: the least busy first, then who has waited longest.
    waiting: BTreeSet<(usize, u64, Lane)>,
}

impl<T> Turns<T> {
    pub(super) const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            next: 0,
            turn: 0,
            orders: BTreeMap::new(),
            lanes: BTreeMap::new(),
            things: BTreeMap::new(),
            recordings: Pool::EMPTY,
            tenants: Pool::EMPTY,
        }
    }

    /// Takes an order; gives it back if there is no room. A lane may hold as much as is free beside
    /// it: one that fills up leaves room for the others.
    pub(super) fn push(&mut self, lane: Lane, claims: Vec<Claim>, what: T) -> Result<(), T> {
        let held = self.lanes.get(&lane).map_or(0, |queue| queue.held);
        if held >= self.bounds.held.saturating_sub(self.orders.len()) {
            return Err(what);
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        let mut blocked = 0;
        for (thing, access) in &claims {
            let claimed = self.things.entry(thing.clone()).or_default();
            let free = match access {
                Access::Shared => claimed.alone == 0,
                Access::Alone => claimed.by.is_empty(),
            };
            blocked += usize::from(!free);
            claimed.alone += usize::from(*access == Access::Alone);
            claimed.by.insert(ticket, *access);
        }
        let order = Order {
            lane: lane.clone(),
            claims,
            blocked,
            what: Some(what),
        };
        self.orders.insert(ticket, order);
        self.lanes.entry(lane).or_default().held += 1;
        if blocked == 0 {
            self.ready(ticket);
        }
        Ok(())
    }

    /// An order whose turn it is.
    pub(super) fn begin(&mut self) -> Option<(Ticket, T)> {
        let lane = [&self.recordings, &self.tenants]
            .into_iter()
            .find_map(|pool| pool.first(self.bounds))?
            .clone();
        self.unseat(&lane);
        let queue = self.lanes.get_mut(&lane)?;
        let ticket = queue.ready.pop_front()?;
        queue.begun += 1;
        self.turn += 1;
        queue.served = self.turn;
        self.pool(&lane).begun += 1;
        self.seat(lane);
        let what = self.orders.get_mut(&ticket)?.what.take()?;
        Some((ticket, what))
    }

    /// An order that had begun is done.
    pub(super) fn done(&mut self, ticket: Ticket) {
        let Some(order) = self.orders.remove(&ticket) else {
            return;
        };
        let lane = order.lane;
        self.unseat(&lane);
        self.pool(&lane).begun -= 1;
        if let Some(queue) = self.lanes.get_mut(&lane) {
            queue.begun -= 1;
            queue.held -= 1;
            if queue.held == 0 {
                self.lanes.remove(&lane);
            }
        }
        self.seat(lane);
        for (thing, access) in order.claims {
            for freed in self.release(&thing, access, ticket) {
                let blocked = self.orders.get_mut(&freed).map(|order| {
                    order.blocked -= 1;
                    order.blocked
                });
                if blocked == Some(0) {
                    self.ready(freed);
                }
            }
        }
    }

    /// Whether nothing waits or is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// Whether an order that waits or is under way touches it.
    pub(super) fn touches(&self, thing: &Thing) -> bool {
        self.things.contains_key(thing)
    }

    /// Gives up a claim that held. Returns whose claim holds now.
    fn release(&mut self, thing: &Thing, access: Access, ticket: Ticket) -> Vec<Ticket> {
        let Some(claimed) = self.things.get_mut(thing) else {
            return Vec::new();
        };
        claimed.by.remove(&ticket);
        claimed.alone -= usize::from(access == Access::Alone);
        let mut left = claimed.by.iter();
        match left.next() {
            None => {
                self.things.remove(thing);
                Vec::new()
            }
            Some((first, Access::Alone)) => vec![*first],
            // Those that share it with the one that is done hold it already.
            Some(_) if access == Access::Shared => Vec::new(),
            Some((first, Access::Shared)) => {
                let others = left.take_while(|(_, access)| **access == Access::Shared);
                std::iter::once(*first)
                    .chain(others.map(|(ticket, _)| *ticket))
                    .collect()
            }
        }
    }

    fn ready(&mut self, ticket: Ticket) {
        let Some(order) = self.orders.get(&ticket) else {
            return;
        };
        let lane = order.lane.clone();
        self.unseat(&lane);
        self.lanes
            .entry(lane.clone())
            .or_default()
            .ready
            .push_back(ticket);
        self.seat(lane);
    }

    const fn pool(&mut self, lane: &Lane) -> &mut Pool {
        match lane {
            Lane::Growing(_) | Lane::Audio(_) => &mut self.recordings,
            Lane::Tenant(_) => &mut self.tenants,
        }
    }

    /// Before something of a lane changes that its place depends on.
    fn unseat(&mut self, lane: &Lane) {
        if let Some(queue) = self.lanes.get(lane) {
            let seat = (queue.begun, queue.served, lane.clone());
            self.pool(lane).waiting.remove(&seat);
        }
    }

    /// After it.
    fn seat(&mut self, lane: Lane) {
        let most = self.bounds.begun_by_lane;
        let Some(queue) = self.lanes.get(&lane) else {
            return;
        };
        if !queue.ready.is_empty() && queue.begun < most {
            let seat = (queue.begun, queue.served, lane.clone());
            self.pool(&lane).waiting.insert(seat);
        }
    }
}

impl Pool {
    const EMPTY: Self = Self {
        begun: 0,
        waiting: BTreeSet::new(),
    };

    /// The lane whose turn it is.
    fn first(&self, bounds: Bounds) -> Option<&Lane> {
        let (begun, _, lane) = self.waiting.first()?;
        let most = if *begun == 0 {
            bounds.begun
        } else {
            bounds.begun - bounds.begun / 4
        };
        (self.begun < most).then_some(lane)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        held: 100,
        begun: 8,
        begun_by_lane: 4,
    };

    fn tenant(name: &str) -> Lane {
        Lane::Tenant(name.to_owned())
    }

    fn key(name: &str) -> Thing {
        Thing::Key(name.to_owned())
    }

    fn begin_all<T>(turns: &mut Turns<T>) -> Vec<(Ticket, T)> {
        std::iter::from_fn(|| turns.begin()).collect()
    }

    fn what<T: Clone>(begun: &[(Ticket, T)]) -> Vec<T> {
        begun.iter().map(|(_, what)| what.clone()).collect()
    }

    #[test]
    fn what_touches_the_same_key_is_done_in_the_order_in_which_it_came() {
        let mut turns = Turns::new(BOUNDS);
        for (number, lane) in ["a", "b", "a"].into_iter().enumerate() {
            let claims = vec![(key("k"), Access::Alone)];
            turns.push(tenant(lane), claims, number).unwrap();
        }
        for number in 0..3 {
            let begun = begin_all(&mut turns);
            assert_eq!(what(&begun), [number]);
            assert!(turns.touches(&key("k")));
            turns.done(begun[0].0);
        }
        assert!(turns.is_empty() && !turns.touches(&key("k")));
    }

    #[test]
    fn a_manifest_comes_after_all_that_its_job_writes_and_readers_do_not_wait_for_each_other() {
        let mut turns = Turns::new(BOUNDS);
        let job = Thing::Job(1);
        for number in 0..3 {
            let claims = vec![
                (job.clone(), Access::Shared),
                (key("audio"), Access::Shared),
            ];
            turns.push(tenant("a"), claims, number).unwrap();
        }
        turns
            .push(tenant("a"), vec![(job, Access::Alone)], 3)
            .unwrap();
        let begun = begin_all(&mut turns);
        assert_eq!(what(&begun), [0, 1, 2]);
        turns.done(begun[1].0);
        turns.done(begun[0].0);
        assert_eq!(turns.begin(), None, "one is under way");
        turns.done(begun[2].0);
        assert_eq!(what(&begin_all(&mut turns)), [3]);
    }

    #[test]
    fn a_tenant_that_is_slow_keeps_no_other_waiting() {
        let mut turns = Turns::new(BOUNDS);
        for number in 0..40 {
            turns.push(tenant("slow"), Vec::new(), number).unwrap();
        }
        for slow in ["slower", "slowest"] {
            for number in 0..4 {
                turns.push(tenant(slow), Vec::new(), number).unwrap();
            }
        }
        assert_eq!(begin_all(&mut turns).len(), 6, "two are left for others");
        for number in 100..104 {
            turns.push(tenant("quick"), Vec::new(), number).unwrap();
        }
        for number in 100..104 {
            let begun = begin_all(&mut turns);
            assert_eq!(what(&begun), [number]);
            turns.done(begun[0].0);
        }
    }

    #[test]
    fn one_that_fills_up_leaves_room_for_others() {
        let mut turns = Turns::new(BOUNDS);
        let mut fill = |lane: &str| {
            let taken = (0..).take_while(|_| turns.push(tenant(lane), Vec::new(), 0).is_ok());
            taken.count()
        };
        assert_eq!((fill("a"), fill("b"), fill("c")), (50, 25, 13));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 200, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn whatever_is_done_first_nothing_overtakes_and_nothing_is_left(
            orders in prop::collection::vec(
                (0_u8..4, prop::collection::vec((0_u8..4, any::<bool>()), 0..3)), 1..40),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 40),
        ) {
            let mut turns = Turns::new(BOUNDS);
            let (mut claimed, mut lanes) = (Vec::new(), Vec::new());
            for (number, (lane, touched)) in orders.into_iter().enumerate() {
                let mut claims: BTreeMap<Thing, Access> = BTreeMap::new();
                for (name, alone) in touched {
                    let access = if alone { Access::Alone } else { Access::Shared };
                    claims.insert(key(&name.to_string()), access);
                }
                let claims: Vec<_> = claims.into_iter().collect();
                let pushed = turns.push(tenant(&lane.to_string()), claims.clone(), number);
                // With forty at most, one lane in four is full first.
                prop_assert!(pushed.is_ok());
                claimed.push(claims);
                lanes.push(lane);
            }
            let conflict = |one: usize, other: usize| {
                claimed[one].iter().any(|(thing, access)| {
                    claimed[other].iter().any(|(another, how)| {
                        thing == another && (*access, *how) != (Access::Shared, Access::Shared)
                    })
                })
            };
            let (mut running, mut done) = (Vec::new(), BTreeSet::new());
            for pick in picks {
                running.extend(begin_all(&mut turns));
                prop_assert!(running.len() <= BOUNDS.begun);
                for lane in 0..4 {
                    let of_lane = running.iter().filter(|(_, number)| lanes[*number] == lane);
                    prop_assert!(of_lane.count() <= BOUNDS.begun_by_lane);
                }
                for (_, number) in &running {
                    let earlier = (0..*number).filter(|other| conflict(*number, *other));
                    prop_assert!(earlier.into_iter().all(|other| done.contains(&other)));
                }
                if running.is_empty() {
                    break;
                }
                let (ticket, number) = running.swap_remove(pick.index(running.len()));
                turns.done(ticket);
                done.insert(number);
            }
            prop_assert_eq!(done.len(), claimed.len());
            prop_assert!(turns.is_empty() && turns.lanes.is_empty() && turns.things.is_empty());
            prop_assert!(turns.tenants.waiting.is_empty() && turns.tenants.begun == 0);
        }
    }
}
