//! Questions to the broker, one after the other, on a channel that a refusal closes.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};

use super::Object;
use crate::Error;
use crate::error::reply;
use crate::link::Link;

/// The broker's code and words.
pub(super) type Refusal = (u16, String);

/// A channel for a few questions, opened with the first. lapin remembers every binding that was ever made on a channel, so none is kept.
pub(super) struct Asking<'l> {
    link: &'l Link,
    channel: Option<Channel>,
}

impl<'l> Asking<'l> {
    pub(super) fn new(link: &'l Link) -> Self {
        Self { link, channel: None }
    }

    /// Declares an object, or binds; what exists as it should stays as it is.
    ///
    /// # Errors
    /// The connection is lost or silent.
    pub(super) async fn declare(&mut self, object: &Object) -> Result<Result<(), Refusal>, Error> {
        self.ask(object, false).await
    }

    /// Asks whether an exchange or a queue exists, whatever its arguments.
    ///
    /// # Errors
    /// The connection is lost or silent.
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

    /// Closes the channel. One that is not closed closes when it is dropped; waiting for it here keeps the number of open ones at one.
    pub(super) async fn end(self) {
        if let Some(channel) = self.channel {
            let _ = self.link.step(channel.close(200, "asserted".into())).await;
        }
    }
}

async fn declare(channel: &Channel, object: &Object, passive: bool) -> lapin::Result<()> {
    let none = FieldTable::default;
    match object {
        Object::Exchange { name } => {
            let durable = ExchangeDeclareOptions { durable: true, passive, ..Default::default() };
            channel.exchange_declare(name.as_str().into(), ExchangeKind::Direct, durable, none()).await
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
