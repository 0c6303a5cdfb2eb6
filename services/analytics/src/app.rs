//! The service: a consumer, its ops pages, and the totals in the log.

use std::time::Duration;

use chassis::{Exit, Health, Ops, Process, Shutdown};
use messaging::{Consumer, State};

use crate::report::Report;
use crate::{AnalyticsMetrics, Config, Totals, subscription};

/// A service that is bound to its port and ready to run.
pub struct App {
    consumer: Consumer<Totals>,
    ops: Ops,
    report: Report,
    drain_within: Duration,
}

impl App {
    /// Binds the ops port. The broker need not be there.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn build(config: Config, process: &Process) -> Result<Self, Exit> {
        let metrics = AnalyticsMetrics::register(process.registry())?;
        let report = Report::new(metrics.clone());
        let totals = Totals::new(metrics);
        let consumer = Consumer::new(config.endpoint, subscription(), config.consumer, totals, process.registry())?;
        let state = consumer.state();
        let ops = process.serve_ops(move || health(&state.borrow())).await?;
        Ok(Self { consumer, ops, report, drain_within: process.settings().shutdown_timeout })
    }

    /// Consumes until `shutdown` is requested and the events under way have ended.
    ///
    /// # Errors
    /// Events were still under way at the deadline.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), Exit> {
        let stop = async {
            shutdown.requested().await;
        };
        let drained = tokio::select! {
            drained = self.consumer.run(stop, self.drain_within) => drained,
            never = self.report.now_and_then() => match never {},
        };
        self.report.log_news();
        // Last, so that probes see `draining` until the end.
        shutdown.requested().await.step("ops", self.ops.drain()).await;
        Ok(drained?)
    }
}

fn health(state: &State) -> Health {
    let reason = state.reason().map(str::to_owned);
    Health { ready: *state == State::Consuming, state: state.name(), reason }
}
