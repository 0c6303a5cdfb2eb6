//! The memory that bodies may take while they are received, all together.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::kind::Kind;
use super::problem::Problem;

/// Enough for 64 of the largest bodies at a time. One that comes in a single piece is parsed where it was received and
/// takes none, so clients that send slowly keep out each other, not the usual order.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What is left of it.
#[derive(Debug)]
pub(super) struct Room(Semaphore);

/// The part of one body, given back when dropped.
#[derive(Debug)]
pub(super) struct Share<'r> {
    room: &'r Room,
    held: Option<SemaphorePermit<'r>>,
}

impl Room {
    /// All of it.
    pub(super) fn new() -> Self {
        Self(Semaphore::new(MOST_BYTES))
    }

    /// Nothing of it yet.
    pub(super) fn share(&self) -> Share<'_> {
        Share { room: self, held: None }
    }
}

impl Share<'_> {
    /// Takes so many bytes more; nobody waits for room, since those who hold it may be slow.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let more = u32::try_from(bytes).ok().and_then(|bytes| self.room.0.try_acquire_many(bytes).ok());
        let more =
            more.ok_or_else(|| Problem::new(Kind::Overloaded, "too many bodies are coming in; repeat it later"))?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_comes_back_and_no_more_is_given_than_there_is() {
        let room = Room::new();
        let (mut one, mut other) = (room.share(), room.share());
        one.grow(MOST_BYTES - 1).unwrap();
        assert_eq!(other.grow(2).unwrap_err().kind, Kind::Overloaded);
        other.grow(1).unwrap();
        assert_eq!(one.grow(1).unwrap_err().kind, Kind::Overloaded);
        drop(one);
        other.grow(MOST_BYTES - 1).unwrap();
    }
}
