//! Logs and traces of a process, from its start to the last flush.

mod collector;

mod filter;

mod line;

mod log;
pub use log::{LogFormat, LogSettings};

mod otel;
pub use otel::{Batches, Export, TraceSettings};

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::warn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use collector::Collector;
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
    pub(crate) fn start(service: &'static str, log: &LogSettings, trace: &TraceSettings, runtime: &Handle) -> Self {
        let (provider, trouble) = trace.enabled.then(|| provider(service, trace, runtime)).unzip();
        let traces = provider.as_ref().map(|provider| {
            let layer = tracing_opentelemetry::layer()
                .with_tracer(provider.tracer(service))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false);
            layer.with_filter(filter::of_spans())
        });
        let log = Log::to_stdout(service, log.format).with_filter(filter::of_log(&log.level));
        if tracing_subscriber::registry().with(traces).with(log).try_init().is_ok() {
            log::log_panics();
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

/// Makes the spans of this process, and sends them if an endpoint is set. If they cannot be sent, the second value
/// says why.
fn provider(service: &'static str, settings: &TraceSettings, runtime: &Handle) -> (SdkTracerProvider, Option<String>) {
    let name = settings.service_name.clone().unwrap_or_else(|| service.to_owned());
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version).with_service_name(name).build();
    let builder = SdkTracerProvider::builder().with_sampler(settings.sampler.clone()).with_resource(resource);
    match settings.export.as_ref().map(|export| batches(export, runtime)) {
        None => (builder.build(), None),
        Some(Ok(batches)) => (builder.with_span_processor(batches).build(), None),
        Some(Err(reason)) => (builder.build(), Some(reason)),
    }
}

fn batches(export: &Export, runtime: &Handle) -> Result<BatchSpanProcessor, String> {
    let builder = SpanExporter::builder().with_http().with_http_client(Collector::new(export, runtime)?);
    let builder = builder.with_endpoint(export.endpoint.to_string()).with_timeout(export.timeout);
    let exporter = builder.with_protocol(Protocol::HttpBinary).build().map_err(|error| error.to_string())?;
    let Batches { queue, size, delay } = export.batches;
    let config = BatchConfigBuilder::default().with_max_queue_size(queue).with_max_export_batch_size(size);
    let config = config.with_scheduled_delay(delay).build();
    Ok(BatchSpanProcessor::builder(exporter).with_batch_config(config).build())
}
