//! The metrics of consuming.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::{AGES, ByKey, SECONDS, registered, seconds};
use crate::Error;

/// What became of a delivery: the label `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consumed {
    /// The handler handled it.
    Handled,
    /// It was handled before.
    Duplicate,
    /// It failed and waits in a delay queue.
    Delayed,
    /// It failed for good, or too often.
    Dead,
    /// It could not be decoded.
    Undecodable,
    /// It was dead-lettered, because its handling ended the process again and again.
    Suspect,
    /// It was requeued, unhandled.
    GivenBack,
    /// The handler came to no result. It waits in the shortest delay queue, and no attempt is counted.
    Postponed,
}

impl Consumed {
    const ALL: [Self; 8] = [
        Self::Handled,
        Self::Duplicate,
        Self::Delayed,
        Self::Dead,
        Self::Undecodable,
        Self::Suspect,
        Self::GivenBack,
        Self::Postponed,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Duplicate => "duplicate",
            Self::Delayed => "delayed",
            Self::Dead => "dead",
            Self::Undecodable => "undecodable",
            Self::Suspect => "suspect",
            Self::GivenBack => "given-back",
            Self::Postponed => "postponed",
        }
    }
}

/// The metrics of every consumer.
#[derive(Debug)]
pub(super) struct ConsumeFamilies {
    consumed: IntCounterVec,
    process_duration: HistogramVec,
    event_age: HistogramVec,
    redriven: IntCounterVec,
    not_remembered: IntCounterVec,
    active: IntGaugeVec,
    oldest: IntGaugeVec,
}

/// The metrics of one queue's consumer.
#[derive(Debug, Clone)]
pub(crate) struct ConsumeMetrics {
    consumed: ByKey<[IntCounter; Consumed::ALL.len()]>,
    process_duration: Histogram,
    event_age: Histogram,
    redriven: IntCounter,
    not_remembered: IntCounter,
    /// Whether the consumer has a subscription and does not pause.
    pub(crate) active: IntGauge,
    /// When the oldest event that was delivered and not settled was accepted, in Unix seconds; 0 if there is none.
    pub(crate) oldest: IntGauge,
}

impl ConsumeFamilies {
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let histogram =
            |name, help, buckets| registered(registry, HistogramVec::new(seconds(name, help, buckets), &["queue"])?);
        let gauge = |name, help| registered(registry, IntGaugeVec::new(Opts::new(name, help), &["queue"])?);
        let consumed = Opts::new("messaging_consumed_total", "Deliveries settled, by what became of them.");
        let consumed = registered(registry, IntCounterVec::new(consumed, &["queue", "routing_key", "outcome"])?)?;
        let redriven = Opts::new("messaging_redriven_total", "Events that came back from the dead letters.");
        let redriven = registered(registry, IntCounterVec::new(redriven, &["queue"])?)?;
        let not_remembered =
            Opts::new("messaging_not_remembered_total", "Handled events that the dedupe store did not take.");
        let not_remembered = registered(registry, IntCounterVec::new(not_remembered, &["queue"])?)?;
        Ok(Self {
            consumed,
            process_duration: histogram("messaging_process_duration_seconds", "How long handlers take.", SECONDS)?,
            event_age: histogram("messaging_event_age_seconds", "From an event's time until it is handled.", AGES)?,
            redriven,
            not_remembered,
            active: gauge("messaging_consumer_active", "Whether events are consumed: a subscription, and no pause.")?,
            oldest: gauge(
                "messaging_oldest_event_timestamp_seconds",
                "When the oldest event was accepted that was delivered and not settled, in seconds since 1970; 0 without one.",
            )?,
        })
    }

    pub(super) fn of(&self, queue: &str, event_types: &[&str]) -> ConsumeMetrics {
        let counter = |key: &str, outcome: Consumed| self.consumed.with_label_values(&[queue, key, outcome.name()]);
        let counters = |key: &str| Consumed::ALL.map(|outcome| counter(key, outcome));
        ConsumeMetrics {
            consumed: ByKey::new(event_types, counters),
            process_duration: self.process_duration.with_label_values(&[queue]),
            event_age: self.event_age.with_label_values(&[queue]),
            redriven: self.redriven.with_label_values(&[queue]),
            not_remembered: self.not_remembered.with_label_values(&[queue]),
            active: self.active.with_label_values(&[queue]),
            oldest: self.oldest.with_label_values(&[queue]),
        }
    }
}

impl ConsumeMetrics {
    /// Counts a delivery under the type of its event, which is also its routing key.
    pub(crate) fn consumed(&self, event_type: &str, outcome: Consumed) {
        self.consumed.of(event_type)[outcome as usize].inc();
    }

    pub(crate) fn processed(&self, took: Duration) {
        self.process_duration.observe(took.as_secs_f64());
    }

    pub(crate) fn aged(&self, age: Duration) {
        self.event_age.observe(age.as_secs_f64());
    }

    pub(crate) fn redriven(&self) {
        self.redriven.inc();
    }

    pub(crate) fn not_remembered(&self) {
        self.not_remembered.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_own_counter() {
        for (position, outcome) in Consumed::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, position, "{}", outcome.name());
        }
    }
}
