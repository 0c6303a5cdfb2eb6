//! Publishes and drains with bare lapin, in the loops that most programs have. Warren is compared with them.

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

async fn channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(&format!("{url}?frame_max=131072"), ConnectionProperties::default())
        .await
        .expect("the benchmark's broker accepts connections");
    let channel = connection.create_channel().await.expect("a fresh connection opens channels");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("RabbitMQ knows confirms");
    (connection, channel)
}

async fn publish_one(channel: &Channel, queue: &str, body: &[u8]) {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    let confirm = channel.basic_publish("".into(), queue.into(), options, body, properties).await;
    let confirm = confirm.expect("the channel is open").await.expect("the broker confirms");
    assert!(confirm.is_ack(), "the broker refused a message");
}

/// Awaits each confirm before the next publish. Returns messages a second.
pub(crate) async fn publish_awaiting_each(url: &str, queue: &str, body: &[u8], total: usize) -> f64 {
    let (_connection, channel) = channel(url).await;
    let started = Instant::now();
    for _ in 0..total {
        publish_one(&channel, queue, body).await;
    }
    total as f64 / started.elapsed().as_secs_f64()
}

/// Keeps `in_flight` confirms outstanding on one channel, and does not find out which message was returned. Returns
/// messages a second.
pub(crate) async fn publish_pipelined(url: &str, queue: &str, body: &[u8], in_flight: usize, total: usize) -> f64 {
    let (_connection, channel) = channel(url).await;
    let started = Instant::now();
    let mut pending = FuturesUnordered::new();
    for _ in 0..total {
        if pending.len() == in_flight {
            pending.next().await;
        }
        pending.push(publish_one(&channel, queue, body));
    }
    while pending.next().await.is_some() {}
    total as f64 / started.elapsed().as_secs_f64()
}

/// Takes `total` messages and acknowledges each. Returns messages a second.
pub(crate) async fn drain_acknowledging_each(url: &str, queue: &str, prefetch: u16, total: usize) -> f64 {
    let (_connection, channel) = channel(url).await;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.expect("the channel is open");
    let consume =
        channel.basic_consume(queue.into(), "bare".into(), BasicConsumeOptions::default(), FieldTable::default());
    let mut deliveries = consume.await.expect("the benchmark's queue is there");
    let started = Instant::now();
    for _ in 0..total {
        let delivery = deliveries.next().await.expect("the queue holds enough").expect("the connection lives");
        delivery.ack(BasicAckOptions::default()).await.expect("the channel is open");
    }
    total as f64 / started.elapsed().as_secs_f64()
}
