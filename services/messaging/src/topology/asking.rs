//! Asks the broker one question after the other, on a channel that each refusal closes.

use lapin::Channel;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;

use super::Object;
use crate::error::reply;
use crate::link::Link;
use crate::{Error, ExchangeKind};

/// The broker's code and words.
pub(super) type Refusal = (u16, String);

/// A channel for a few questions. The first question opens it. lapin remembers every binding that was made on a
/// channel, so the channel is not kept.
pub(super) struct Asking<'l> {
    link: &'l Link,
    channel: Option<Channel>,
}

impl<'l> Asking<'l> {
    pub(super) fn new(link: &'l Link) -> Self {
        Self { link, channel: None }
    }

    /// Declares an object, or binds a queue. An object that exists as expected stays as it is.
    ///
    /// # Errors
    /// The connection is lost, or the broker is silent.
    pub(super) async fn declare(&mut self, object: &Object) -> Result<Result<(), Refusal>, Error> {
        self.ask(object, false).await
    }

    /// Asks whether an exchange or a queue exists, whatever its arguments.
    ///
    /// # Errors
    /// The connection is lost, or the broker is silent.
    pub(super) async fn look(&mut self, object: &Object) -> Result<Result<(), Refusal>, Error> {
        self.ask(object, true).await
    }

    async fn ask(&mut self, object: &Object, passive: bool) -> Result<Result<(), Refusal>, Error> {
        let channel = match self.channel.take() {
            Some(channel) => channel,
            None => self.link.channel().await?,
        };
        match self.link.within(declare(&channel, object, passive)).await? {
            Ok(()) => {
                self.channel = Some(channel);
                Ok(Ok(()))
            }
            Err(error) => match reply(&error) {
                Some((code, words)) if self.link.is_connected() => Ok(Err((code, words.to_owned()))),
                _ => Err(Error::lost(error)),
            },
        }
    }

    /// Closes the channel. Dropping it closes it too, but this waits, so that only one is open at a time.
    pub(super) async fn end(self) {
        if let Some(channel) = self.channel {
            let _ = self.link.step(channel.close(200, "asserted".into())).await;
        }
    }
}

async fn declare(channel: &Channel, object: &Object, passive: bool) -> lapin::Result<()> {
    let none = FieldTable::default;
    match object {
        Object::Exchange { name, kind } => {
            let durable = ExchangeDeclareOptions { durable: true, passive, ..Default::default() };
            channel.exchange_declare(name.as_str().into(), lapin_kind(*kind), durable, none()).await
        }
        Object::Queue { name, arguments } => {
            let durable = QueueDeclareOptions { durable: true, passive, ..Default::default() };
            channel.queue_declare(name.as_str().into(), durable, arguments.clone()).await.map(drop)
        }
        Object::Binding { queue, exchange, routing_key } => {
            let [queue, exchange, key] = [queue, exchange, routing_key].map(|name| name.as_str().into());
            channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), none()).await
        }
    }
}

fn lapin_kind(kind: ExchangeKind) -> lapin::ExchangeKind {
    match kind {
        ExchangeKind::Direct => lapin::ExchangeKind::Direct,
        ExchangeKind::Topic => lapin::ExchangeKind::Topic,
        ExchangeKind::Fanout => lapin::ExchangeKind::Fanout,
    }
}
