//! Limits the memory of all bodies together while they arrive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Enough for 64 of the largest bodies at a time. A body that arrives in a single piece is parsed where it was
/// received, and takes none of this memory. When the memory is used up, the body that has been arriving for longest
/// has to go. So bodies that never end keep out nobody.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The whole memory.
#[derive(Debug)]
pub(super) struct BodyBudget(Mutex<Parts>);

/// The share of each body, by when the body began.
#[derive(Debug)]
struct Parts {
    left: usize,
    next: u64,
    held: BTreeMap<u64, Part>,
}

#[derive(Debug)]
struct Part {
    bytes: usize,
    taken_back: Arc<Notify>,
}

/// The share of one body. Dropping it returns the share.
#[derive(Debug)]
pub(super) struct Share<'b> {
    budget: &'b BodyBudget,
    number: u64,
    taken_back: Arc<Notify>,
}

impl BodyBudget {
    /// The whole memory, unused.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Parts { left: MOST_BYTES, next: 0, held: BTreeMap::new() }))
    }

    /// A share without any bytes.
    pub(super) fn share(&self) -> Share<'_> {
        let mut parts = self.lock();
        parts.next += 1;
        Share { budget: self, number: parts.next, taken_back: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share<'_> {
    /// Takes this many more bytes, which is far less than the whole memory.
    pub(super) fn grow(&mut self, bytes: usize) {
        let mut parts = self.budget.lock();
        while parts.left < bytes
            && let Some((_, oldest)) = parts.held.pop_first()
        {
            parts.left += oldest.bytes;
            oldest.taken_back.notify_one();
        }
        parts.left = parts.left.saturating_sub(bytes);
        let mine = || Part { bytes: 0, taken_back: self.taken_back.clone() };
        parts.held.entry(self.number).or_insert_with(mine).bytes += bytes;
    }

    /// Waits until another body needs the memory. Then this body has to be dropped.
    pub(super) async fn taken_back(&self) {
        self.taken_back.notified().await;
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut parts = self.budget.lock();
        if let Some(part) = parts.held.remove(&self.number) {
            parts.left += part.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn is_taken_back(share: &Share<'_>) -> bool {
        pin!(share.taken_back()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_oldest_body_goes_when_there_is_no_room_and_what_was_taken_comes_back() {
        let budget = BodyBudget::new();
        let (mut oldest, mut older, mut newer) = (budget.share(), budget.share(), budget.share());
        older.grow(1);
        oldest.grow(MOST_BYTES - 1);
        newer.grow(2);
        assert!(is_taken_back(&oldest) && !is_taken_back(&older) && !is_taken_back(&newer));
        drop(oldest);
        assert_eq!(budget.lock().left, MOST_BYTES - 3);
        drop((older, newer));
        let parts = budget.lock();
        assert_eq!((parts.left, parts.held.len()), (MOST_BYTES, 0));
    }
}
