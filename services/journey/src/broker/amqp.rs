//! Does what a plain AMQP client does: look into queues, publish, delete.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::FieldTable,
};

use super::{Broker, Message};
use crate::eventually::in_time;

/// How long a broker may take to greet a client before the client dials again.
const GREETING: Duration = Duration::from_secs(10);

/// A connection of a test's own, and one channel on it.
#[derive(Debug)]
pub struct Client {
    /// The connection, for what is about connections.
    pub connection: Connection,
    channel: Channel,
}

pub(super) async fn connect(url: &str) -> lapin::Result<Connection> {
    let url = format!("{url}?frame_max=131072");
    let connected = async {
        loop {
            // A broker that boots may take a connection and never greet; lapin would wait for ever.
            let connection = Connection::connect(&url, ConnectionProperties::default());
            if let Ok(connection) = tokio::time::timeout(GREETING, connection).await {
                return connection;
            }
        }
    };
    in_time("a broker greets a client", connected).await
}

impl Broker {
    /// A plain client, in confirm mode, as guest.
    pub async fn client(&self) -> Client {
        self.client_as("guest").await
    }

    /// A plain client, in confirm mode.
    pub async fn client_as(&self, user: &str) -> Client {
        let connection = connect(&self.url_as(user)).await.expect("the broker accepts connections");
        let channel = in_time("a channel is opened", connection.create_channel()).await;
        let client = Client { connection, channel: channel.expect("a channel can be opened") };
        let confirms = client.ask(async |channel| channel.confirm_select(ConfirmSelectOptions::default()).await).await;
        confirms.expect("confirms can be asked for");
        client
    }

    /// The number of messages that wait in a queue, or `None` without such a queue. Messages that were delivered and
    /// not settled do not count.
    pub async fn depth(&self, queue: &str) -> Option<u32> {
        self.client().await.depth(queue).await
    }

    /// How many consumers a queue has, or `None` without such a queue.
    pub async fn consumers(&self, queue: &str) -> Option<u32> {
        Some(self.client().await.passive(queue).await?.consumer_count())
    }

    /// Declares a durable queue without arguments and binds it to the exchange (durable, direct) with these keys.
    pub async fn declare(&self, queue: &str, exchange: &str, keys: &[&str]) {
        self.client().await.declare(queue, exchange, keys).await;
    }

    /// Publishes and says whether the broker confirmed that a queue has it.
    pub async fn publish(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) -> bool {
        self.client().await.publish(exchange, key, properties, body).await
    }

    /// Takes every message from a queue, oldest first, for good.
    pub async fn take(&self, queue: &str) -> Vec<Message> {
        self.client().await.get_all(queue, BasicGetOptions { no_ack: true }).await
    }

    /// Looks at every message in a queue and requeues it, which raises its delivery count.
    pub async fn peek(&self, queue: &str) -> Vec<Message> {
        let client = self.client().await;
        let messages = client.get_all(queue, BasicGetOptions::default()).await;
        let closed = in_time("a client leaves", client.connection.close(200, "done".into())).await;
        closed.expect("a connection can be closed");
        messages
    }

    /// Deletes a queue with its messages.
    pub async fn delete_queue(&self, queue: &str) {
        let client = self.client().await;
        let options = QueueDeleteOptions::default();
        let deleted = client.ask(async |channel| channel.queue_delete(queue.into(), options).await).await;
        deleted.expect("a queue can be deleted");
    }

    /// Deletes an exchange with its bindings.
    pub async fn delete_exchange(&self, exchange: &str) {
        let client = self.client().await;
        let options = ExchangeDeleteOptions::default();
        let deleted = client.ask(async |channel| channel.exchange_delete(exchange.into(), options).await).await;
        deleted.expect("an exchange can be deleted");
    }

    /// Removes one binding.
    pub async fn delete_binding(&self, queue: &str, exchange: &str, key: &str) {
        let client = self.client().await;
        let unbind = async |channel: &Channel| {
            channel.queue_unbind(queue.into(), exchange.into(), key.into(), FieldTable::default()).await
        };
        client.ask(unbind).await.expect("a binding can be removed");
    }
}

impl Client {
    /// Runs any operation of lapin's on a channel. A broker that never answers fails the test and does not hang it.
    pub async fn ask<T>(&self, question: impl AsyncFnOnce(&Channel) -> lapin::Result<T>) -> lapin::Result<T> {
        in_time("a broker answers its client", question(&self.channel)).await
    }

    /// See [`Broker::depth`].
    pub async fn depth(&self, queue: &str) -> Option<u32> {
        Some(self.passive(queue).await?.message_count())
    }

    async fn passive(&self, queue: &str) -> Option<lapin::Queue> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.declare_queue(queue, options, FieldTable::default()).await.ok()
    }

    /// Declares a durable direct exchange without arguments.
    pub async fn declare_exchange(&self, exchange: &str) {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declare = async |channel: &Channel| {
            channel.exchange_declare(exchange.into(), ExchangeKind::Direct, options, FieldTable::default()).await
        };
        self.ask(declare).await.expect("the exchange can be declared");
    }

    /// Declares any queue, or says why the broker refuses it.
    pub async fn declare_queue(
        &self,
        queue: &str,
        options: QueueDeclareOptions,
        arguments: FieldTable,
    ) -> lapin::Result<lapin::Queue> {
        self.ask(async |channel| channel.queue_declare(queue.into(), options, arguments).await).await
    }

    /// Binds a queue to an exchange.
    pub async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        let options = QueueBindOptions::default();
        let bind = async |channel: &Channel| {
            channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default()).await
        };
        self.ask(bind).await.expect("the queue can be bound");
    }

    /// As [`Broker::declare`].
    pub async fn declare(&self, queue: &str, exchange: &str, keys: &[&str]) {
        self.declare_exchange(exchange).await;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.declare_queue(queue, options, FieldTable::default()).await.expect("the queue can be declared");
        for &key in keys {
            self.bind(queue, exchange, key).await;
        }
    }

    /// As [`Broker::publish`].
    pub async fn publish(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) -> bool {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publish = async |channel: &Channel| {
            channel.basic_publish(exchange.into(), key.into(), options, body, properties).await?.await
        };
        match self.ask(publish).await {
            Ok(lapin::Confirmation::Ack(None)) => true,
            Ok(_) => false,
            Err(error) => panic!("publishing to {exchange:?} with {key:?}: {error}"),
        }
    }

    /// Consumes from a queue and acknowledges, message by message: what the guide's consumer does. Never ends by itself.
    pub async fn consume(&self, queue: &str) -> impl futures_util::Stream<Item = Message> + Unpin + use<> {
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consume = async |channel: &Channel| {
            channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await
        };
        let deliveries = self.ask(consume).await.expect("the queue can be consumed from");
        deliveries.map(|delivery| Message::from(delivery.expect("the channel is open")))
    }

    async fn get_all(&self, queue: &str, options: BasicGetOptions) -> Vec<Message> {
        let mut messages = Vec::new();
        let get = async || self.ask(async |channel| channel.basic_get(queue.into(), options).await).await;
        while let Some(got) = get().await.expect("the queue can be read") {
            messages.push(Message::from(got.delivery));
        }
        messages
    }
}
