//! Runs the analytics service: it counts events, and writes the totals to the log.

use std::process::ExitCode;

use analytics::{AnalyticsMetrics, Report, Totals, subscription};
use chassis::{ConsumerService, ConsumerSettings};

fn main() -> ExitCode {
    chassis::run("analytics", ConsumerSettings::from_env, async |settings, process| {
        let metrics = AnalyticsMetrics::register(process.registry())?;
        let mut report = Report::new(metrics.clone());
        let service = ConsumerService::start(process, settings, subscription(), Totals::new(metrics)).await?;
        let drained = service.run_beside(report.now_and_then()).await;
        report.log_news();
        drained.close().await
    })
}
