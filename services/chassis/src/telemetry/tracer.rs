//! Carries spans to the collector: sampler, resource, batches, exporter.

use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tokio::runtime::Handle;

use super::TraceSettings;
use super::collector::Collector;
use super::otel::Export;

/// Makes the spans of this process, and sends them if an endpoint is set. If they cannot be sent, the second value
/// says why.
pub(super) fn provider(
    service: &'static str,
    settings: &TraceSettings,
    runtime: &Handle,
) -> (SdkTracerProvider, Option<String>) {
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
    let config = BatchConfigBuilder::default().with_max_queue_size(export.queue).build();
    Ok(BatchSpanProcessor::builder(exporter).with_batch_config(config).build())
}
