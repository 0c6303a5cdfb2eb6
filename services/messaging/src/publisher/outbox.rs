//! Holds the messages that wait to be published, and calls the lanes to take them.

use std::sync::{Mutex, MutexGuard};

use prometheus::IntGauge;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::line::{Limits, Line, MOST_ALOFT, Ticket};
use super::{Answer, Outgoing, PublishError};

/// The messages that wait for a lane, in the order of their arrival.
pub(super) struct Outbox {
    line: Mutex<Line>,
    limits: Limits,
    in_flight: Option<IntGauge>,
    calls: Notify,
    emptied: Notify,
    /// Why the broker refused the last message that this user may not publish.
    refusal: Mutex<Option<String>>,
}

impl Outbox {
    pub(super) fn new(limits: Limits, in_flight: Option<IntGauge>) -> Self {
        Self {
            line: Mutex::default(),
            limits,
            in_flight,
            calls: Notify::new(),
            emptied: Notify::new(),
            refusal: Mutex::default(),
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
        let mut place = self.enter(outgoing, deadline)?;
        match timeout_at(deadline, &mut place.answer).await {
            Ok(Ok(answer)) => answer,
            _ => self.give_up(place, unsent),
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
        let mut place = self.enter(outgoing, deadline)?;
        tokio::select! {
            biased;
            Ok(answer) = &mut place.answer => answer,
            () = over => self.give_up(place, unsent),
        }
    }

    /// What became of a message for which nobody waits any longer.
    fn give_up(&self, mut place: Place<'_>, unsent: impl FnOnce() -> PublishError) -> Answer {
        match self.withdraw(place.number) {
            Some(ticket) if !ticket.sent => Err(unsent()),
            Some(_) => Err(PublishError::Unconfirmed),
            // A lane has the message, and may have answered just now.
            None => place.answer.try_recv().unwrap_or(Err(PublishError::Unconfirmed)),
        }
    }

    fn enter(&self, outgoing: Outgoing, deadline: Instant) -> Result<Place<'_>, PublishError> {
        let bytes = outgoing.body.len();
        let (sender, answer) = oneshot::channel();
        let mut line = self.line();
        if line.closed {
            return Err(PublishError::Unavailable);
        }
        if line.places >= self.limits.messages || line.bytes.saturating_add(bytes) > self.limits.bytes {
            return Err(PublishError::Overloaded);
        }
        let number = line.next_number;
        line.next_number += 1;
        line.places += 1;
        line.bytes += bytes;
        let outgoing = Box::new(outgoing);
        line.waiting.push_back(Ticket { number, outgoing, deadline, sent: false, alone: false, answer: sender });
        self.call(line);
        if let Some(in_flight) = &self.in_flight {
            in_flight.inc();
        }
        Ok(Place { outbox: self, number, bytes, answer })
    }

    fn withdraw(&self, number: u64) -> Option<Ticket> {
        self.line().withdraw(number)
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
        let mut line = self.line();
        line.called = !line.waiting.is_empty();
        // Not `then_some`, because a turn that ends looks at the waiting messages.
        line.called.then(|| Turn { outbox: self })
    }

    /// Calls the lane that began to wait last, if a message waits and no lane is called. It calls a further lane for
    /// each [`MOST_ALOFT`] messages that wait, because a lane comes late if its runtime has other work.
    fn call(&self, mut line: MutexGuard<'_, Line>) {
        let waiting = line.waiting.len();
        let wanted = waiting > 0 && (!line.called || waiting.is_multiple_of(MOST_ALOFT));
        line.called |= wanted;
        drop(line);
        if wanted {
            self.calls.notify_last();
        }
    }

    /// Takes back the messages that could not be answered.
    pub(super) fn give_back(&self, tickets: Vec<Ticket>) {
        if tickets.is_empty() {
            return;
        }
        let mut line = self.line();
        for ticket in tickets {
            // Under the lock, so that a publisher that leaves now finds its ticket waiting, or has closed it before.
            if !ticket.answer.is_closed() {
                line.admit(ticket);
            }
        }
        self.call(line);
    }

    /// Notes that the broker refuses what this user publishes.
    pub(super) fn refuse(&self, words: String) {
        *self.refusal.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(words);
    }

    /// Why the broker refused since this was last asked, if it did.
    pub(super) fn take_refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }

    /// Takes no more messages, and resolves once everybody has an answer.
    pub(super) async fn close(&self) {
        self.line().closed = true;
        while self.line().places > 0 {
            self.emptied.notified().await;
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // The guarded data is consistent between any two statements.
        self.line.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A lane's turn to take its share. When the turn ends, used or not, the next lane is called to the rest.
pub(super) struct Turn<'o> {
    outbox: &'o Outbox,
}

impl Turn<'_> {
    /// Takes one lane's share of the waiting messages, when the lane has this much unconfirmed already. Says whether
    /// any are left. The lane has to answer or give back what it takes.
    pub(super) fn take(self, lanes: usize, aloft: Limits) -> (Vec<Ticket>, bool) {
        let mut line = self.outbox.line();
        (line.share(lanes, aloft), !line.waiting.is_empty())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut line = self.outbox.line();
        line.called = false;
        self.outbox.call(line);
    }
}

/// A publisher's place. It is given up when the publisher has its answer or waits no more.
struct Place<'o> {
    outbox: &'o Outbox,
    number: u64,
    bytes: usize,
    answer: oneshot::Receiver<Answer>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.answer.close();
        let mut line = self.outbox.line();
        line.withdraw(self.number);
        line.places -= 1;
        line.bytes -= self.bytes;
        if line.places == 0 {
            self.outbox.emptied.notify_one();
        }
        drop(line);
        if let Some(in_flight) = &self.outbox.in_flight {
            in_flight.dec();
        }
    }
}

#[cfg(test)]
mod tests;
