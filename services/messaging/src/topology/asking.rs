//! Asks the broker one question after the other, on a channel that each refusal closes.

use lapin::Channel;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;

use super::Object;
use crate::error::reply;
use crate::link::{Link, OpenChannel};
use crate::{Error, ExchangeKind};

/// The broker's code and words.
pub(super) type Refusal = (u16, String);

/// A channel for a few questions. The first question opens it. lapin remembers every binding that was made on a
/// channel, so the channel is not kept. Each refusal uses up a channel of the connection: before too few are left for
/// the work, the questions go to a connection of their own.
pub(super) struct Asking<'l> {
    link: &'l Link,
    own: Option<Link>,
    channel: Option<OpenChannel>,
}

impl<'l> Asking<'l> {
    /// `own` is the connection for questions, if there is one already.
    pub(super) fn new(link: &'l Link, own: Option<Link>) -> Self {
        Self { link, own, channel: None }
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
        let (channel, link) = match self.channel.take() {
            Some(channel) => (channel, self.asked()),
            None => (self.open().await?, self.asked()),
        };
        match link.within(declare(&channel, object, passive)).await? {
            Ok(()) => {
                self.channel = Some(channel);
                Ok(Ok(()))
            }
            Err(error) => match reply(&error) {
                Some((code, words)) if link.is_connected() => {
                    link.refused();
                    Ok(Err((code, words.to_owned())))
                }
                _ => Err(Error::lost(error)),
            },
        }
    }

    async fn open(&mut self) -> Result<OpenChannel, Error> {
        if self.own.as_ref().is_some_and(|own| !own.is_connected()) {
            self.own = None;
        }
        if self.asked().has_channels_left() {
            match self.asked().channel().await {
                // The work has all channels of its connection.
                Err(_) if self.own.is_none() && self.link.is_connected() => {}
                opened => return opened,
            }
        }
        self.own.insert(self.link.another().await?).channel().await
    }

    /// The connection that is asked.
    fn asked(&self) -> &Link {
        self.own.as_ref().unwrap_or(self.link)
    }

    /// Closes the channel, and returns the connection for questions. Dropping a channel closes it too, but this waits,
    /// so that only one is open at a time.
    pub(super) async fn end(mut self) -> Option<Link> {
        if let Some(channel) = self.channel.take() {
            let _ = self.asked().step(channel.close(200, "asserted".into())).await;
        }
        self.own
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
