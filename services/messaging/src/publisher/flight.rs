//! The messages on their way over one channel, between their hand-over and their confirms.
//!
//! lapin says of a returned message only that some message came back: it comes with whichever confirm is heard next. But by the protocol a return
//! comes before its own confirm, and the link counts each channel's returns before lapin hears of them. So as long as nothing came back, a confirm is the
//! broker's word for its message, and its publisher is answered at once; else nothing more is launched until all have landed, and they are
//! judged together.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lapin::Channel;
use tokio::time::Instant;

use super::PublishError;
use super::line::{Limits, Ticket};
use super::outbox::Outbox;
use super::stage::Stage;
use super::verdict::{Fate, Verdict};
use crate::error::reply;
use crate::link::Link;

/// How long a confirm is waited for at least, though nobody should wait for it any more: a new channel costs more than that. So long others are
/// made to wait behind it.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Messages on their way. Dropped, what has no answer goes back in line: nothing is forgotten, however a lane ends.
pub(super) struct Flight<'l> {
    link: &'l Link,
    outbox: &'l Outbox,
    channel: &'l Channel,
    /// In the order of their launch.
    aloft: VecDeque<Aloft<'l>>,
    /// Bytes of their bodies.
    bytes: usize,
    /// How many messages had come back on the channel before any of these was launched.
    returns: u64,
    /// Whether the first has been on its way for longer than [`LEAST_WAIT`].
    late: bool,
    /// When an alarm was last seen to hold back the link.
    blocked: Option<Instant>,
}

struct Aloft<'l> {
    ticket: Ticket,
    stage: Stage<'l>,
    since: Instant,
}

impl<'l> Flight<'l> {
    /// This must be the only one that publishes on the channel.
    pub(super) fn new(link: &'l Link, outbox: &'l Outbox, channel: &'l Channel) -> Self {
        let (aloft, returns) = (VecDeque::new(), link.returns(channel));
        Self { link, outbox, channel, aloft, bytes: 0, returns, late: false, blocked: None }
    }

    /// Whether nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.aloft.is_empty()
    }

    /// How much is on its way.
    pub(super) fn load(&self) -> Limits {
        Limits { messages: self.aloft.len(), bytes: self.bytes }
    }

    /// Whether more may be launched now.
    pub(super) fn takes_more(&self) -> bool {
        let Some(last) = self.aloft.back() else { return true };
        !last.ticket.alone && !self.some_came_back()
    }

    /// Whether any of them may have come back. Asked after a confirm was heard: its return is counted by then.
    fn some_came_back(&self) -> bool {
        self.returns != self.link.returns(self.channel)
    }

    /// Hands messages to lapin, in order, until one fails.
    ///
    /// # Errors
    /// What has failed.
    pub(super) fn launch(&mut self, tickets: Vec<Ticket>) -> lapin::Result<()> {
        if self.aloft.is_empty() {
            self.returns = self.link.returns(self.channel);
        }
        let since = Instant::now();
        let mut outcome = Ok(());
        for mut ticket in tickets {
            let mut stage = Stage::Lost;
            if outcome.is_ok() {
                ticket.sent |= self.channel.status().connected();
                match Stage::launch(self.channel, &ticket.outgoing) {
                    Ok(launched) => stage = launched,
                    Err(error) => outcome = Err(error),
                }
            }
            self.bytes += ticket.outgoing.body.len();
            self.aloft.push_back(Aloft { ticket, stage, since });
        }
        outcome
    }

    /// Resolves once some have landed and are answered.
    ///
    /// # Errors
    /// Why one of them never will.
    pub(super) async fn some_landed(&mut self) -> lapin::Result<()> {
        poll_fn(|cx| {
            let late = self.late;
            let mut landed = 0;
            for aloft in &mut self.aloft {
                match aloft.stage.poll(cx) {
                    Poll::Ready(outcome) => {
                        outcome?;
                        landed += 1;
                    }
                    // Confirms mostly come in order: to ask those behind it would be in vain.
                    Poll::Pending if !late => break,
                    Poll::Pending => {}
                }
            }
            match self.some_came_back() {
                _ if landed == 0 => return Poll::Pending,
                false if late => self.answer_landed(),
                false => self.answer_first(landed),
                true if landed == self.aloft.len() => self.judge(None),
                true => return Poll::Pending,
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Whether nobody waits for any of them now, nor has an alarm held them back. To be asked now and then: it sees which are late.
    pub(super) fn is_overdue(&mut self) -> bool {
        let now = Instant::now();
        if self.link.is_blocked() {
            self.blocked = Some(now);
        }
        self.late = self.aloft.front().is_some_and(|first| first.since + LEAST_WAIT < now);
        let patience = |aloft: &Aloft| {
            // What an alarm held back is confirmed after it.
            let held = self.blocked.map_or(aloft.since, |blocked| blocked.max(aloft.since));
            aloft.ticket.deadline.max(held + LEAST_WAIT)
        };
        self.aloft.iter().map(patience).max().is_some_and(|latest| latest < now)
    }

    /// Asks each what has become of it.
    ///
    /// # Errors
    /// Why one of them never will land, in the broker's words if it gave some.
    pub(super) fn poll_all(&mut self) -> lapin::Result<()> {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut outcome = Ok(());
        for aloft in &mut self.aloft {
            if let Poll::Ready(Err(error)) = aloft.stage.poll(cx)
                && outcome.as_ref().err().and_then(reply).is_none()
            {
                outcome = Err(error);
            }
        }
        outcome
    }

    /// Answers those that have landed, while nothing came back.
    fn answer_landed(&mut self) {
        self.aloft.make_contiguous().sort_by_key(|aloft| !aloft.stage.has_landed());
        self.answer_first(self.aloft.partition_point(|aloft| aloft.stage.has_landed()));
    }

    /// The same for so many, of which all have.
    fn answer_first(&mut self, landed: usize) {
        for Aloft { ticket, stage, .. } in self.aloft.drain(..landed) {
            self.bytes -= ticket.outgoing.body.len();
            let answer = match stage {
                Stage::Landed(fate, _) => fate.answer(Ok(())),
                Stage::Publishing(_) | Stage::Confirming(_) | Stage::Lost => None,
            };
            ticket.answer(answer.unwrap_or(Err(PublishError::Unconfirmed)));
        }
    }

    /// Answers whom it can, and gives back the rest: after all have landed, or after the channel has ended, which the broker closed for this
    /// code if it did.
    pub(super) fn judge(&mut self, closed: Option<u16>) {
        let came_back = self.some_came_back();
        let (mut verdict, mut tickets) = (Verdict::default(), Vec::with_capacity(self.aloft.len()));
        for Aloft { ticket, stage, .. } in self.aloft.drain(..) {
            match stage {
                Stage::Landed(fate, returned) => verdict.add(fate, returned.as_deref()),
                Stage::Publishing(_) | Stage::Confirming(_) | Stage::Lost => verdict.add(Fate::Lost, None),
            }
            tickets.push(ticket);
        }
        (self.bytes, self.late) = (0, false);
        let mut answers = verdict.answers(tickets.iter().map(|ticket| &*ticket.outgoing), came_back);
        // A missing exchange is no message's fault. Else one of them offends the broker, being too large or forbidden: each is sent again on its
        // own, and the one that offends on its own is rejected.
        if let Some(code) = closed.filter(|code| *code != 404) {
            let refusal = if code == 403 { PublishError::AccessRefused } else { PublishError::Rejected };
            match &mut answers[..] {
                [only] => *only = only.or(Some(Err(refusal))),
                _ => tickets.iter_mut().for_each(|ticket| ticket.alone = true),
            }
        }
        let unanswered = tickets.into_iter().zip(answers).filter_map(|(ticket, answer)| match answer {
            Some(answer) => {
                ticket.answer(answer);
                None
            }
            None => Some(ticket),
        });
        self.outbox.give_back(unanswered.collect());
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.outbox.give_back(self.aloft.drain(..).map(|aloft| aloft.ticket).collect());
    }
}
