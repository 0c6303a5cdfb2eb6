//! Counts the outcome of a publish, however it ends.

use std::time::Instant;

use super::Answer;
pub(super) use crate::metrics::Outcome;
use crate::metrics::PublishMetrics;

/// Counts its message as abandoned if it is dropped before it was told another outcome, so no path forgets to count.
pub(crate) struct Watched<'m> {
    metrics: &'m PublishMetrics,
    routing_key: &'m str,
    outcome: Outcome,
    since: Instant,
}

impl<'m> Watched<'m> {
    pub(crate) fn new(metrics: &'m PublishMetrics, routing_key: &'m str) -> Self {
        Self { metrics, routing_key, outcome: Outcome::Abandoned, since: Instant::now() }
    }

    pub(crate) fn done(mut self, answer: &Answer) {
        self.outcome = answer.into();
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.metrics.published(self.routing_key, self.outcome, self.since.elapsed());
    }
}
