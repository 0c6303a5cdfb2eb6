//! The queues around a consumer's queue. Once in use, their arguments never change under the same name.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};

use super::{ConsumerOptions, Subscription};
use crate::topology::Topology;

/// Where letters go that no attempt will help.
pub(crate) fn dead(queue: &str) -> String {
    format!("{queue}.dead")
}

/// Where events wait for their next attempt: each delay has a queue, named as the delay is written.
pub(crate) fn delay(queue: &str, delay: Duration) -> String {
    format!("{queue}.retry.{}", humantime::format_duration(delay).to_string().replace(' ', ""))
}

/// Everything a consumer declares: its exchange, its queue without arguments so that the guide's programs can declare it too, and the queues around it.
pub(crate) fn topology(subscription: &Subscription, options: &ConsumerOptions) -> Topology {
    let queue = subscription.queue_name();
    // Without its queue there is nothing to consume; without the others there is.
    let mut topology = Topology::default().queue(queue, FieldTable::default());
    if !subscription.exchange().is_empty() {
        topology = topology.exchange(subscription.exchange());
    }
    for key in subscription.keys() {
        topology = topology.binding(queue, subscription.exchange(), *key);
    }
    for wait in &options.retry_delays {
        topology = topology.queue(delay(queue, *wait), delay_arguments(queue, *wait));
    }
    topology.queue(dead(queue), dead_arguments())
}

fn delay_arguments(queue: &str, delay: Duration) -> FieldTable {
    let millis = i64::try_from(delay.as_millis()).expect("a delay is at most a day");
    let text = |text: &str| AMQPValue::LongString(text.into());
    arguments([
        ("x-queue-type", text("quorum")),
        ("x-message-ttl", AMQPValue::LongLongInt(millis)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(queue)),
        // Or a broker that dies between this queue and that one would lose the event.
        ("x-dead-letter-strategy", text("at-least-once")),
        // Without it the strategy silently falls back to at-most-once.
        ("x-overflow", text("reject-publish")),
    ])
}

fn dead_arguments() -> FieldTable {
    // Looked at and put back any number of times, a dead letter stays.
    arguments([
        ("x-queue-type", AMQPValue::LongString("quorum".into())),
        ("x-delivery-limit", AMQPValue::LongLongInt(-1)),
    ])
}

fn arguments<const N: usize>(pairs: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in pairs {
        table.insert(name.into(), value);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_queue_is_named_as_its_delay_is_written() {
        let names =
            [500, 1_000, 10_000, 60_000, 600_000, 90_000].map(|millis| delay("q", Duration::from_millis(millis)));
        assert_eq!(names, ["q.retry.500ms", "q.retry.1s", "q.retry.10s", "q.retry.1m", "q.retry.10m", "q.retry.1m30s"]);
    }
}
