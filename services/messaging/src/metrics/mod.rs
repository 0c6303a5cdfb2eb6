//! The metrics `messaging_*`. Every series exists from the start, at zero. Their handles are looked up once.
//!
//! A publisher and a consumer each register only the metrics that they move, because a series that never moves
//! misleads: a publisher has no `messaging_consumer_active`.

use prometheus::core::Collector;
use prometheus::{HistogramOpts, Registry};

mod link;
pub(crate) use link::{LinkMetrics, Role};
mod publish;
pub(crate) use publish::{Outcome, PublishMetrics};
mod consume;
pub(crate) use consume::{ConsumeMetrics, Consumed};
mod health;
pub(crate) use health::HealthMetrics;

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
