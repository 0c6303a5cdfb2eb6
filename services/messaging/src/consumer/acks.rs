//! Decides when a delivery is acknowledged. The finished deliveries at the front are acknowledged together. A
//! finished delivery behind a slow one is acknowledged singly.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The most deliveries that one acknowledgement collects.
const BATCH: usize = 50;
/// The longest that finished deliveries at the front wait for more to join them.
const COMPANY: Duration = Duration::from_millis(5);
/// The longest that a finished delivery waits for a slow one in front of it.
const BEHIND_GAP: Duration = Duration::from_millis(100);

/// The longest that a delivery, which was requeued as a copy, waits for a slow one in front of it.
const PATIENCE: Duration = Duration::from_secs(1);
/// The most of these that are acknowledged singly at once; the next follow after [`BEHIND_GAP`]. RabbitMQ keeps 32
/// acknowledgements that a quorum queue has not applied yet. It forgets any more when their channel ends, and then
/// their deliveries are handled twice.
const PIECE: usize = 16;

/// What to send to the broker, in this order. The broker closes the channel over a tag that is named twice or was
/// never delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Acknowledges every outstanding delivery up to and including this tag.
    AckThrough(u64),
    /// Acknowledges this delivery.
    Ack(u64),
    /// Requeues this delivery.
    Requeue(u64),
    /// Requeues this delivery in the way that every version of the broker counts.
    Reject(u64),
}

/// The deliveries on one channel that have no answer yet, in the order of their tags.
#[derive(Debug)]
pub(crate) struct Acks<T> {
    outstanding: VecDeque<Entry<T>>,
    /// The number of finished deliveries at the front.
    prefix: usize,
    prefix_since: Option<Instant>,
    /// The number of finished deliveries behind an unfinished one that cannot wait.
    behind: usize,
    /// The number of those that can wait.
    patient: usize,
    /// When some of those that can wait were last acknowledged singly.
    piece: Option<Instant>,
    requeued: Vec<Reply>,
    /// The latest answers: as many as the broker may not have received yet.
    answered: VecDeque<T>,
    prefetch: usize,
    batch: usize,
}

#[derive(Debug)]
struct Entry<T> {
    tag: u64,
    note: T,
    finished: Option<Instant>,
    /// It waits for those in front of it, and at most [`PATIENCE`] for a slow one.
    patient: bool,
}

impl<T: Copy> Acks<T> {
    /// The batch is smaller than the prefetch. Otherwise the broker would wait for acknowledgements, and the consumer
    /// for deliveries.
    pub(crate) fn new(prefetch: u16) -> Self {
        Self {
            outstanding: VecDeque::new(),
            prefix: 0,
            prefix_since: None,
            behind: 0,
            patient: 0,
            piece: None,
            requeued: Vec::new(),
            answered: VecDeque::new(),
            prefetch: prefetch.into(),
            batch: BATCH.min(usize::from(prefetch / 2)).max(1),
        }
    }

    pub(crate) fn delivered(&mut self, tag: u64, note: T) {
        debug_assert!(self.outstanding.back().is_none_or(|last| last.tag < tag), "delivery tags rise");
        self.outstanding.push_back(Entry { tag, note, finished: None, patient: false });
    }

    /// Marks a delivery as handled or copied elsewhere. An unknown tag is ignored.
    pub(crate) fn finished(&mut self, tag: u64, now: Instant) {
        self.finish(tag, now, false);
    }

    /// Marks a delivery as requeued as a copy. A stopping consumer requeues all at once, and acknowledges them
    /// together where it can. None of them may wait until the consumer ends because of a slow one in front, for
    /// another consumer has the copies already.
    pub(crate) fn requeued_as_copy(&mut self, tag: u64, now: Instant) {
        self.finish(tag, now, true);
    }

    fn finish(&mut self, tag: u64, now: Instant, patient: bool) {
        let Some(at) = self.position(tag) else { return };
        let entry = &mut self.outstanding[at];
        if entry.finished.replace(now).is_none() {
            entry.patient = patient;
            *(if patient { &mut self.patient } else { &mut self.behind }) += 1;
            self.extend_prefix(now);
        }
    }

    /// Removes a delivery: the next replies requeue it.
    pub(crate) fn requeue(&mut self, tag: u64, now: Instant) {
        self.go_back(tag, Reply::Requeue(tag), now);
    }

    /// Requeues this delivery in the way that every version of the broker counts.
    pub(crate) fn reject(&mut self, tag: u64, now: Instant) {
        self.go_back(tag, Reply::Reject(tag), now);
    }

    fn go_back(&mut self, tag: u64, reply: Reply, now: Instant) {
        let Some(at) = self.position(tag) else { return };
        if self.outstanding[at].finished.is_none() {
            self.answered.extend(self.outstanding.remove(at).map(|entry| entry.note));
            self.requeued.push(reply);
            self.extend_prefix(now);
        }
    }

    /// The replies to send now. With `all`, they cover everything that is finished.
    pub(crate) fn take_due(&mut self, now: Instant, all: bool) -> Vec<Reply> {
        let mut replies = std::mem::take(&mut self.requeued);
        let company_over = self.prefix_since.is_some_and(|since| now >= since + COMPANY);
        if self.prefix > 0 && (all || company_over || self.prefix >= self.batch) {
            let last = self.outstanding[self.prefix - 1].tag;
            self.answered.extend(self.outstanding.drain(..self.prefix).map(|entry| entry.note));
            replies.push(Reply::AckThrough(last));
            self.prefix = 0;
            self.prefix_since = None;
        }
        if self.behind > 0 || self.patient > 0 || all {
            self.answer_singly(now, all, &mut replies);
        }
        let excess = self.answered.len().saturating_sub(self.prefetch);
        self.answered.drain(..excess);
        replies
    }

    /// Acknowledges the finished deliveries behind a slow one.
    fn answer_singly(&mut self, now: Instant, all: bool, replies: &mut Vec<Reply>) {
        // Many finished deliveries behind an unfinished one would fill the prefetch and starve the handlers, so these
        // do not wait.
        let crowded = self.behind >= self.batch;
        let mut piece = if self.piece.is_none_or(|last| now >= last + BEHIND_GAP) { PIECE } else { 0 };
        let mut at = 0;
        self.outstanding.retain(|entry| {
            at += 1;
            let Some(finished) = entry.finished.filter(|_| at > self.prefix) else { return true };
            let due = match entry.patient {
                _ if all => true,
                false => crowded || now >= finished + BEHIND_GAP,
                true => piece > 0 && now >= finished + PATIENCE,
            };
            if due {
                replies.push(Reply::Ack(entry.tag));
                self.answered.push_back(entry.note);
                if entry.patient {
                    piece = piece.saturating_sub(1);
                    self.patient -= 1;
                    self.piece = Some(now);
                } else {
                    self.behind -= 1;
                }
            }
            !due
        });
    }

    /// When the next reply is due, if nothing else happens before.
    pub(crate) fn next_due(&self, now: Instant) -> Option<Instant> {
        if !self.requeued.is_empty() || self.prefix.max(self.behind) >= self.batch {
            return Some(now);
        }
        let company = self.prefix_since.map(|since| since + COMPANY);
        let oldest = |patient: bool| {
            let behind = self.outstanding.iter().skip(self.prefix).filter(move |entry| entry.patient == patient);
            behind.filter_map(|entry| entry.finished).min()
        };
        let gap = if self.behind > 0 { oldest(false).map(|oldest| oldest + BEHIND_GAP) } else { None };
        let piece = if self.patient > 0 { oldest(true).map(|oldest| oldest + PATIENCE) } else { None };
        let piece = piece.map(|due| self.piece.map_or(due, |last| due.max(last + BEHIND_GAP)));
        [company, gap, piece].into_iter().flatten().min()
    }

    /// The notes of the deliveries that are not finished.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = &T> {
        self.outstanding.range(self.prefix..).filter(|entry| entry.finished.is_none()).map(|entry| &entry.note)
    }

    /// The notes of every delivery that the broker may count as this consumer's: those without an answer, and those
    /// whose answer may still be on its way. The broker sends no more than the prefetch, so it cannot lack more
    /// answers than that.
    pub(crate) fn unsure(&self) -> impl Iterator<Item = &T> {
        self.answered.iter().chain(self.outstanding.iter().map(|entry| &entry.note))
    }

    fn position(&self, tag: u64) -> Option<usize> {
        let at = self.outstanding.partition_point(|entry| entry.tag < tag);
        self.outstanding.get(at).is_some_and(|entry| entry.tag == tag).then_some(at)
    }

    fn extend_prefix(&mut self, now: Instant) {
        for entry in self.outstanding.iter().skip(self.prefix).take_while(|entry| entry.finished.is_some()) {
            self.prefix += 1;
            *(if entry.patient { &mut self.patient } else { &mut self.behind }) -= 1;
        }
        if self.prefix > 0 && self.prefix_since.is_none() {
            self.prefix_since = Some(now);
        }
    }
}
