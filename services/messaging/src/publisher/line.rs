//! The messages that wait to be published, in the order of their arrival.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Answer, Outgoing};

/// The number of unconfirmed messages that a lane may always have, however small its share.
pub(super) const LEAST_SHARE: usize = 32;
/// The most unconfirmed messages of a lane.
pub(super) const MOST_ALOFT: usize = 256;
/// The most bytes of unconfirmed bodies of a lane, unless its first message alone has more.
pub(super) const HEAVIEST_SHARE: usize = 1024 * 1024;

/// An amount of messages, waiting or unconfirmed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) messages: usize,
    /// The bytes of their bodies.
    pub(crate) bytes: usize,
}

/// A message, and the channel to its publisher. A lane holds it while it is unconfirmed.
pub(super) struct Ticket {
    /// Its number, which it keeps when it has to be sent again.
    pub(super) number: u64,
    /// In a box, because the line moves its tickets.
    pub(super) outgoing: Box<Outgoing>,
    pub(super) deadline: Instant,
    /// Whether it was ever handed to the broker. Then nobody can say that no queue holds it.
    pub(super) sent: bool,
    /// Whether it has to be alone on its channel, because it or a message beside it offended the broker.
    pub(super) alone: bool,
    pub(super) answer: oneshot::Sender<Answer>,
}

impl Ticket {
    /// Answers its publisher.
    pub(super) fn answer(self, answer: Answer) {
        // If the publisher no longer waits, nobody needs the answer.
        let _ = self.answer.send(answer);
    }
}

/// The waiting tickets, and the publishers that wait for an answer.
#[derive(Default)]
pub(super) struct Line {
    /// The tickets, in the order of their numbers.
    pub(super) waiting: VecDeque<Ticket>,
    /// The number of the next ticket.
    pub(super) next_number: u64,
    /// Whether a lane was called and has not come yet, or is taking its share.
    pub(super) called: bool,
    /// The publishers that wait for an answer, and the bytes of their bodies.
    pub(super) places: usize,
    pub(super) bytes: usize,
    pub(super) closed: bool,
}

impl Line {
    /// Puts a ticket back to its old place.
    pub(super) fn admit(&mut self, ticket: Ticket) {
        let index = self.waiting.partition_point(|other| other.number < ticket.number);
        self.waiting.insert(index, ticket);
    }

    /// Removes a ticket, if it waits.
    pub(super) fn withdraw(&mut self, number: u64) -> Option<Ticket> {
        let index = self.waiting.binary_search_by_key(&number, |ticket| ticket.number).ok()?;
        self.waiting.remove(index)
    }

    /// Takes the share of one lane, which has this much unconfirmed already.
    pub(super) fn share(&mut self, lanes: usize, aloft: Limits) -> Vec<Ticket> {
        // Equal shares keep all lanes busy, but messages that share a write cost the broker least.
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
