//! What a plain AMQP client does: look into queues, publish, delete.

use std::ops::Deref;

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

/// A connection of a test's own, and one channel on it.
#[derive(Debug)]
pub struct Client {
    /// The connection, for what is about connections.
    pub connection: Connection,
    channel: Channel,
}

pub(super) async fn connect(url: &str) -> lapin::Result<Connection> {
    Connection::connect(&format!("{url}?frame_max=131072"), ConnectionProperties::default()).await
}

impl Broker {
    /// A plain client, in confirm mode, as guest.
    pub async fn client(&self) -> Client {
        self.client_as("guest").await
    }

    /// A plain client, in confirm mode.
    pub async fn client_as(&self, user: &str) -> Client {
        let connection = connect(&self.url_as(user)).await.expect("the broker accepts connections");
        let channel = connection.create_channel().await.expect("a channel can be opened");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms can be asked for");
        Client { connection, channel }
    }

    /// How many messages wait in a queue, or `None` without such a queue; what was delivered and not settled is not counted.
    pub async fn depth(&self, queue: &str) -> Option<u32> {
        Some(self.client().await.passive(queue).await?.message_count())
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

    /// Takes everything that waits in a queue, oldest first, for good.
    pub async fn take(&self, queue: &str) -> Vec<Message> {
        self.client().await.get_all(queue, BasicGetOptions { no_ack: true }).await
    }

    /// Looks at everything that waits in a queue and gives it back, which raises its delivery count.
    pub async fn peek(&self, queue: &str) -> Vec<Message> {
        let client = self.client().await;
        let messages = client.get_all(queue, BasicGetOptions::default()).await;
        client.connection.close(200, "done".into()).await.expect("a connection can be closed");
        messages
    }

    /// Deletes a queue with what it holds.
    pub async fn delete_queue(&self, queue: &str) {
        let client = self.client().await;
        client.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("a queue can be deleted");
    }

    /// Deletes an exchange with its bindings.
    pub async fn delete_exchange(&self, exchange: &str) {
        let client = self.client().await;
        client
            .exchange_delete(exchange.into(), ExchangeDeleteOptions::default())
            .await
            .expect("an exchange can be deleted");
    }

    /// Removes one binding.
    pub async fn delete_binding(&self, queue: &str, exchange: &str, key: &str) {
        let client = self.client().await;
        let unbound = client.queue_unbind(queue.into(), exchange.into(), key.into(), FieldTable::default()).await;
        unbound.expect("a binding can be removed");
    }
}

impl Client {
    async fn passive(&self, queue: &str) -> Option<lapin::Queue> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.queue_declare(queue.into(), options, FieldTable::default()).await.ok()
    }

    /// Declares a durable direct exchange without arguments.
    pub async fn declare_exchange(&self, exchange: &str) {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared = self.exchange_declare(exchange.into(), ExchangeKind::Direct, options, FieldTable::default());
        declared.await.expect("the exchange can be declared");
    }

    /// As [`Broker::declare`].
    pub async fn declare(&self, queue: &str, exchange: &str, keys: &[&str]) {
        self.declare_exchange(exchange).await;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.queue_declare(queue.into(), options, FieldTable::default()).await.expect("the queue can be declared");
        for &key in keys {
            let options = QueueBindOptions::default();
            let bound =
                self.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default()).await;
            bound.expect("the queue can be bound");
        }
    }

    /// As [`Broker::publish`].
    pub async fn publish(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) -> bool {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = self.basic_publish(exchange.into(), key.into(), options, body, properties).await;
        match confirm.expect("the channel is open").await {
            Ok(lapin::Confirmation::Ack(None)) => true,
            Ok(_) => false,
            Err(error) => panic!("publishing to {exchange:?} with {key:?}: {error}"),
        }
    }

    /// Consumes from a queue and acknowledges, message by message: what the guide's consumer does. Never ends by itself.
    pub async fn consume(&self, queue: &str) -> impl futures_util::Stream<Item = Message> + Unpin + use<> {
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumer = self.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
        let deliveries = consumer.expect("the queue can be consumed from");
        deliveries.map(|delivery| Message::from(delivery.expect("the channel is open")))
    }

    async fn get_all(&self, queue: &str, options: BasicGetOptions) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(got) = self.basic_get(queue.into(), options).await.expect("the queue can be read") {
            messages.push(Message::from(got.delivery));
        }
        messages
    }
}

impl Deref for Client {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.channel
    }
}
