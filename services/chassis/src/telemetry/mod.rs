//! Logs and traces of a process, from its start to the last flush.

mod collector;

mod filter;

mod line;

mod log;
pub use log::{LogFormat, LogSettings};

mod otel;
pub use otel::{Export, TraceSettings};

mod panics;

mod tls;

mod tracer;

use std::time::Duration;

use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::warn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::Settings;
use log::Log;

/// How long sending the last spans may take, after the deadline of the shutdown and within the 5 s that a pod's grace
/// period leaves.
const FLUSH_TIME: Duration = Duration::from_secs(3);

/// The logs and traces of this process.
pub(crate) struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts them for the whole process. If something was started before, it stays.
    pub(crate) fn start(service: &'static str, settings: &Settings, runtime: &Handle) -> Self {
        let (provider, trouble) =
            settings.trace.enabled.then(|| tracer::provider(service, &settings.trace, runtime)).unzip();
        let traces = provider.as_ref().map(|provider| {
            let layer = tracing_opentelemetry::layer()
                .with_tracer(provider.tracer(service))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false);
            layer.with_filter(filter::of_spans())
        });
        let log = Log::to_stdout(service, settings.log.format).with_filter(filter::of_log(&settings.log.level));
        if tracing_subscriber::registry().with(traces).with(log).try_init().is_ok() {
            panics::log_them();
        }
        global::set_text_map_propagator(TraceContextPropagator::new());
        if let Some(reason) = trouble.flatten() {
            warn!(reason, "traces cannot be sent, and are not");
        }
        Self { provider }
    }

    /// Sends the last spans, within [`FLUSH_TIME`]. It blocks, and needs the runtime.
    pub(crate) fn flush(self) {
        let Some(provider) = self.provider else { return };
        if let Err(error) = provider.shutdown_with_timeout(FLUSH_TIME) {
            warn!(%error, "the last traces are lost");
        }
    }
}
