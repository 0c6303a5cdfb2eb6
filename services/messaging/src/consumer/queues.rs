//! The queues around a consumer's queue. Once in use, their arguments never change under the same name.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};

use super::{ConsumerOptions, Subscription};
use crate::topology::Topology;
use crate::{Error, name};

/// The name of the dead queue, for events that no attempt will handle.
pub(crate) fn dead(queue: &str) -> String {
    format!("{queue}.dead")
}

/// The name of a delay queue, where events wait for their next attempt. Each delay has a queue; the name contains the
/// delay as it is written in the setting.
pub(crate) fn delay(queue: &str, delay: Duration) -> String {
    format!("{queue}.retry.{}", humantime::format_duration(delay).to_string().replace(' ', ""))
}

/// Everything that a consumer declares: its queue, the exchanges it binds to, and the queues around it. Its queue has no
/// arguments, so that programs written after RabbitMQ's guides can declare it too.
///
/// # Errors
/// [`Error::Invalid`]: a name cannot be used.
pub(crate) fn topology(subscription: &Subscription, options: &ConsumerOptions) -> Result<Topology, Error> {
    subscription.check()?;
    let queue = subscription.queue_name();
    // Without its own queue a consumer has nothing to consume; without the other queues it has.
    let mut topology = Topology::default().queue(queue, FieldTable::default());
    for (exchange, key) in subscription.bindings() {
        topology = topology.exchange(exchange).binding(queue, exchange.name(), key);
    }
    for wait in &options.retry_delays {
        let delay = delay(queue, *wait);
        name::check("delay queue", &delay)?;
        topology = topology.queue(delay, delay_arguments(queue, *wait));
    }
    name::check("dead queue", &dead(queue))?;
    Ok(topology.queue(dead(queue), dead_arguments()))
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
    fn a_queue_whose_name_leaves_no_room_for_those_around_it_is_refused() {
        let refused = |bytes: usize| {
            let subscription = Subscription::queue("q".repeat(bytes));
            topology(&subscription, &ConsumerOptions::default()).err().map(|error| error.to_string())
        };
        assert!(refused(245).is_none());
        assert!(
            refused(246).is_some_and(|error| error.starts_with("delay queue \"qqq")),
            "its longest ends .retry.10s"
        );
    }

    #[test]
    fn a_delay_queue_is_named_as_its_delay_is_written() {
        let names =
            [500, 1_000, 10_000, 60_000, 600_000, 90_000].map(|millis| delay("q", Duration::from_millis(millis)));
        assert_eq!(names, ["q.retry.500ms", "q.retry.1s", "q.retry.10s", "q.retry.1m", "q.retry.10m", "q.retry.1m30s"]);
    }
}
