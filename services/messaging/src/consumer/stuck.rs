//! Shows that copies do not pass, for as long as any does not.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::Handler;
use super::work::Work;
use crate::delivery::Copy;
use crate::{Error, PublishError, State};

/// How often the reason is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The copies that are stuck, and the state that they give the consumer.
#[derive(Debug, Default)]
pub(super) struct StuckCopies(Mutex<(usize, Option<State>)>);

/// One of them, until it is dropped.
pub(super) struct StuckCopy<'a>(&'a StuckCopies);

impl StuckCopies {
    /// Adds one.
    pub(super) fn add(&self) -> StuckCopy<'_> {
        self.lock().0 += 1;
        StuckCopy(self)
    }

    /// The state that they give the consumer, if any is stuck and the reason is known.
    pub(super) fn state(&self) -> Option<State> {
        self.lock().1.clone()
    }

    fn lock(&self) -> MutexGuard<'_, (usize, Option<State>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StuckCopy<'_> {
    fn drop(&mut self) {
        let mut stuck = self.0.lock();
        stuck.0 -= 1;
        if stuck.0 == 0 {
            stuck.1 = None;
        }
    }
}

impl<H: Handler> Work<H> {
    /// Shows why a copy is stuck, again and again. `last` is why its last try failed.
    pub(super) async fn show_stuck<T>(&self, copy: &Copy, last: &Mutex<Option<PublishError>>) -> T {
        loop {
            let last = *last.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(reason) = self.copies.trouble(last) {
                let error = Error::Copies { queue: copy.queue.clone(), reason };
                self.stuck.lock().1 = Some(error.state(true));
                self.copies_fail(&error);
            }
            sleep(EVERY).await;
        }
    }
}
