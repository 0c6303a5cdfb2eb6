//! Which deliveries are acknowledged when: the finished prefix together, what is stuck behind a slow one singly.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The most deliveries that one acknowledgement waits for.
const BATCH: usize = 50;
/// The longest a finished prefix waits for company.
const COMPANY: Duration = Duration::from_millis(5);
/// The longest a finished delivery waits for a slow one before it.
const BEHIND_GAP: Duration = Duration::from_millis(100);

/// The longest a delivery that was given back by a copy waits for a slow one before it.
const PATIENCE: Duration = Duration::from_secs(1);
/// Then so many of them are acknowledged singly at once, and the next after [`BEHIND_GAP`]. Of more than 32 acknowledgements that a quorum queue has not
/// applied RabbitMQ forgets the rest with their channel, and what is forgotten is handled twice.
const PIECE: usize = 16;

/// What to tell the broker, in this order: a tag named twice, or never delivered, would close the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Everything outstanding up to and with this tag is done.
    AckThrough(u64),
    /// This one is done.
    Ack(u64),
    /// This one goes back to the queue.
    Requeue(u64),
    /// The same, and every broker counts it.
    Reject(u64),
}

/// Everything delivered on one channel and not yet answered, in order of its tags.
#[derive(Debug)]
pub(crate) struct Acks<T> {
    outstanding: VecDeque<Entry<T>>,
    /// How many at the front are finished.
    prefix: usize,
    prefix_since: Option<Instant>,
    /// How many that cannot wait are finished behind one that is not.
    behind: usize,
    /// How many that can.
    patient: usize,
    /// When some of these were last acknowledged singly.
    piece: Option<Instant>,
    requeued: Vec<Reply>,
    /// What was answered last, as many as the broker can lack the answers of.
    answered: VecDeque<T>,
    prefetch: usize,
    batch: usize,
}

#[derive(Debug)]
struct Entry<T> {
    tag: u64,
    note: T,
    finished: Option<Instant>,
    /// It waits for those before it, and [`PATIENCE`] for a slow one.
    patient: bool,
}

impl<T: Copy> Acks<T> {
    /// A batch must stay below the prefetch, or the broker would wait for us while we wait for the broker.
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

    /// Marks a delivery as given back by a copy: a stopping consumer gives back all at once, and acknowledges them together where it can. It must not
    /// wait to its own end where one before them is slow, for another consumer has the copies.
    pub(crate) fn given_back(&mut self, tag: u64, now: Instant) {
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

    /// Takes a delivery out of the account: it goes back to its queue with the next replies.
    pub(crate) fn requeue(&mut self, tag: u64, now: Instant) {
        self.go_back(tag, Reply::Requeue(tag), now);
    }

    /// The same, and every broker counts it.
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

    /// The replies to send now; with `all`, everything that is finished.
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

    /// Answers what is finished behind a slow one.
    fn answer_singly(&mut self, now: Instant, all: bool, replies: &mut Vec<Reply>) {
        // A batch of finished ones behind a gap would fill the prefetch and starve the handlers, so it does not wait.
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

    /// When the next reply is due, if nothing else happens.
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

    /// The note of the delivery that came first of those that are not finished.
    pub(crate) fn oldest(&self) -> Option<&T> {
        self.outstanding.get(self.prefix).map(|entry| &entry.note)
    }

    /// The notes of everything the broker may count as ours: what has no answer, and what has one that may be on its way. A subscription's broker
    /// cannot lack more answers than the prefetch, or it would have sent no more.
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
