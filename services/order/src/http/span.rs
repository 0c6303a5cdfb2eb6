//! The span of a request, a child of the caller's.

use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header::HeaderName;
use hyper::http::request::Parts;
use opentelemetry::global;
use opentelemetry::propagation::Extractor;
use tracing::field::Empty;
use tracing::{Span, debug, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::route::Route;

/// Begins the span of a request: `POST /orders` and the like, of kind server.
pub(super) fn of(request: &Parts, route: Route<'_>) -> Span {
    let method = request.method.as_str();
    let span = info_span!(
        "request",
        otel.name = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route.template(),
        http.response.status_code = Empty,
    );
    if span.is_disabled() {
        return span;
    }
    span.record("otel.name", name(method, route));
    if request.headers.contains_key("traceparent") {
        let caller = global::get_text_map_propagator(|propagator| propagator.extract(&Headers(&request.headers)));
        if let Err(error) = span.set_parent(caller) {
            debug!(%error, "the caller's trace could not be taken up");
        }
    }
    span
}

/// Notes what was answered.
pub(super) fn answered(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// Bounded, as the names of spans have to be.
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
