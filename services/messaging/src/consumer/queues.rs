//! The queues around a consumer's queue. Once in use, their arguments never change under the same name.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};

use super::{ConsumerOptions, Subscription};
use crate::topology::Topology;

/// The name of the dead queue, for events that no attempt will handle.
pub(crate) fn dead(queue: &str) -> String {
    format!("{queue}.dead")
}

/// The name of a delay queue, where events wait for their next attempt. Each delay has a queue; the name contains the
/// delay as it is written in the setting.
pub(crate) fn delay(queue: &str, delay: Duration) -> String {
    format!("{queue}.retry.{}", humantime::format_duration(delay).to_string().replace(' ', ""))
}

/// Everything that a consumer declares: its exchange, its queue, and the queues around it. Its queue has no
/// arguments, so that programs written after RabbitMQ's guides can declare it too.
pub(crate) fn topology(subscription: &Subscription, options: &ConsumerOptions) -> Topology {
    let queue = subscription.queue_name();
    // Without its own queue a consumer has nothing to consume; without the other queues it has.
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
        // Otherwise a broker that dies between the two queues would lose the event.
        ("x-dead-letter-strategy", text("at-least-once")),
        // Without this overflow the strategy silently falls back to at-most-once.
        ("x-overflow", text("reject-publish")),
    ])
}

fn dead_arguments() -> FieldTable {
    // A dead letter stays, however often somebody looks at it and puts it back.
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
