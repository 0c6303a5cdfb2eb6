//! The messages that one channel has sent and that are not confirmed yet.
//!
//! lapin only says that some message came back: it reports it with the next confirm. But by the protocol, the broker
//! returns a message before it confirms it, and the link counts the returns of each channel before lapin reads them.
//! So while nothing came back, a confirm means its own message, and its publisher is answered at once. If something
//! came back, nothing more is sent until all messages have their confirm, and then they are judged together.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lapin::Channel;
use tokio::time::Instant;

use super::PublishError;
use super::backlog::{Limits, PendingPublish};
use super::batch_result::{BatchResult, Confirm};
use super::progress::Progress;
use super::publish_queue::PublishQueue;
use crate::error::reply;
use crate::link::Link;

/// The shortest wait for a confirm, even if no publisher waits for it any more, because a new channel costs more than
/// that. Other messages wait behind it for so long.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// The unconfirmed messages. When this is dropped, the messages without an answer go back to the queue of waiting
/// messages, so nothing is forgotten however a channel ends.
pub(super) struct Unconfirmed<'l> {
    link: &'l Link,
    publish_queue: &'l PublishQueue,
    channel: &'l Channel,
    /// The messages, in the order in which they were sent.
    sent: VecDeque<Sent<'l>>,
    /// The bytes of their bodies.
    bytes: usize,
    /// The number of returned messages on the channel before any of these was sent.
    returns: u64,
    /// Whether the first was sent more than [`LEAST_WAIT`] ago.
    late: bool,
    /// When an alarm last held back the link.
    blocked: Option<Instant>,
}

struct Sent<'l> {
    pending: PendingPublish,
    progress: Progress<'l>,
    since: Instant,
}

impl<'l> Unconfirmed<'l> {
    /// Nothing else may publish on the channel.
    pub(super) fn new(link: &'l Link, publish_queue: &'l PublishQueue, channel: &'l Channel) -> Self {
        let (sent, returns) = (VecDeque::new(), link.returns(channel));
        Self { link, publish_queue, channel, sent, bytes: 0, returns, late: false, blocked: None }
    }

    /// Whether no message is unconfirmed.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// The number and the bytes of the unconfirmed messages.
    pub(super) fn load(&self) -> Limits {
        Limits { messages: self.sent.len(), bytes: self.bytes }
    }

    /// Whether more may be sent now.
    pub(super) fn takes_more(&self) -> bool {
        let Some(last) = self.sent.back() else { return true };
        !last.pending.alone && !self.some_came_back()
    }

    /// Whether any of them may have come back. It is asked after a confirm was heard, and by then the return is
    /// counted.
    fn some_came_back(&self) -> bool {
        self.returns != self.link.returns(self.channel)
    }

    /// Hands messages to lapin, in order, until one fails.
    ///
    /// # Errors
    /// The hand-over of a message failed.
    pub(super) fn send(&mut self, batch: Vec<PendingPublish>) -> lapin::Result<()> {
        if self.sent.is_empty() {
            self.returns = self.link.returns(self.channel);
        }
        let since = Instant::now();
        let mut outcome = Ok(());
        for mut pending in batch {
            let mut progress = Progress::Lost;
            if outcome.is_ok() {
                pending.sent |= self.channel.status().connected();
                match Progress::send(self.channel, &pending.outgoing) {
                    Ok(sending) => progress = sending,
                    Err(error) => outcome = Err(error),
                }
            }
            self.bytes += pending.outgoing.body.len();
            self.sent.push_back(Sent { pending, progress, since });
        }
        outcome
    }

    /// Resolves once some are confirmed and their publishers answered.
    ///
    /// # Errors
    /// One of them will never be confirmed; the error says why.
    pub(super) async fn some_confirmed(&mut self) -> lapin::Result<()> {
        poll_fn(|cx| {
            let late = self.late;
            let mut confirmed = 0;
            for sent in &mut self.sent {
                match sent.progress.poll(cx) {
                    Poll::Ready(outcome) => {
                        outcome?;
                        confirmed += 1;
                    }
                    // Confirms mostly come in order, so there is no use in asking those behind.
                    Poll::Pending if !late => break,
                    Poll::Pending => {}
                }
            }
            match self.some_came_back() {
                _ if confirmed == 0 => return Poll::Pending,
                false if late => self.answer_confirmed(),
                false => self.answer_first(confirmed),
                true if confirmed == self.sent.len() => self.judge(None),
                true => return Poll::Pending,
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Whether no publisher waits for any of them now, and no alarm has held them back. It is called now and then,
    /// and notices which are late.
    pub(super) fn is_overdue(&mut self) -> bool {
        let now = Instant::now();
        if self.link.is_blocked() {
            self.blocked = Some(now);
        }
        self.late = self.sent.front().is_some_and(|first| first.since + LEAST_WAIT < now);
        let patience = |sent: &Sent| {
            // A message that an alarm held back is confirmed after the alarm.
            let held = self.blocked.map_or(sent.since, |blocked| blocked.max(sent.since));
            sent.pending.deadline.max(held + LEAST_WAIT)
        };
        self.sent.iter().map(patience).max().is_some_and(|latest| latest < now)
    }

    /// Asks each message for its confirm.
    ///
    /// # Errors
    /// One of them will never be confirmed; the error says why, in the broker's words if it gave any.
    pub(super) fn poll_all(&mut self) -> lapin::Result<()> {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut outcome = Ok(());
        for sent in &mut self.sent {
            if let Poll::Ready(Err(error)) = sent.progress.poll(cx)
                && outcome.as_ref().err().and_then(reply).is_none()
            {
                outcome = Err(error);
            }
        }
        outcome
    }

    /// Answers the publishers of confirmed messages while nothing came back.
    fn answer_confirmed(&mut self) {
        self.sent.make_contiguous().sort_by_key(|sent| !sent.progress.is_answered());
        self.answer_first(self.sent.partition_point(|sent| sent.progress.is_answered()));
    }

    /// Answers the publishers of the first messages, which are all confirmed.
    fn answer_first(&mut self, confirmed: usize) {
        for Sent { pending, progress, .. } in self.sent.drain(..confirmed) {
            self.bytes -= pending.outgoing.body.len();
            let answer = match progress {
                Progress::Answered(confirm, _) => confirm.answer(Ok(())),
                Progress::Publishing(_) | Progress::Confirming(_) | Progress::Lost => None,
            };
            pending.answer(answer.unwrap_or(Err(PublishError::Unconfirmed)));
        }
    }

    /// Answers the publishers that can be answered, and gives back the other messages. It is called after all have
    /// their confirm, or after the channel has ended. `closed` is the code with which the broker closed it, if it did.
    pub(super) fn judge(&mut self, closed: Option<u16>) {
        let came_back = self.some_came_back();
        let (mut result, mut batch) = (BatchResult::default(), Vec::with_capacity(self.sent.len()));
        for Sent { pending, progress, .. } in self.sent.drain(..) {
            match progress {
                Progress::Answered(confirm, returned) => result.add(confirm, returned.as_deref()),
                Progress::Publishing(_) | Progress::Confirming(_) | Progress::Lost => result.add(Confirm::Lost, None),
            }
            batch.push(pending);
        }
        (self.bytes, self.late) = (0, false);
        let mut answers = result.answers(batch.iter().map(|pending| &*pending.outgoing), came_back);
        // No message is at fault for a missing exchange. For any other code, one message offends the broker, because
        // it is too large or forbidden. Each is sent again on its own, and the one that offends on its own is
        // rejected.
        if let Some(code) = closed.filter(|code| *code != 404) {
            let refusal = if code == 403 { PublishError::AccessRefused } else { PublishError::Rejected };
            match &mut answers[..] {
                [only] => *only = only.or(Some(Err(refusal))),
                _ => batch.iter_mut().for_each(|pending| pending.alone = true),
            }
        }
        let unanswered = batch.into_iter().zip(answers).filter_map(|(pending, answer)| match answer {
            Some(answer) => {
                pending.answer(answer);
                None
            }
            None => Some(pending),
        });
        self.publish_queue.give_back(unanswered.collect());
    }
}

impl Drop for Unconfirmed<'_> {
    fn drop(&mut self) {
        self.publish_queue.give_back(self.sent.drain(..).map(|sent| sent.pending).collect());
    }
}
