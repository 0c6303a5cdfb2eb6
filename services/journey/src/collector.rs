//! An OTLP/HTTP endpoint that decodes the spans it is sent.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1 as otlp,
};
use prost::Message;
use tokio::{net::TcpListener, task::JoinHandle};

/// A collector of traces. Dropping it stops it.
#[derive(Debug)]
pub struct Collector {
    port: u16,
    spans: Arc<Mutex<Vec<Span>>>,
    accepting: JoinHandle<()>,
}

/// A span as it arrived; ids in hexadecimal.
#[derive(Debug, Clone)]
pub struct Span {
    /// The `service.name` of the sender.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Its kind: `Server`, `Producer`, `Consumer`, `Client` or `Internal`.
    pub kind: String,
    /// Its trace.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The span above it, or nothing.
    pub parent_id: String,
    /// The spans it is linked to: trace and span.
    pub links: Vec<(String, String)>,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// Whether its status is an error.
    pub failed: bool,
}

impl Collector {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let spans = Arc::new(Mutex::new(Vec::new()));
        let accepting = tokio::spawn(accept(listener, spans.clone()));
        Self { port, spans, accepting }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("no holder panics").clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, spans: Arc<Mutex<Vec<Span>>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let spans = spans.clone();
        let service = service_fn(move |request| receive(request, spans.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn receive(
    request: Request<Incoming>,
    spans: Arc<Mutex<Vec<Span>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (status, sent) = match ExportTraceServiceRequest::decode(body) {
        Ok(sent) if path == "/v1/traces" => (200, sent),
        Ok(_) => (404, ExportTraceServiceRequest::default()),
        Err(_) => (400, ExportTraceServiceRequest::default()),
    };
    spans.lock().expect("no holder panics").extend(sent.resource_spans.into_iter().flat_map(Span::all));
    let answer = Response::builder().status(status).header("content-type", "application/x-protobuf");
    Ok(answer.body(Full::default()).expect("it is a valid answer"))
}

impl Span {
    fn all(sent: otlp::ResourceSpans) -> Vec<Self> {
        let mut resource = attributes(sent.resource.map(|resource| resource.attributes).unwrap_or_default());
        let service = resource.remove("service.name").unwrap_or_default();
        let spans = sent.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(|span| Self::new(&service, span)).collect()
    }

    fn new(service: &str, span: otlp::Span) -> Self {
        let error = otlp::status::StatusCode::Error;
        Self {
            service: service.to_owned(),
            kind: format!("{:?}", span.kind()),
            name: span.name,
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent_id: hex(&span.parent_span_id),
            links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
            attributes: attributes(span.attributes),
            failed: span.status.is_some_and(|status| status.code() == error),
        }
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
