//! Follows one message on its way through a channel.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation, PublisherConfirm};

use super::Outgoing;
use super::batch_result::Confirm;

type Publishing<'c> = Pin<Box<dyn Future<Output = lapin::Result<PublisherConfirm>> + Send + 'c>>;

/// How far a message has come.
pub(super) enum Progress<'c> {
    /// lapin has the message, and may have written it to the socket.
    Publishing(Publishing<'c>),
    /// The message is written, and its confirm is awaited.
    Confirming(PublisherConfirm),
    /// The broker has answered, perhaps together with a message that it returned.
    Answered(Confirm, Option<Box<BasicReturnMessage>>),
    /// The message was not handed over, or its channel or connection ended before the answer.
    Lost,
}

impl<'c> Progress<'c> {
    /// Hands a message to lapin.
    ///
    /// # Errors
    /// The channel takes no messages.
    pub(super) fn send(channel: &'c Channel, outgoing: &Outgoing) -> lapin::Result<Self> {
        let exchange = outgoing.exchange.as_ref().into();
        let routing_key = outgoing.routing_key.as_ref().into();
        let (properties, body) = ((outgoing.properties)(), outgoing.body.clone());
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let mut publishing: Publishing<'c> =
            Box::pin(async move { channel.basic_publish(exchange, routing_key, options, &body, properties).await });
        // The first poll takes the delivery tag and queues the frames, together and in order.
        match publishing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Ok(Self::Publishing(publishing)),
            Poll::Ready(confirm) => confirm.map(Self::Confirming),
        }
    }

    /// Whether the broker has answered.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self, Self::Answered(..))
    }

    /// Ready once the broker has answered.
    ///
    /// # Errors
    /// The broker will never answer.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<lapin::Result<()>> {
        loop {
            let next = match self {
                Self::Publishing(publishing) => ready!(publishing.as_mut().poll(cx)).map(Self::Confirming),
                Self::Confirming(confirm) => ready!(Pin::new(confirm).poll(cx)).map(Self::answered),
                Self::Answered(..) | Self::Lost => return Poll::Ready(Ok(())),
            };
            match next {
                Ok(progress) => *self = progress,
                Err(error) => {
                    // A future that has ended must not be polled again.
                    *self = Self::Lost;
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn answered(confirmation: Confirmation) -> Self {
        match confirmation {
            Confirmation::Ack(message) => Self::Answered(Confirm::Acked, message.map(Box::new)),
            Confirmation::Nack(message) => Self::Answered(Confirm::Nacked, message.map(Box::new)),
            // This cannot happen, because a lane's channel asks for confirms.
            Confirmation::NotRequested => Self::Answered(Confirm::Lost, None),
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
        let mut progress = Progress::Publishing(Box::pin(gone));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(progress.poll(cx), Poll::Ready(Err(_))));
        assert!(matches!(progress.poll(cx), Poll::Ready(Ok(()))));
        assert!(!progress.is_answered());
    }
}
