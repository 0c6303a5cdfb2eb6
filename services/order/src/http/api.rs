//! Answers requests.

use std::fmt::Display;
use std::pin::pin;

use bytes::Bytes;
use chassis::Health;
use contract::{Cancellation, NewOrder, OrderEvent, OrderId};
use events::{CloudEvent, Fault};
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};
use jiff::Timestamp;
use messaging::Publisher;
use tracing::{Instrument, debug};

use super::accepted::Accepted;
use super::body_budget::BodyBudget;
use super::kind::Kind;
use super::metrics::HttpMetrics;
use super::problem::Problem;
use super::route::Route;
use super::upload::Upload;
use super::{document, idempotency, media, span};

/// An answer, as hyper sends it.
type Answer = Response<Full<Bytes>>;

/// The HTTP interface of the order service.
pub(crate) struct Api {
    publisher: Publisher<OrderEvent>,
    metrics: HttpMetrics,
    body_budget: BodyBudget,
    health: Box<dyn Fn() -> Health + Send + Sync>,
}

impl Api {
    /// An interface that publishes the orders it accepts, and waits for the broker's confirm. `health` says whether it
    /// takes orders.
    pub(crate) fn new(
        publisher: Publisher<OrderEvent>,
        metrics: HttpMetrics,
        health: impl Fn() -> Health + Send + Sync + 'static,
    ) -> Self {
        Self { publisher, metrics, body_budget: BodyBudget::new(), health: Box::new(health) }
    }

    /// Answers one request.
    ///
    /// If dropped, nobody knows what became of the order: it may have been handed to the broker.
    pub(crate) async fn answer<B: Body<Data = Bytes, Error: Display>>(&self, request: Request<B>) -> Answer {
        let (request, body) = request.into_parts();
        let route = Route::of(request.uri.path());
        let timer = self.metrics.request(&request.method, route);
        let span = span::of(&request, route);
        let mut body = pin!(body);
        let mut upload = Upload::new(&request.headers, body.as_mut(), &self.body_budget);
        let answer = async {
            let outcome = self.respond(&request, route, &mut upload).await;
            let mut answer = outcome.unwrap_or_else(|problem| refuse(&problem, route));
            if !upload.discard().await {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        };
        let answer = answer.instrument(span.clone()).await;
        span::answered(&span, answer.status());
        timer.answered(answer.status());
        answer
    }

    async fn respond<B: Body<Data = Bytes, Error: Display>>(
        &self,
        request: &Parts,
        route: Route<'_>,
        upload: &mut Upload<'_, B>,
    ) -> Result<Answer, Problem> {
        expect_one_host(request)?;
        match (route, &request.method) {
            (Route::Unknown, _) => Err(Problem::new(Kind::UnknownPath, "GET /openapi.json describes what there is")),
            (_, &Method::OPTIONS) => Ok(options(route)),
            (Route::Orders, &Method::POST) => self.place(&request.headers, upload).await,
            (Route::Cancel(id), &Method::POST) => self.cancel(id, &request.headers, upload).await,
            (Route::Root, &(Method::GET | Method::HEAD)) => self.state(),
            (Route::Document, &(Method::GET | Method::HEAD)) => Ok(document::answer()),
            (_, _) => Err(Problem::new(Kind::MethodNotAllowed, format!("expected one of {}", route.allow()))),
        }
    }

    fn state(&self) -> Result<Answer, Problem> {
        let health = (self.health)();
        if !health.ready {
            let reason = health.reason.map_or_else(String::new, |reason| format!(": {reason}"));
            return Err(Problem::new(Kind::NotReady, format!("{}{reason}", health.state)));
        }
        let mut answer = Response::new(Full::from(serde_json::to_vec(&health).expect("health is JSON")));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }

    async fn place<B: Body<Data = Bytes, Error: Display>>(
        &self,
        headers: &HeaderMap,
        upload: &mut Upload<'_, B>,
    ) -> Result<Answer, Problem> {
        let key = idempotency::key(headers)?;
        media::expect_json(headers)?;
        let order = NewOrder::parse(&upload.read().await?)?;
        let total = order.total();
        let event = order.place(key.as_ref(), Timestamp::now());
        let OrderEvent::Placed(placed) = &event.data else {
            unreachable!("placing an order is the event that it was placed")
        };
        let id = placed.id();
        self.publish(id, event).await?;
        Ok(Accepted::order(id, total).answer())
    }

    async fn cancel<B: Body<Data = Bytes, Error: Display>>(
        &self,
        id: &str,
        headers: &HeaderMap,
        upload: &mut Upload<'_, B>,
    ) -> Result<Answer, Problem> {
        let id: OrderId = id.parse().map_err(|fault: Fault| {
            Problem::new(Kind::MalformedOrderId, format!("{}, not percent-encoded", fault.detail))
        })?;
        // Without a body, no type can be wrong.
        if !upload.is_at_end() {
            media::expect_json(headers)?;
        }
        let cancellation = Cancellation::parse(id, &upload.read().await?)?;
        self.publish(id, cancellation.event(Timestamp::now())).await?;
        Ok(Accepted::cancellation(id).answer())
    }

    async fn publish(&self, order_id: OrderId, event: CloudEvent<OrderEvent>) -> Result<(), Problem> {
        self.publisher.publish(event).await.map_err(|error| {
            debug!(%order_id, %error, "not accepted");
            Problem::from(error.reason)
        })
    }
}

/// HTTP/1.1 demands exactly one `Host` (RFC 9112, section 3.2). With several, a proxy might act on another one.
fn expect_one_host(request: &Parts) -> Result<(), Problem> {
    let hosts = request.headers.get_all(HOST).iter().count();
    if hosts == 1 || (hosts == 0 && request.version < Version::HTTP_11) {
        return Ok(());
    }
    Err(Problem::new(Kind::MalformedRequest, "expected one Host header"))
}

fn options(route: Route<'_>) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(route.allow()));
    answer
}

fn refuse(problem: &Problem, route: Route<'_>) -> Answer {
    let mut answer = problem.answer();
    if problem.kind == Kind::MethodNotAllowed {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(route.allow()));
    }
    answer
}

#[cfg(test)]
mod tests;
