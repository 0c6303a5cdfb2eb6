//! The messages that wait to be published, first come, first served.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Answer, Outgoing};

/// So many a lane may have on their way, however few there are for each.
pub(super) const LEAST_SHARE: usize = 32;
/// The most messages that a lane has on their way.
pub(super) const MOST_ALOFT: usize = 256;
/// The most bytes of bodies that a lane has on their way, unless the first message alone has more.
pub(super) const HEAVIEST_SHARE: usize = 1024 * 1024;

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
    pub(super) number: u64,
    /// In a box, because the line moves its tickets about.
    pub(super) outgoing: Box<Outgoing>,
    pub(super) deadline: Instant,
    /// Whether it was ever handed to the broker: then nobody can say that no queue holds it.
    pub(super) sent: bool,
    /// Whether it has to be the only one on its channel, since it or its company offended the broker.
    pub(super) alone: bool,
    pub(super) answer: oneshot::Sender<Answer>,
}

impl Ticket {
    /// Answers its publisher.
    pub(super) fn answer(self, answer: Answer) {
        // Nobody may be waiting any more; then nobody needs to know.
        let _ = self.answer.send(answer);
    }
}

/// Tickets in line, and what is known of the publishers that wait, in line or for their confirm.
#[derive(Default)]
pub(super) struct Line {
    /// In the order of their numbers.
    pub(super) waiting: VecDeque<Ticket>,
    /// The next ticket's.
    pub(super) next_number: u64,
    /// Whether a lane was called and has not come yet, or is at the head.
    pub(super) called: bool,
    /// Publishers that wait for an answer, and the bytes of their bodies.
    pub(super) places: usize,
    pub(super) bytes: usize,
    pub(super) closed: bool,
}

impl Line {
    /// Lets a ticket in at its old place.
    pub(super) fn admit(&mut self, ticket: Ticket) {
        let index = self.waiting.partition_point(|other| other.number < ticket.number);
        self.waiting.insert(index, ticket);
    }

    /// Takes a ticket out of line, if it is there.
    pub(super) fn withdraw(&mut self, number: u64) -> Option<Ticket> {
        let index = self.waiting.binary_search_by_key(&number, |ticket| ticket.number).ok()?;
        self.waiting.remove(index)
    }

    /// One lane's share, of which it has so much on its way already.
    pub(super) fn share(&mut self, lanes: usize, aloft: Limits) -> Vec<Ticket> {
        // Equal shares keep all lanes busy, but what shares a write costs the broker least.
        let most = self.places.div_ceil(lanes).clamp(LEAST_SHARE, MOST_ALOFT).saturating_sub(aloft.messages);
        let mut tickets = Vec::with_capacity(most.min(self.waiting.len()));
        let mut bytes = aloft.bytes;
        while tickets.len() < most
            && let Some(first) = self.waiting.front()
        {
            bytes = bytes.saturating_add(first.outgoing.body.len());
            let alone = first.alone;
            let company = aloft.messages > 0 || !tickets.is_empty();
            if company && (alone || bytes > HEAVIEST_SHARE) {
                break;
            }
            tickets.extend(self.waiting.pop_front());
            if alone {
                break;
            }
        }
        tickets
    }
}
