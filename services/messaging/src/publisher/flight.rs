//! The messages on their way over one channel, between their hand-over and their confirms.
//!
//! lapin says of a returned message only that some message came back: it comes with whichever confirm is heard next. But by the protocol a return
//! comes before its own confirm, and the link counts returns before lapin hears of them. So as long as nothing came back, a confirm is the
//! broker's word for its message, and its publisher is answered at once; else nothing more is launched until all have landed, and they are
//! judged together.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation, PublisherConfirm};

use super::outbox::{Outbox, Ticket};
use super::verdict::{Fate, Verdict};
use super::{Outgoing, PublishError};
use crate::link::Link;

type Publishing<'l> = Pin<Box<dyn Future<Output = lapin::Result<PublisherConfirm>> + Send + 'l>>;

/// Messages on their way. Dropped, what has no answer goes back in line: nothing is forgotten, however a lane ends.
pub(super) struct Flight<'l> {
    link: &'l Link,
    outbox: &'l Outbox,
    channel: &'l Channel,
    /// In the order of their launch.
    aloft: VecDeque<Aloft<'l>>,
    /// How many messages had come back on the link before any of these was launched.
    returns: u64,
}

struct Aloft<'l> {
    ticket: Ticket,
    stage: Stage<'l>,
}

enum Stage<'l> {
    /// lapin has it; it may be on the wire.
    Publishing(Publishing<'l>),
    /// The broker has it, or will.
    Confirming(PublisherConfirm),
    /// The broker answered, perhaps with some message that it returned.
    Landed(Fate, Option<Box<BasicReturnMessage>>),
    /// It was not launched, or its channel or connection ended before the answer.
    Lost,
}

impl<'l> Flight<'l> {
    /// This must be the only one that publishes on the channel.
    pub(super) fn new(link: &'l Link, outbox: &'l Outbox, channel: &'l Channel) -> Self {
        Self { link, outbox, channel, aloft: VecDeque::new(), returns: link.returns() }
    }

    /// How many are on their way.
    pub(super) fn len(&self) -> usize {
        self.aloft.len()
    }

    /// Whether more may be launched now.
    pub(super) fn has_room(&self) -> bool {
        self.aloft.back().is_none_or(|last| !last.ticket.alone && self.returns == self.link.returns())
    }

    /// Hands messages to lapin, in order, until one fails.
    ///
    /// # Errors
    /// What has failed.
    pub(super) fn launch(&mut self, tickets: Vec<Ticket>) -> lapin::Result<()> {
        if self.aloft.is_empty() {
            self.returns = self.link.returns();
        }
        let mut outcome = Ok(());
        for mut ticket in tickets {
            let stage = match outcome {
                Ok(()) => {
                    ticket.sent |= self.channel.status().connected();
                    Stage::launch(self.channel, &ticket.outgoing).unwrap_or_else(|error| {
                        outcome = Err(error);
                        Stage::Lost
                    })
                }
                Err(_) => Stage::Lost,
            };
            self.aloft.push_back(Aloft { ticket, stage });
        }
        outcome
    }

    /// Resolves once some have landed and are answered, or with why one never will.
    pub(super) async fn landed(&mut self) -> lapin::Result<()> {
        poll_fn(|cx| {
            let mut landed = 0;
            let failure = loop {
                match self.aloft.get_mut(landed).map(|aloft| aloft.stage.poll(cx)) {
                    Some(Poll::Ready(Ok(()))) => landed += 1,
                    Some(Poll::Ready(Err(error))) => break Some(error),
                    Some(Poll::Pending) | None => break None,
                }
            };
            let all = landed == self.aloft.len();
            // After they landed: a return that could be theirs is counted now.
            if self.returns == self.link.returns() {
                self.aloft.drain(..landed).for_each(Aloft::answer);
            } else if all {
                self.judge(None);
            } else {
                landed = 0;
            }
            match failure {
                Some(error) => Poll::Ready(Err(error)),
                None if landed > 0 => Poll::Ready(Ok(())),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Gives up on what has not landed by now, and answers what can be answered. The rest goes back in line, after the channel was closed for
    /// this code, if it was.
    pub(super) fn end(mut self, closed: Option<u16>) {
        let cx = &mut Context::from_waker(Waker::noop());
        for aloft in &mut self.aloft {
            if !matches!(aloft.stage.poll(cx), Poll::Ready(Ok(()))) {
                aloft.stage = Stage::Lost;
            }
        }
        self.judge(closed);
    }

    /// Answers whom it can.
    fn judge(&mut self, closed: Option<u16>) {
        let mut verdict = Verdict::default();
        let mut tickets = Vec::with_capacity(self.aloft.len());
        for Aloft { ticket, stage } in self.aloft.drain(..) {
            match stage {
                Stage::Landed(fate, returned) => verdict.add(fate, returned.as_deref()),
                Stage::Publishing(_) | Stage::Confirming(_) | Stage::Lost => verdict.add(Fate::Lost, None),
            }
            tickets.push(ticket);
        }
        let mut answers = verdict.answers(tickets.iter().map(|ticket| &*ticket.outgoing));
        // A missing exchange is no message's fault. Else one of them offends the broker, being too large or forbidden: each is sent again on its
        // own, and the one that offends on its own is rejected.
        if closed.is_some_and(|code| code != 404) {
            match &mut answers[..] {
                [only] => *only = only.or(Some(Err(PublishError::Rejected))),
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

impl Aloft<'_> {
    /// Answers for one that has landed while nothing came back.
    fn answer(self) {
        if let Stage::Landed(fate, _) = self.stage
            && let Some(answer) = fate.answer(Ok(()))
        {
            self.ticket.answer(answer);
        }
    }
}

impl<'l> Stage<'l> {
    fn launch(channel: &'l Channel, outgoing: &Outgoing) -> lapin::Result<Self> {
        let Outgoing { exchange, routing_key, properties, body } = outgoing.clone();
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let mut publishing: Publishing<'l> =
            Box::pin(async move { channel.basic_publish(exchange, routing_key, options, &body, properties).await });
        // The first poll takes the delivery tag and queues the frames, together and in order.
        match publishing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Ok(Self::Publishing(publishing)),
            Poll::Ready(confirm) => confirm.map(Self::Confirming),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<lapin::Result<()>> {
        loop {
            let next = match self {
                Self::Publishing(publishing) => ready!(publishing.as_mut().poll(cx)).map(Self::Confirming),
                Self::Confirming(confirm) => ready!(Pin::new(confirm).poll(cx)).map(Self::landed),
                Self::Landed(..) | Self::Lost => return Poll::Ready(Ok(())),
            };
            match next {
                Ok(stage) => *self = stage,
                Err(error) => {
                    // What has ended must not be polled again, and whoever gives up polls everything.
                    *self = Self::Lost;
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn landed(confirmation: Confirmation) -> Self {
        match confirmation {
            Confirmation::Ack(message) => Self::Landed(Fate::Acked, message.map(Box::new)),
            Confirmation::Nack(message) => Self::Landed(Fate::Nacked, message.map(Box::new)),
            // It cannot be: a lane's channel asks for confirms.
            Confirmation::NotRequested => Self::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[tokio::test]
    async fn a_message_whose_hand_over_failed_is_asked_no_second_time() {
        let gone = async { Err(io::Error::from(io::ErrorKind::ConnectionReset).into()) };
        let mut stage = Stage::Publishing(Box::pin(gone));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(stage.poll(cx), Poll::Ready(Err(_))));
        assert!(matches!(stage.poll(cx), Poll::Ready(Ok(()))));
        assert!(matches!(stage, Stage::Lost));
    }
}
