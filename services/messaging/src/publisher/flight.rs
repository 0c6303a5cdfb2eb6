//! The messages of one batch between their hand-over and their confirms.
//!
//! The last message is awaited first: confirms mostly come in order, so that by then the others are there, and a batch wakes its lane once
//! or twice and not for each message.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation, PublisherConfirm};

use super::outbox::Ticket;
use super::verdict::{Fate, Verdict};

type Publishing<'b> = Pin<Box<dyn Future<Output = lapin::Result<PublisherConfirm>> + Send + 'b>>;

enum Stage<'b> {
    /// lapin has it; it may be on the wire.
    Publishing(Publishing<'b>),
    /// The broker has it, or will.
    Confirming(PublisherConfirm),
    /// The broker answered, perhaps with some message that it returned.
    Landed(Fate, Option<Box<BasicReturnMessage>>),
    /// Its channel or its connection ended before the answer.
    Lost,
}

/// A batch on its way.
pub(super) struct Flight<'b> {
    stages: Vec<Stage<'b>>,
    /// How many, from the first, may not have landed.
    open: usize,
}

impl<'b> Flight<'b> {
    /// Hands messages to lapin, in order, until one fails. This must be the only task that publishes on the channel.
    ///
    /// # Errors
    /// What has failed, beside what is under way.
    pub(super) fn launch(channel: &'b Channel, tickets: &'b mut [Ticket]) -> (Self, lapin::Result<()>) {
        let mut flight = Self { stages: Vec::with_capacity(tickets.len()), open: 0 };
        for ticket in tickets {
            ticket.sent |= channel.status().connected();
            let outgoing = &ticket.outgoing;
            let mut publishing: Publishing<'b> = Box::pin(channel.basic_publish(
                outgoing.exchange.clone(),
                outgoing.routing_key.clone(),
                BasicPublishOptions { mandatory: true, ..Default::default() },
                &outgoing.body,
                outgoing.properties.clone(),
            ));
            // The first poll takes the delivery tag and queues the frames, together and in order.
            match publishing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => flight.stages.push(Stage::Publishing(publishing)),
                Poll::Ready(Ok(confirm)) => flight.stages.push(Stage::Confirming(confirm)),
                Poll::Ready(Err(error)) => return (flight, Err(error)),
            }
        }
        flight.open = flight.stages.len();
        (flight, Ok(()))
    }

    /// Resolves once all have landed, or with why one never will.
    pub(super) async fn landed(&mut self) -> lapin::Result<()> {
        poll_fn(|cx| {
            while let Some(last) = self.open.checked_sub(1) {
                ready!(self.stages[last].poll(cx))?;
                self.open = last;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Gives up on what has not landed by now.
    pub(super) fn give_up(&mut self) {
        let cx = &mut Context::from_waker(Waker::noop());
        for stage in &mut self.stages {
            if !matches!(stage.poll(cx), Poll::Ready(Ok(()))) {
                *stage = Stage::Lost;
            }
        }
    }

    /// What became of each message; those that were never launched are lost.
    pub(super) fn judge(self, messages: usize) -> Verdict {
        let mut verdict = Verdict::default();
        let launched = self.stages.len();
        for stage in self.stages {
            match stage {
                Stage::Landed(fate, returned) => verdict.add(fate, returned.as_deref()),
                Stage::Publishing(_) | Stage::Confirming(_) | Stage::Lost => verdict.add(Fate::Lost, None),
            }
        }
        (launched..messages).for_each(|_| verdict.add(Fate::Lost, None));
        verdict
    }
}

impl Stage<'_> {
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
    async fn a_message_whose_hand_over_failed_is_asked_no_second_time_and_the_others_keep_their_answers() {
        let gone = async { Err(io::Error::from(io::ErrorKind::ConnectionReset).into()) };
        let stages = vec![Stage::Landed(Fate::Acked, None), Stage::Publishing(Box::pin(gone))];
        let mut flight = Flight { open: stages.len(), stages };
        assert!(flight.landed().await.is_err());
        flight.give_up();
        assert!(matches!(flight.stages[..], [Stage::Landed(Fate::Acked, None), Stage::Lost]));
    }
}
