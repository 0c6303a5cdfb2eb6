//! A memory of bounded size, which forgets the oldest entry first.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap, RandomState};
use std::hash::{BuildHasher, Hash};

/// Represents an event in memory by two hashes with secret keys, so that nobody can make two events that share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(u64, u64);

/// Makes fingerprints. Those of one process are comparable with each other, and with no other process's.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fingerprints(RandomState, RandomState);

impl Fingerprints {
    pub(crate) fn of(&self, what: impl Hash) -> Fingerprint {
        Fingerprint(self.0.hash_one(&what), self.1.hash_one(&what))
    }
}

/// The most recent events, each with a value.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    known: HashMap<Fingerprint, V>,
    order: VecDeque<Fingerprint>,
    capacity: usize,
}

impl<V> Recent<V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { known: HashMap::new(), order: VecDeque::new(), capacity }
    }

    pub(crate) fn get(&self, event: Fingerprint) -> Option<&V> {
        self.known.get(&event)
    }

    /// Changes the value of an event, beginning with the default. A new event replaces the oldest when the memory is
    /// full.
    pub(crate) fn update(&mut self, event: Fingerprint, change: impl FnOnce(&mut V))
    where
        V: Default,
    {
        match self.known.entry(event) {
            Entry::Occupied(mut known) => change(known.get_mut()),
            Entry::Vacant(unknown) => {
                change(unknown.insert(V::default()));
                self.order.push_back(event);
            }
        }
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let (prints, mut recent) = (Fingerprints::default(), Recent::<u32>::new(2));
        for name in ["a", "b", "a", "c"] {
            recent.update(prints.of(name), |times| *times += 1);
        }
        assert_eq!(recent.get(prints.of("a")), None);
        assert_eq!(recent.get(prints.of("b")), Some(&1));
        assert_eq!(recent.get(prints.of("c")), Some(&1));
    }

    #[test]
    fn a_memory_without_room_knows_nothing() {
        let (prints, mut recent) = (Fingerprints::default(), Recent::<()>::new(0));
        recent.update(prints.of("a"), |()| ());
        assert_eq!(recent.get(prints.of("a")), None);
    }
}
