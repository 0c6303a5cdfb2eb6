//! The messages that wait to be published, and the places of those who wait for an answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use prometheus::IntGauge;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::{Answer, Outgoing, PublishError};

/// So many a lane may have on their way, however few there are for each.
const LEAST_SHARE: usize = 32;
/// The most messages that a lane has on their way.
const MOST_ALOFT: usize = 256;
/// The most bytes of bodies that a lane has on their way, unless the first message alone has more.
const HEAVIEST_SHARE: usize = 1024 * 1024;

/// So many messages: how many may wait, or are on their way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) messages: usize,
    /// Bytes of bodies.
    pub(crate) bytes: usize,
}

/// A message, and the way back to its publisher. A lane holds it while it is on its way.
pub(super) struct Ticket {
    /// Its place in line, which it keeps when it has to be sent again.
    number: u64,
    /// In a box, because the line moves its tickets about.
    pub(super) outgoing: Box<Outgoing>,
    pub(super) deadline: Instant,
    /// Whether it was ever handed to the broker: then nobody can say that no queue holds it.
    pub(super) sent: bool,
    /// Whether it has to be the only one on its channel, since it or its company offended the broker.
    pub(super) alone: bool,
    answer: oneshot::Sender<Answer>,
}

impl Ticket {
    /// Answers its publisher.
    pub(super) fn answer(self, answer: Answer) {
        // Nobody may be waiting any more; then nobody needs to know.
        let _ = self.answer.send(answer);
    }
}

/// Where messages wait for a lane, first come, first served.
pub(super) struct Outbox {
    line: Mutex<Line>,
    limits: Limits,
    in_flight: Option<IntGauge>,
    arrival: Notify,
    emptied: Notify,
}

#[derive(Default)]
struct Line {
    waiting: BTreeMap<u64, Ticket>,
    next_number: u64,
    /// Publishers that wait for an answer, and the bytes of their bodies.
    places: usize,
    bytes: usize,
    closed: bool,
}

impl Outbox {
    pub(super) fn new(limits: Limits, in_flight: Option<IntGauge>) -> Self {
        Self { line: Mutex::default(), limits, in_flight, arrival: Notify::new(), emptied: Notify::new() }
    }

    /// Waits in line, and for the broker's answer, until the deadline. `unsent` says what to answer for a message that was never sent.
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

    /// The same, but waits until `over` resolves. A lane waits for its confirm until the deadline at least.
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

    /// What is known of a message that nobody waits for any longer.
    fn give_up(&self, mut place: Place<'_>, unsent: impl FnOnce() -> PublishError) -> Answer {
        match self.withdraw(place.number) {
            Some(ticket) if !ticket.sent => Err(unsent()),
            Some(_) => Err(PublishError::Unconfirmed),
            // A lane has it, and may have answered just now.
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
        line.waiting.insert(number, Ticket { number, outgoing, deadline, sent: false, alone: false, answer: sender });
        drop(line);
        if let Some(in_flight) = &self.in_flight {
            in_flight.inc();
        }
        self.arrival.notify_one();
        Ok(Place { outbox: self, number, bytes, answer })
    }

    fn withdraw(&self, number: u64) -> Option<Ticket> {
        self.line().waiting.remove(&number)
    }

    /// Resolves once somebody waits in line.
    pub(super) async fn arrival(&self) {
        while self.is_empty() {
            self.arrival.notified().await;
        }
    }

    fn is_empty(&self) -> bool {
        self.line().waiting.is_empty()
    }

    /// One lane's share of what waits, of which it has so much on its way already, and whether something is left. What is taken has to be
    /// answered or given back.
    pub(super) fn take(&self, lanes: usize, aloft: Limits) -> (Vec<Ticket>, bool) {
        let mut line = self.line();
        // Equal shares keep all lanes busy, but what shares a write costs the broker least.
        let most = line.places.div_ceil(lanes).clamp(LEAST_SHARE, MOST_ALOFT).saturating_sub(aloft.messages);
        let mut tickets = Vec::with_capacity(most.min(line.waiting.len()));
        let mut bytes = aloft.bytes;
        while tickets.len() < most
            && let Some(first) = line.waiting.first_entry()
        {
            bytes = bytes.saturating_add(first.get().outgoing.body.len());
            let alone = first.get().alone;
            let company = aloft.messages > 0 || !tickets.is_empty();
            if company && (alone || bytes > HEAVIEST_SHARE) {
                break;
            }
            tickets.push(first.remove());
            if alone {
                break;
            }
        }
        let left = !line.waiting.is_empty();
        if left {
            self.arrival.notify_one();
        }
        (tickets, left)
    }

    /// Takes back what could not be answered.
    pub(super) fn give_back(&self, tickets: Vec<Ticket>) {
        if tickets.is_empty() {
            return;
        }
        let mut line = self.line();
        for ticket in tickets {
            // Under the lock, so that a publisher that leaves now finds its ticket in line, or closed before.
            if !ticket.answer.is_closed() {
                line.waiting.insert(ticket.number, ticket);
            }
        }
        self.arrival.notify_one();
    }

    /// Takes in nothing more; resolves once everybody has an answer.
    pub(super) async fn close(&self) {
        self.line().closed = true;
        while self.line().places > 0 {
            self.emptied.notified().await;
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // What it guards is whole between any two statements.
        self.line.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A publisher's place: given up when it has its answer or waits no more.
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
        line.waiting.remove(&self.number);
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
