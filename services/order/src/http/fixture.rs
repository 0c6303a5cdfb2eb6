//! For tests: an interface whose broker is away, requests to it, and what its answers say.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use chassis::{Env, Health};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::http::request::Builder;
use hyper::{Request, Response, StatusCode};
use messaging::{Client, Endpoint};
use prometheus::Registry;
use serde_json::Value;

use super::document::agrees;
use super::kind::Kind;
use super::{Api, HttpMetrics};

/// What `POST /orders` takes.
pub(super) const ORDER: &str = r#"{"customer":{"name":"Ada","email":"ada@example.com"},
    "items":[{"sku":"TEA-1","name":"Tea","quantity":2,"unit_price":450}]}"#;

/// How long an order waits for the broker in tests.
const SHORTLY: Duration = Duration::from_millis(20);

/// An interface whose publisher finds nobody to connect to.
pub(super) fn api(registry: &Registry) -> Api {
    let endpoint = Endpoint::from_env(&mut Env::from_map([("AMQP_URL", "amqp://127.0.0.1:1")])).named("test");
    let client = Client::new(endpoint, registry).unwrap();
    let publisher = client.publisher("test").timeout(SHORTLY).start().unwrap();
    Api::new(publisher, HttpMetrics::register(registry).unwrap(), || Health {
        ready: true,
        state: "connected",
        reason: None,
    })
}

/// A request that is well-formed up to its body.
pub(super) fn request(method: &str, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header("host", "orders")
}

/// A `POST` of JSON.
pub(super) fn post(path: &str) -> Builder {
    request("POST", path).header("content-type", "application/json")
}

/// An answer, taken apart.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) head: Response<()>,
    pub(super) body: Value,
}

impl Answered {
    /// A header's text, empty if it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.head.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Whether it is this problem and says so everywhere.
    pub(super) fn is(&self, kind: Kind) -> bool {
        self.status == kind.status() && self.body["type"] == kind.uri()
    }
}

/// Sends a request whose body is at hand.
pub(super) async fn send(api: &Api, request: Builder, body: impl Into<Bytes>) -> Answered {
    send_body(api, request.body(Full::new(body.into())).unwrap()).await
}

/// Sends a request; the answer has to agree with the document.
pub(super) async fn send_body<B>(api: &Api, request: Request<B>) -> Answered
where
    B: Body<Data = Bytes, Error: std::fmt::Display>,
{
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (head, body) = api.answer(request).await.into_parts();
    let bytes: Result<_, Infallible> = body.collect().await;
    let bytes = bytes.unwrap().to_bytes();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    let head = Response::from_parts(head, ());
    agrees(&method, &path, &head, &body);
    Answered { status: head.status(), head, body }
}
