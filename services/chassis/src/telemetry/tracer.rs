//! From spans to the collector: sampler, resource, batches, exporter.

use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
use tokio::runtime::Handle;

use super::TraceSettings;
use super::collector::Collector;
use super::otel::Export;
use crate::Error;

/// Makes the spans of this process; sends them where an endpoint is set.
pub(super) fn provider(
    service: &'static str,
    settings: &TraceSettings,
    runtime: &Handle,
) -> Result<SdkTracerProvider, Error> {
    let name = settings.service_name.clone().unwrap_or_else(|| service.to_owned());
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version).with_service_name(name).build();
    let builder = SdkTracerProvider::builder().with_sampler(settings.sampler.clone()).with_resource(resource);
    let Some(export) = &settings.export else { return Ok(builder.build()) };
    Ok(builder.with_span_processor(BatchSpanProcessor::builder(exporter(export, runtime)?).build()).build())
}

fn exporter(export: &Export, runtime: &Handle) -> Result<SpanExporter, Error> {
    let builder = SpanExporter::builder().with_http().with_http_client(Collector::new(export, runtime)?);
    let builder = builder.with_endpoint(export.endpoint.to_string()).with_timeout(export.timeout);
    builder.with_protocol(Protocol::HttpBinary).build().map_err(|error| Error::Telemetry(error.to_string()))
}
