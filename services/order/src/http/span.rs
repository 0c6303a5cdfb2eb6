//! The span of a request, a child of the caller's span.

use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header::HeaderName;
use hyper::http::request::Parts;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{KeyValue, global};
use tracing::field::Empty;
use tracing::{Span, debug, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::route::Route;

/// Begins the span of a request: `POST /orders` and the like, of kind server.
pub(super) fn of(request: &Parts, route: Route<'_>) -> Span {
    let span = info_span!("request", otel.kind = "server", otel.status_code = Empty, http.response.status_code = Empty);
    if span.is_disabled() {
        return span;
    }
    if request.headers.contains_key("traceparent") {
        let caller = global::get_text_map_propagator(|propagator| propagator.extract(&Headers(&request.headers)));
        if let Err(error) = span.set_parent(caller) {
            debug!(%error, "the caller's trace could not be taken up");
        }
    }
    describe(&span, request.method.as_str(), route);
    span
}

/// Gives a span its name and attributes, if it is recorded: each costs an allocation, and nobody reads those of other
/// spans.
fn describe(span: &Span, method: &str, route: Route<'_>) {
    let context = span.context();
    let span = context.span();
    if span.is_recording() {
        span.update_name(name(method, route));
        span.set_attributes([
            KeyValue::new("http.request.method", method.to_owned()),
            KeyValue::new("http.route", route.template()),
        ]);
    }
}

/// Notes the answer.
pub(super) fn answered(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The name of the span, from a bounded set.
fn name(method: &str, route: Route<'_>) -> &'static str {
    match (method, route) {
        ("POST", Route::Orders) => "POST /orders",
        ("POST", Route::Cancel(_)) => "POST /orders/{id}/cancel",
        ("GET" | "HEAD", Route::Document) => "GET /openapi.json",
        _ => "HTTP",
    }
}

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
