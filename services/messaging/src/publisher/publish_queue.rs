//! Holds the messages that wait to be published, and calls the lanes to take them.

use std::sync::{Mutex, MutexGuard};

use prometheus::IntGauge;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::backlog::{Backlog, Limits, MOST_UNCONFIRMED, PendingPublish};
use super::{Answer, Outgoing, PublishError};

/// The messages that wait for a lane, in the order of their arrival.
pub(super) struct PublishQueue {
    backlog: Mutex<Backlog>,
    limits: Limits,
    in_flight: Option<IntGauge>,
    calls: Notify,
    emptied: Notify,
    /// Why the broker refused the last message that this user may not publish.
    refusal: Mutex<Option<String>>,
    /// Why the broker closed a channel last.
    closing: Mutex<Option<String>>,
}

impl PublishQueue {
    pub(super) fn new(limits: Limits, in_flight: Option<IntGauge>) -> Self {
        Self {
            backlog: Mutex::default(),
            limits,
            in_flight,
            calls: Notify::new(),
            emptied: Notify::new(),
            refusal: Mutex::default(),
            closing: Mutex::default(),
        }
    }

    /// Queues the message and waits for the broker's answer, until the deadline. `unsent` is the error for a message
    /// that was never sent.
    pub(super) async fn send(
        &self,
        outgoing: Outgoing,
        deadline: Instant,
        unsent: impl FnOnce() -> PublishError,
    ) -> Answer {
        let mut slot = self.enter(outgoing, deadline)?;
        match timeout_at(deadline, &mut slot.answer).await {
            Ok(Ok(answer)) => answer,
            _ => self.give_up(slot, unsent),
        }
    }

    /// The same, but it waits until `over` resolves. A lane waits for the confirm until the deadline at least.
    pub(super) async fn send_until(
        &self,
        over: impl Future<Output = ()>,
        outgoing: Outgoing,
        deadline: Instant,
        unsent: impl FnOnce() -> PublishError,
    ) -> Answer {
        let mut slot = self.enter(outgoing, deadline)?;
        tokio::select! {
            biased;
            Ok(answer) = &mut slot.answer => answer,
            () = over => self.give_up(slot, unsent),
        }
    }

    /// What became of a message for which nobody waits any longer.
    fn give_up(&self, mut slot: Slot<'_>, unsent: impl FnOnce() -> PublishError) -> Answer {
        match self.withdraw(slot.number) {
            Some(pending) if !pending.sent => Err(unsent()),
            Some(_) => Err(PublishError::Unconfirmed),
            // A lane has the message, and may have answered just now.
            None => slot.answer.try_recv().unwrap_or(Err(PublishError::Unconfirmed)),
        }
    }

    fn enter(&self, outgoing: Outgoing, deadline: Instant) -> Result<Slot<'_>, PublishError> {
        let bytes = outgoing.body.len();
        let (sender, answer) = oneshot::channel();
        let mut backlog = self.backlog();
        if backlog.closed {
            return Err(PublishError::Unavailable);
        }
        if backlog.slots >= self.limits.messages || backlog.bytes.saturating_add(bytes) > self.limits.bytes {
            return Err(PublishError::Overloaded);
        }
        let number = backlog.next_number;
        backlog.next_number += 1;
        backlog.slots += 1;
        backlog.bytes += bytes;
        let outgoing = Box::new(outgoing);
        backlog.waiting.push_back(PendingPublish {
            number,
            outgoing,
            deadline,
            sent: false,
            alone: false,
            answer: sender,
        });
        self.call(backlog);
        if let Some(in_flight) = &self.in_flight {
            in_flight.inc();
        }
        Ok(Slot { publish_queue: self, number, bytes, answer })
    }

    fn withdraw(&self, number: u64) -> Option<PendingPublish> {
        self.backlog().withdraw(number)
    }

    /// Resolves once a message waits: for a lane that is called, and for one that looks by itself. One lane is called
    /// at a time, because messages that share a channel and a write cost the broker least.
    pub(super) async fn turn(&self) -> Turn<'_> {
        loop {
            if let Some(turn) = self.turn_now() {
                return turn;
            }
            self.calls.notified().await;
        }
    }

    /// A turn, if a message waits. If none waits, no lane counts as called any longer.
    fn turn_now(&self) -> Option<Turn<'_>> {
        let mut backlog = self.backlog();
        backlog.called = !backlog.waiting.is_empty();
        // Not `then_some`, because a turn that ends looks at the waiting messages.
        backlog.called.then(|| Turn { publish_queue: self })
    }

    /// Calls the lane that began to wait last, if a message waits and no lane is called. It calls a further lane for
    /// each [`MOST_UNCONFIRMED`] messages that wait, because a lane comes late if its runtime has other work.
    fn call(&self, mut backlog: MutexGuard<'_, Backlog>) {
        let waiting = backlog.waiting.len();
        let wanted = waiting > 0 && (!backlog.called || waiting.is_multiple_of(MOST_UNCONFIRMED));
        backlog.called |= wanted;
        drop(backlog);
        if wanted {
            self.calls.notify_last();
        }
    }

    /// Takes back the messages that could not be answered.
    pub(super) fn give_back(&self, batch: Vec<PendingPublish>) {
        if batch.is_empty() {
            return;
        }
        let mut backlog = self.backlog();
        for pending in batch {
            // Under the lock, so that a publisher that leaves now finds its message waiting, or has closed it before.
            if !pending.answer.is_closed() {
                backlog.admit(pending);
            }
        }
        self.call(backlog);
    }

    /// Notes that the broker refuses what this user publishes.
    pub(super) fn refuse(&self, words: String) {
        *self.refusal.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(words);
    }

    /// Why the broker refused since this was last asked, if it did.
    pub(super) fn take_refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }

    /// Notes why the broker closed a channel.
    pub(super) fn note_closing(&self, words: String) {
        *self.closing.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(words);
    }

    /// Why the broker closed a channel last.
    pub(super) fn last_closing(&self) -> Option<String> {
        self.closing.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Takes no more messages, and resolves once everybody has an answer.
    pub(super) async fn close(&self) {
        self.backlog().closed = true;
        while self.backlog().slots > 0 {
            self.emptied.notified().await;
        }
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        // The guarded data is consistent between any two statements.
        self.backlog.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A lane's turn to take its share. When the turn ends, used or not, the next lane is called to the rest.
pub(super) struct Turn<'o> {
    publish_queue: &'o PublishQueue,
}

impl Turn<'_> {
    /// Takes one lane's share of the waiting messages, when the lane has this much unconfirmed already. Says whether
    /// any are left. The lane has to answer or give back what it takes.
    pub(super) fn take(self, lanes: usize, unconfirmed: Limits) -> (Vec<PendingPublish>, bool) {
        let mut backlog = self.publish_queue.backlog();
        (backlog.share(lanes, unconfirmed), !backlog.waiting.is_empty())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut backlog = self.publish_queue.backlog();
        backlog.called = false;
        self.publish_queue.call(backlog);
    }
}

/// A publisher's slot. It is free again when the publisher has its answer or waits no more.
struct Slot<'o> {
    publish_queue: &'o PublishQueue,
    number: u64,
    bytes: usize,
    answer: oneshot::Receiver<Answer>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.answer.close();
        let mut backlog = self.publish_queue.backlog();
        backlog.withdraw(self.number);
        backlog.slots -= 1;
        backlog.bytes -= self.bytes;
        if backlog.slots == 0 {
            self.publish_queue.emptied.notify_one();
        }
        drop(backlog);
        if let Some(in_flight) = &self.publish_queue.in_flight {
            in_flight.dec();
        }
    }
}

#[cfg(test)]
mod tests;
