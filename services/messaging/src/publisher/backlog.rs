//! The messages that wait to be published, in the order of their arrival.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Answer, Outgoing};

/// The number of unconfirmed messages that a lane may always have, however small its share.
pub(super) const LEAST_SHARE: usize = 32;
/// The most unconfirmed messages of a lane.
pub(super) const MOST_UNCONFIRMED: usize = 256;
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
pub(super) struct PendingPublish {
    /// Its number, which it keeps when it has to be sent again.
    pub(super) number: u64,
    /// In a box, because the backlog moves its entries.
    pub(super) outgoing: Box<Outgoing>,
    pub(super) deadline: Instant,
    /// Whether it was ever handed to the broker. Then nobody can say that no queue holds it.
    pub(super) sent: bool,
    /// Whether it has to be alone on its channel, because it or a message beside it offended the broker.
    pub(super) alone: bool,
    pub(super) answer: oneshot::Sender<Answer>,
}

impl PendingPublish {
    /// Answers its publisher.
    pub(super) fn answer(self, answer: Answer) {
        // If the publisher no longer waits, nobody needs the answer.
        let _ = self.answer.send(answer);
    }
}

/// The publishes that wait, and the publishers that wait for an answer.
#[derive(Default)]
pub(super) struct Backlog {
    /// The publishes that wait, in the order of their numbers.
    pub(super) waiting: VecDeque<PendingPublish>,
    /// The number of the next publish.
    pub(super) next_number: u64,
    /// Whether a lane was called and has not come yet, or is taking its share.
    pub(super) called: bool,
    /// The publishers that wait for an answer, and the bytes of their bodies.
    pub(super) slots: usize,
    pub(super) bytes: usize,
    pub(super) closed: bool,
}

impl Backlog {
    /// Puts a publish back to its old place.
    pub(super) fn admit(&mut self, pending: PendingPublish) {
        let index = self.waiting.partition_point(|other| other.number < pending.number);
        self.waiting.insert(index, pending);
    }

    /// Removes a publish, if it waits.
    pub(super) fn withdraw(&mut self, number: u64) -> Option<PendingPublish> {
        let index = self.waiting.binary_search_by_key(&number, |pending| pending.number).ok()?;
        self.waiting.remove(index)
    }

    /// Takes the share of one lane, which has this much unconfirmed already.
    pub(super) fn share(&mut self, lanes: usize, unconfirmed: Limits) -> Vec<PendingPublish> {
        // Equal shares keep all lanes busy, but messages that share a write cost the broker least.
        let most = self.slots.div_ceil(lanes).clamp(LEAST_SHARE, MOST_UNCONFIRMED).saturating_sub(unconfirmed.messages);
        let mut batch = Vec::with_capacity(most.min(self.waiting.len()));
        let mut bytes = unconfirmed.bytes;
        while batch.len() < most
            && let Some(first) = self.waiting.front()
        {
            bytes = bytes.saturating_add(first.outgoing.body.len());
            let alone = first.alone;
            let company = unconfirmed.messages > 0 || !batch.is_empty();
            if company && (alone || bytes > HEAVIEST_SHARE) {
                break;
            }
            batch.extend(self.waiting.pop_front());
            if alone {
                break;
            }
        }
        batch
    }
}
