//! Serves the pages for the cluster: `/livez`, `/readyz`, `/metrics`.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use prometheus::{Encoder, Registry, TextEncoder};

use crate::{Health, Limits, Shutdown};

/// Enough for a probe and a few scrapers at a time; further clients wait.
pub(crate) const LIMITS: Limits = Limits { connections: 64, ..Limits::DEFAULT };

const TEXT: &str = "text/plain; charset=utf-8";

/// The sources of the pages.
pub(crate) struct Pages<H> {
    registry: Registry,
    shutdown: Shutdown,
    health: H,
}

impl<H: Fn() -> Health> Pages<H> {
    pub(crate) fn new(registry: Registry, shutdown: Shutdown, health: H) -> Self {
        Self { registry, shutdown, health }
    }

    /// The answer to a request. hyper leaves the body out for HEAD.
    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let page: fn(&Self) -> Response<Full<Bytes>> = match request.uri().path() {
            "/livez" => |_| page(StatusCode::OK, TEXT, "alive\n"),
            "/readyz" => Self::ready,
            "/metrics" => Self::metrics,
            _ => return page(StatusCode::NOT_FOUND, TEXT, "no such page: there are /livez, /readyz and /metrics\n"),
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refusal = page_of_refusal();
            refusal.headers_mut().insert(ALLOW, "GET, HEAD".parse().expect("it is a header value"));
            return refusal;
        }
        page(self)
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let health = match self.shutdown.is_requested() {
            true => Health::DRAINING,
            false => (self.health)(),
        };
        let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        page(status, "application/json", serde_json::to_vec(&health).expect("health is JSON"))
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let mut body = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut body) {
            Ok(()) => page(StatusCode::OK, prometheus::TEXT_FORMAT, body),
            Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("metrics: {error}\n")),
        }
    }
}

fn page_of_refusal() -> Response<Full<Bytes>> {
    page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD are answered here\n")
}

fn page(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let response =
        Response::builder().status(status).header(CONTENT_TYPE, content_type).header(CACHE_CONTROL, "no-store");
    response.body(Full::new(body.into())).expect("the parts are valid")
}
