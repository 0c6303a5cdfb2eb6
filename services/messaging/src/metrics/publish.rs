//! The metrics of publishing.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use super::{ByKey, SECONDS, registered, seconds};
use crate::{Error, PublishError};

/// What became of a message: the label `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Confirmed,
    Unavailable,
    Blocked,
    AccessRefused,
    TopologyConflict,
    Unroutable,
    Rejected,
    Unconfirmed,
    Overloaded,
    /// The caller no longer waited for the answer.
    Abandoned,
}

impl Outcome {
    const ALL: [Self; 10] = [
        Self::Confirmed,
        Self::Unavailable,
        Self::Blocked,
        Self::AccessRefused,
        Self::TopologyConflict,
        Self::Unroutable,
        Self::Rejected,
        Self::Unconfirmed,
        Self::Overloaded,
        Self::Abandoned,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unavailable => "unavailable",
            Self::Blocked => "blocked",
            Self::AccessRefused => "access-refused",
            Self::TopologyConflict => "topology-conflict",
            Self::Unroutable => "unroutable",
            Self::Rejected => "rejected",
            Self::Unconfirmed => "unconfirmed",
            Self::Overloaded => "overloaded",
            Self::Abandoned => "abandoned",
        }
    }
}

impl From<&Result<(), PublishError>> for Outcome {
    fn from(result: &Result<(), PublishError>) -> Self {
        match result {
            Ok(()) => Self::Confirmed,
            Err(PublishError::Unavailable) => Self::Unavailable,
            Err(PublishError::Blocked) => Self::Blocked,
            Err(PublishError::AccessRefused) => Self::AccessRefused,
            Err(PublishError::TopologyConflict) => Self::TopologyConflict,
            Err(PublishError::Unroutable) => Self::Unroutable,
            Err(PublishError::Rejected) => Self::Rejected,
            Err(PublishError::Unconfirmed) => Self::Unconfirmed,
            Err(PublishError::Overloaded) => Self::Overloaded,
        }
    }
}

/// The metrics of every publisher.
#[derive(Debug)]
pub(super) struct PublishFamilies {
    published: IntCounterVec,
    duration: HistogramVec,
}

/// The metrics of everything published to one exchange.
#[derive(Debug, Clone)]
pub(crate) struct PublishMetrics {
    published: ByKey<[IntCounter; Outcome::ALL.len()]>,
    duration: Histogram,
}

impl PublishFamilies {
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let published = Opts::new("messaging_published_total", "Messages published, by what became of them.");
        let labels = ["exchange", "routing_key", "outcome"];
        let published = registered(registry, IntCounterVec::new(published, &labels)?)?;
        let help = "From asking to publish until the outcome is known.";
        let duration = seconds("messaging_publish_duration_seconds", help, SECONDS);
        Ok(Self { published, duration: registered(registry, HistogramVec::new(duration, &["exchange"])?)? })
    }

    pub(super) fn of(&self, exchange: &str, event_types: &[&str]) -> PublishMetrics {
        let counter = |key: &str, outcome: Outcome| self.published.with_label_values(&[exchange, key, outcome.name()]);
        let counters = |key: &str| Outcome::ALL.map(|outcome| counter(key, outcome));
        let published = ByKey::new(event_types, counters);
        PublishMetrics { published, duration: self.duration.with_label_values(&[exchange]) }
    }
}

impl PublishMetrics {
    pub(crate) fn published(&self, routing_key: &str, outcome: Outcome, took: Duration) {
        self.published.of(routing_key)[outcome as usize].inc();
        self.duration.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_of_every_key_is_there_at_zero() {
        let registry = Registry::new();
        let metrics = PublishFamilies::register(&registry).unwrap().of("e", &["a", "b"]);
        let series = || {
            let family = registry.gather().into_iter().find(|family| family.name() == "messaging_published_total");
            family.unwrap().get_metric().iter().map(|metric| metric.get_counter().get_value()).collect::<Vec<_>>()
        };
        assert_eq!(series(), vec![0.0; 3 * Outcome::ALL.len()]);
        metrics.published("nobody named it", Outcome::Rejected, Duration::ZERO);
        assert_eq!(series().len(), 3 * Outcome::ALL.len(), "an unknown key has no series of its own");
        assert_eq!(series().iter().sum::<f64>(), 1.0);
    }

    #[test]
    fn each_outcome_has_its_own_counter() {
        for (position, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, position, "{}", outcome.name());
        }
    }
}
