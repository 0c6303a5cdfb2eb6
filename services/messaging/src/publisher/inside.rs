//! A door to the line, without a broker.

use bytes::Bytes;
use futures_util::future::{join, join_all};
use lapin::BasicProperties;
use tokio::time::{Duration, Instant};

use super::line::Limits;
use super::outbox::Outbox;
use super::verdict::Fate;
use super::{Outgoing, PublishError};

/// How many messages wait at once.
const IN_FLIGHT: usize = 64;

/// Lets this many messages wait in line, takes its share of them again and again, and answers each as confirmed.
///
/// # Panics
/// When a message is answered otherwise.
pub async fn confirm_all(messages: usize) {
    let outbox = Outbox::new(Limits { messages: IN_FLIGHT, bytes: usize::MAX }, None);
    let deadline = Instant::now() + Duration::from_secs(60);
    for _ in 0..messages / IN_FLIGHT {
        let sent = (0..IN_FLIGHT).map(|_| outbox.send(message(), deadline, || PublishError::Unavailable));
        let lane = async {
            let mut left = IN_FLIGHT;
            while left > 0 {
                let (tickets, _) = outbox.turn().await.take(4, Limits { messages: 0, bytes: 0 });
                left -= tickets.len();
                for ticket in tickets {
                    let answer = Fate::Acked.answer(Ok(())).expect("what is confirmed is answered");
                    ticket.answer(answer);
                }
            }
        };
        let (answers, ()) = join(join_all(sent), lane).await;
        assert!(answers.iter().all(Result::is_ok));
    }
}

fn message() -> Outgoing {
    let properties = Box::new(|| BasicProperties::default().with_message_id("019".into()));
    let body = Bytes::from_static(b"{}");
    Outgoing { exchange: "order-exchange", routing_key: "order.placed".into(), properties, body }
}
