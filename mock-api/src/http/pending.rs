//! Things that a client has asked for and comes back for: batches, reports, analytics jobs. Each
//! tenant's are bounded; the oldest is forgotten first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::error::{ApiError, Entity};
use super::ids::Uuid;

/// Things of a kind that a tenant's shelf holds, and the bytes that they may take.
const SHELF_MAX: usize = 1000;
const WEIGHT_MAX: usize = 64 << 20;

/// Things by id, in the order in which they came.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    known: Mutex<Known<T>>,
}

#[derive(Debug)]
struct Known<T> {
    things: BTreeMap<Uuid, Arc<T>>,
    order: VecDeque<(Uuid, usize)>,
    weight: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
        }
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self {
            things: BTreeMap::new(),
            order: VecDeque::new(),
            weight: 0,
        }
    }
}

impl<T> Shelf<T> {
    /// Puts a thing there that takes so many bytes.
    pub(super) fn put(&self, id: Uuid, thing: T, weight: usize) {
        let mut known = self.known.lock();
        known.things.insert(id, Arc::new(thing));
        known.order.push_back((id, weight));
        known.weight += weight;
        while known.order.len() > SHELF_MAX || (known.weight > WEIGHT_MAX && known.order.len() > 1)
        {
            if let Some((oldest, weight)) = known.order.pop_front() {
                known.things.remove(&oldest);
                known.weight -= weight;
            }
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&self) {
        *self.known.lock() = Known::default();
    }

    /// The thing of that id, or the API's refusal.
    pub(super) fn find(&self, id: &str, entity: Entity) -> Result<Arc<T>, ApiError> {
        let none = || entity.none(id);
        let id = Uuid::parse(id).ok_or_else(none)?;
        let known = self.known.lock();
        known.things.get(&id).cloned().ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let shelf = Shelf::default();
        let id = |nth: usize| Uuid::of((nth as u128) << 80);
        for nth in 0..=SHELF_MAX {
            shelf.put(id(nth), nth, 1);
        }
        let find = |id: &str| shelf.find(id, Entity::Batch);
        assert!(find(&id(0).to_string()).is_err());
        assert_eq!(
            find(&id(SHELF_MAX).to_string()).ok().as_deref(),
            Some(&SHELF_MAX)
        );
        assert!(find("nonsense").is_err());
        assert_eq!(shelf.known.lock().things.len(), SHELF_MAX);
        shelf.put(id(SHELF_MAX + 1), 0, WEIGHT_MAX + 1);
        assert_eq!(
            shelf.known.lock().things.len(),
            1,
            "one is kept, however heavy"
        );
    }
}
