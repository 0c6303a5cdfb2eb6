//! One channel that consumes from the queue: it brings deliveries and takes acknowledgements.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery as RawDelivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::FieldTable;

use super::acks::Reply;
use crate::Error;
use crate::delivery::{Delivery, Reader};
use crate::error::reply;
use crate::link::{Link, OpenChannel};
use crate::user_name::UserName;

/// What a subscription brings: a delivery, the error that ended it, or its end.
pub(super) type Next = Option<Result<Arc<Delivery>, Error>>;

/// A channel with one subscription at most.
pub(super) struct Feed<'a> {
    link: &'a Link,
    /// Before the subscription, so that a dropped channel closes before lapin cancels on it.
    channel: OpenChannel,
    queue: &'a str,
    reader: Arc<Reader>,
    subscription: Option<lapin::Consumer>,
}

impl<'a> Feed<'a> {
    pub(super) fn new(link: &'a Link, channel: OpenChannel, queue: &'a str, user: Arc<UserName>) -> Self {
        let reader = Arc::new(Reader::consumer(user, link.server_version(), link.frame_max()));
        Self { link, channel, queue, reader, subscription: None }
    }

    /// Subscribes. The broker applies a prefetch to the subscriptions that begin after it, so each prefetch needs a
    /// subscription of its own.
    ///
    /// # Errors
    /// [`Error::AccessRefused`]: the user may not read the queue that the error names.
    pub(super) async fn subscribe(&mut self, prefetch: u16) -> Result<(), Error> {
        self.link.step(self.channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let (queue, tag) = (self.queue.into(), "".into());
        let consume = self.channel.basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default());
        let subscribed = self.link.within(consume).await?;
        self.subscription = Some(subscribed.map_err(|error| refusal(error, self.queue))?);
        Ok(())
    }

    /// Ends the subscription, and returns the deliveries that the broker had sent by then.
    pub(super) async fn cancel(&mut self) -> Result<Vec<Arc<Delivery>>, Error> {
        let mut last = Vec::new();
        let Some(mut subscription) = self.subscription.take() else { return Ok(last) };
        self.link.step(self.channel.basic_cancel(subscription.tag(), BasicCancelOptions::default())).await?;
        // Every delivery has arrived by now; the end of the stream follows them.
        while let Some(delivery) = self.link.step(subscription.next().map(Option::transpose)).await? {
            last.push(Arc::new(Delivery::new(delivery, Arc::clone(&self.reader))));
        }
        Ok(last)
    }

    /// The next delivery. Without a subscription it never resolves. It must not be called after the end, because the
    /// stream is not fused.
    pub(super) async fn next(&mut self) -> Next {
        match &mut self.subscription {
            Some(subscription) => delivery(subscription.next().await, &self.reader),
            None => pending().await,
        }
    }

    /// The deliveries that have arrived already.
    pub(super) fn next_now(&mut self) -> Option<Next> {
        let next = self.subscription.as_mut()?.next().now_or_never()?;
        Some(delivery(next, &self.reader))
    }

    /// Sends answers one after the other, because a tag must not follow an answer that covered it.
    pub(super) fn answer(&self, replies: Vec<Reply>) -> BoxFuture<'static, lapin::Result<()>> {
        let channel = lapin::Channel::clone(&self.channel);
        async move {
            for reply in replies {
                match reply {
                    Reply::AckThrough(tag) => channel.basic_ack(tag, BasicAckOptions { multiple: true }).await?,
                    Reply::Ack(tag) => channel.basic_ack(tag, BasicAckOptions::default()).await?,
                    Reply::Reject(tag) => channel.basic_reject(tag, BasicRejectOptions { requeue: true }).await?,
                    Reply::Requeue(tag) => {
                        channel.basic_nack(tag, BasicNackOptions { requeue: true, ..Default::default() }).await?
                    }
                }
            }
            Ok(())
        }
        .boxed()
    }

    /// Waits until the answers are sent.
    pub(super) async fn sent(&self, answers: impl Future<Output = lapin::Result<()>>) -> Result<(), Error> {
        self.link.step(answers).await
    }

    /// Closes the channel, within a limited time. The broker delivers again what has no answer. The connection goes on.
    pub(super) async fn close(self, within: Duration) {
        let _ = self.link.patiently(within, self.channel.close(200, "bye".into())).await;
    }
}

/// The error that the broker's refusal of a subscription means.
fn refusal(error: lapin::Error, queue: &str) -> Error {
    match reply(&error) {
        Some((403, words)) => Error::AccessRefused { object: format!("queue {queue:?}"), reason: words.to_owned() },
        _ => Error::lost(error),
    }
}

fn delivery(delivery: Option<lapin::Result<RawDelivery>>, reader: &Arc<Reader>) -> Next {
    let delivery = delivery?.map_err(Error::lost);
    Some(delivery.map(|delivery| Arc::new(Delivery::new(delivery, Arc::clone(reader)))))
}
