//! How long requests took: the quantiles of each round.

use std::time::Duration;

use crate::rounds::Figures;

/// The quantiles 0.5, 0.99 and 0.999 in milliseconds, one figure for each round.
#[derive(Default)]
pub(crate) struct Latencies {
    p50: Figures,
    p99: Figures,
    p999: Figures,
}

impl Latencies {
    /// The heads of the columns.
    pub(crate) const HEAD: [&str; 3] = ["p50", "p99", "p99.9"];

    /// Notes a round.
    ///
    /// # Panics
    /// If the round has no times.
    pub(crate) fn note(&mut self, mut round: Vec<Duration>) {
        round.sort_unstable();
        let quantile = |share: f64| round[((round.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1000.0;
        self.p50.push(quantile(0.5));
        self.p99.push(quantile(0.99));
        self.p999.push(quantile(0.999));
    }

    /// A cell for each column.
    pub(crate) fn show(&self) -> [String; 3] {
        [&self.p50, &self.p99, &self.p999].map(|figures| figures.show(" ms"))
    }
}
