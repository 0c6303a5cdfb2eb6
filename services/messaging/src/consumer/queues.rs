//! The queues around a consumer's queue. Once in use, their arguments never change under the same name.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};

use super::{ConsumerOptions, Subscription};
use crate::topology::Topology;
use crate::{Error, name};

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
        let delay = subscription.delay_queue_name(*wait);
        check("delay queue", &delay, &[queue])?;
        topology = topology.queue(delay, delay_arguments(queue, *wait));
    }
    let (dead, delays) = (subscription.dead_queue_name(), &options.retry_delays);
    let delays: Vec<_> = delays.iter().map(|wait| subscription.delay_queue_name(*wait)).collect();
    let others: Vec<_> = delays.iter().map(String::as_str).chain([queue]).collect();
    check("dead queue", &dead, &others)?;
    Ok(topology.queue(dead, dead_arguments()))
}

/// Checks the name of one of the queues, which none of the others may have.
fn check(what: &str, queue: &str, others: &[&str]) -> Result<(), Error> {
    name::check(what, queue)?;
    if others.contains(&queue) {
        let what = format!("{what} {}", name::shown(queue));
        return Err(Error::Invalid { what, expected: "a name that no other queue of the subscription has".to_owned() });
    }
    Ok(())
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
    fn the_queues_around_a_queue_have_the_names_that_it_gives_them_and_no_two_the_same() {
        let named = || Subscription::queue("q").delay_queues("wait").dead_queue("grave");
        assert_eq!(named().delay_queue_name(Duration::from_secs(10)), "wait.10s");
        assert_eq!(named().dead_queue_name(), "grave");
        assert!(topology(&named(), &ConsumerOptions::default()).is_ok());
        for subscription in [named().dead_queue("q"), named().dead_queue("wait.1m"), named().dead_queue("")] {
            let error = topology(&subscription, &ConsumerOptions::default()).err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.starts_with("dead queue \"")), "{subscription:?}");
        }
    }

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
        let subscription = Subscription::queue("q");
        let name = |millis| subscription.delay_queue_name(Duration::from_millis(millis));
        let names = [500, 1_000, 10_000, 60_000, 600_000, 90_000].map(name);
        assert_eq!(names, ["q.retry.500ms", "q.retry.1s", "q.retry.10s", "q.retry.1m", "q.retry.10m", "q.retry.1m30s"]);
    }
}
