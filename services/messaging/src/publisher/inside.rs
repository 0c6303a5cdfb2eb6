//! Lets tests and counters of instructions run a publish without a broker.

use std::hint::black_box;

use bytes::Bytes;
use events::{Encoded, Event};
use futures_util::future::{join, join_all};
use jiff::Timestamp;
use lapin::BasicProperties;
use prometheus::Registry;
use tokio::time::{Duration, Instant};

use super::backlog::Limits;
use super::batch_result::Confirm;
use super::publish_queue::PublishQueue;
use super::{Outgoing, PublishError, Publisher, Watched};
use crate::{Client, Endpoint};

/// The number of messages that wait at once.
const IN_FLIGHT: usize = 64;

/// Queues this many messages, takes a channel's share of them again and again, and answers each as confirmed.
///
/// # Panics
/// If a message is answered otherwise.
pub async fn confirm_all(messages: usize) {
    let publish_queue = PublishQueue::new(Limits { messages: IN_FLIGHT, bytes: usize::MAX }, None);
    let deadline = Instant::now() + Duration::from_secs(60);
    for _ in 0..messages / IN_FLIGHT {
        let sent = (0..IN_FLIGHT).map(|_| publish_queue.send(message(), deadline, || PublishError::Unavailable));
        let lane = async {
            let mut left = IN_FLIGHT;
            while left > 0 {
                let (batch, _) = publish_queue.turn().await.take(4, Limits { messages: 0, bytes: 0 });
                left -= batch.len();
                for pending in batch {
                    let answer = Confirm::Acked.answer(Ok(())).expect("what is confirmed is answered");
                    pending.answer(answer);
                }
            }
        };
        let (answers, ()) = join(join_all(sent), lane).await;
        assert!(answers.iter().all(Result::is_ok));
    }
}

/// Makes the messages of this many events of the first type, properties and all, and counts each as confirmed.
///
/// # Panics
/// Outside a tokio runtime.
pub fn prepare_all<E: Event>(events: usize) {
    let url = "amqp://127.0.0.1:1".parse().expect("it is a broker's URL");
    let endpoint = Endpoint::new(url, "order");
    let client = Client::new(endpoint, &Registry::new()).expect("the registry is new");
    let publisher = client.publisher::<E>("order-exchange").start().expect("the options are the defaults");
    for _ in 0..events {
        let event = Encoded {
            id: "019379a2-7c5e-7d35-8f6e-000000000000".to_owned(),
            event_type: E::TYPES[0],
            time: Timestamp::UNIX_EPOCH,
            body: Bytes::from_static(b"{}"),
        };
        let (_span, trace) = publisher.span(&event);
        let watched = Watched::new(&publisher.metrics, event.event_type);
        let outgoing = publisher.outgoing(event, trace).expect("its id is short");
        black_box((outgoing.properties)());
        watched.done(&Ok(()));
    }
}

/// Publishes an event that is encoded already: measurements publish many of them, and tests publish what no kind of
/// event would encode.
///
/// # Errors
/// What became of the event.
pub async fn publish_encoded<E>(
    publisher: &Publisher<E>,
    event: Encoded,
    deadline: Instant,
) -> Result<(), PublishError> {
    publisher.send(event, deadline).await
}

fn message() -> Outgoing {
    let properties = Box::new(|| BasicProperties::default().with_message_id("019".into()));
    let body = Bytes::from_static(b"{}");
    Outgoing { exchange: "order-exchange".into(), routing_key: "order.placed".into(), properties, body }
}
