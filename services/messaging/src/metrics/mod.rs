//! The metrics `messaging_*`. Every series of a publisher or consumer exists from its start, at zero. Its handles are
//! looked up once.
//!
//! A registry takes each metric once, so a client registers them, and its publishers and consumers share them. A metric
//! is shown only with its first series. So a process shows only what its publishers and consumers move: without a
//! consumer there is no `messaging_consumer_active`.

use prometheus::core::Collector;
use prometheus::{HistogramOpts, Registry};

mod link;
use link::LinkFamilies;
pub(crate) use link::{LinkMetrics, Role};
mod publish;
use publish::PublishFamilies;
pub(crate) use publish::{Outcome, PublishMetrics};
mod consume;
use consume::ConsumeFamilies;
pub(crate) use consume::{ConsumeMetrics, Consumed};
mod health;
use health::HealthFamilies;
pub(crate) use health::HealthMetrics;

use crate::Error;

/// All metrics of one registry.
#[derive(Debug)]
pub(crate) struct Metrics {
    link: LinkFamilies,
    publish: PublishFamilies,
    consume: ConsumeFamilies,
    health: HealthFamilies,
}

/// Whose series they are. Its name is the label `exchange` or `queue`; the other of the two labels is empty.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner<'a> {
    /// A publisher to this exchange.
    Exchange(&'a str),
    /// The consumer of this queue.
    Queue(&'a str),
}

impl Metrics {
    /// # Errors
    /// The registry has these metrics already.
    pub(crate) fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            link: LinkFamilies::register(registry)?,
            publish: PublishFamilies::register(registry)?,
            consume: ConsumeFamilies::register(registry)?,
            health: HealthFamilies::register(registry)?,
        })
    }

    pub(crate) fn link(&self, role: Role, owner: Owner<'_>) -> LinkMetrics {
        self.link.of(role, owner)
    }

    pub(crate) fn publish(&self, exchange: &str, event_types: &[&str]) -> PublishMetrics {
        self.publish.of(exchange, event_types)
    }

    pub(crate) fn consume(&self, queue: &str, event_types: &[&str]) -> ConsumeMetrics {
        self.consume.of(queue, event_types)
    }

    pub(crate) fn health(&self, owner: Owner<'_>) -> HealthMetrics {
        self.health.of(owner)
    }
}

impl<'a> Owner<'a> {
    /// The names of its labels, with a further label between them. The library takes series for the same if their
    /// values in a row are the same text. So an exchange and a queue of one name would share a series without it.
    const fn labels(further: &str) -> [&str; 3] {
        ["exchange", further, "queue"]
    }

    fn values(self, further: &'a str) -> [&'a str; 3] {
        match self {
            Self::Exchange(exchange) => [exchange, further, ""],
            Self::Queue(queue) => ["", further, queue],
        }
    }

    /// The role of the connection on which its events are in flight.
    fn role(self) -> Role {
        match self {
            Self::Exchange(_) => Role::Publish,
            Self::Queue(_) => Role::Consume,
        }
    }
}

/// The label of a routing key that was not named at the start, because labels have to be bounded.
const OTHER: &str = "other";

/// The bounds of durations in seconds, from half a millisecond to half an hour, because the broker lets no delivery
/// be handled for longer.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

/// The bounds of ages in seconds, from five milliseconds to a day, because events wait for as long as their handler's
/// dependency is down.
const AGES: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0,
    3600.0, 10_800.0, 43_200.0, 86_400.0,
];

/// Registers a metric and returns it.
fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn seconds(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, help).buckets(buckets.to_vec())
}

/// A handle for each of a few names. It compares the names, which is faster than a hash for so few, and needs no
/// lock.
#[derive(Debug, Clone)]
struct ByKey<T> {
    known: Vec<(String, T)>,
    other: T,
}

impl<T> ByKey<T> {
    fn new(keys: &[&str], handle: impl Fn(&str) -> T) -> Self {
        let known = keys.iter().map(|key| ((*key).to_owned(), handle(key))).collect();
        Self { known, other: handle(OTHER) }
    }

    fn of(&self, key: &str) -> &T {
        self.known.iter().find(|(known, _)| known == key).map_or(&self.other, |(_, handle)| handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_and_a_queue_of_one_name_have_series_of_their_own() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        assert!(registry.gather().is_empty(), "what nobody moves is not shown");
        for owner in [Owner::Exchange("stock"), Owner::Queue("stock")] {
            metrics.health(owner).in_flight.inc();
            metrics.link(owner.role(), owner).opened(1, None);
        }
        for name in ["messaging_in_flight", "messaging_connected"] {
            let family = registry.gather().into_iter().find(|family| family.name() == name).unwrap();
            let values: Vec<_> = family.get_metric().iter().map(|metric| metric.get_gauge().get_value()).collect();
            assert_eq!(values, [1.0, 1.0], "{name}");
        }
        let states = registry.gather().into_iter().find(|family| family.name() == "messaging_state").unwrap();
        assert_eq!(states.get_metric().len(), 2 * crate::State::NAMES.len());
        assert!(matches!(Metrics::register(&registry), Err(Error::Metrics(_))));
    }
}
