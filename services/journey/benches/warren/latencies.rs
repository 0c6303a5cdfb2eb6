//! How long things took in one round, and what is printed of all rounds.

use std::time::Duration;

use crate::rounds::Figures;

/// The median, and what one of a hundred and one of a thousand exceeded; in milliseconds, a figure a round.
#[derive(Default)]
pub(crate) struct Latencies {
    p50: Figures,
    p99: Figures,
    p999: Figures,
}

impl Latencies {
    /// What the columns are called.
    pub(crate) const HEAD: [&str; 3] = ["p50", "p99", "p99.9"];

    /// Notes a round.
    ///
    /// # Panics
    /// If nothing was timed in it.
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
