//! Serves the pages for the cluster: `/livez`, `/readyz`, `/metrics`.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use messaging::State;
use prometheus::{Encoder, Registry, TextEncoder};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::{Limits, Server, Shutdown};

/// Enough for a probe and a few scrapers at a time; further clients wait.
pub(crate) const LIMITS: Limits = Limits { connections: 64, ..Limits::DEFAULT };

const TEXT: &str = "text/plain; charset=utf-8";

/// The part of a shutdown's time that waiting for a reader of the metrics leaves over.
const RESERVE: Duration = Duration::from_secs(1);

/// What `/readyz` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether work should be sent to the process: 200 or 503.
    pub ready: bool,
    /// What the process does: `connecting`, `consuming`, `paused`, `draining`, ….
    pub state: &'static str,
    /// The reason for the state, if there is one.
    pub reason: Option<String>,
}

impl Health {
    /// The answer of a process that has been asked to stop, whatever the service says.
    pub const DRAINING: Self = Self { ready: false, state: "draining", reason: None };

    /// The answer of a publisher or consumer in this state.
    pub fn of(state: &State, ready: bool) -> Self {
        Self { ready, state: state.name(), reason: state.reason().map(str::to_owned) }
    }
}

/// The server of the pages, and when somebody last read the metrics.
#[derive(Debug)]
pub struct Ops {
    server: Server,
    reads: watch::Receiver<Option<Read>>,
    shutdown: Shutdown,
}

/// A reading of the metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    at: Instant,
    /// The time since the reading before.
    interval: Option<Duration>,
}

impl Ops {
    pub(crate) fn new(server: Server, reads: watch::Receiver<Option<Read>>, shutdown: Shutdown) -> Self {
        Self { server, reads, shutdown }
    }

    /// The address on which it listens, with the port that it got if port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Waits for the next reading of the metrics, if they were read at least twice, and stops. Without that reading, the
    /// last counts would be lost with the process. A reader that is late by half of its interval counts as gone, and the
    /// shutdown keeps its deadline.
    pub async fn drain(mut self) {
        let read = *self.reads.borrow_and_update();
        if let Some(Read { at, interval: Some(interval) }) = read
            && self.shutdown.is_requested()
        {
            let deadline = self.shutdown.requested().await.instant();
            let late = (at + interval + interval / 2).min(deadline - RESERVE);
            // Without a reading in time there is nothing more to do.
            let _ = timeout_at(late, self.reads.changed()).await;
        }
        self.server.drain().await;
    }
}

/// The sources of the pages.
pub(crate) struct Pages<H> {
    registry: Registry,
    shutdown: Shutdown,
    health: H,
    reads: watch::Sender<Option<Read>>,
}

impl<H: Fn() -> Health> Pages<H> {
    pub(crate) fn new(registry: Registry, shutdown: Shutdown, health: H) -> (Self, watch::Receiver<Option<Read>>) {
        let (reads, heard) = watch::channel(None);
        (Self { registry, shutdown, health, reads }, heard)
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
        let at = Instant::now();
        self.reads.send_modify(|read| *read = Some(Read { at, interval: read.map(|before| at - before.at) }));
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

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::net::TcpListener;
    use tokio::time::sleep;

    use super::*;

    /// How long a stop takes whose metrics were read like that, and are read again after so long.
    async fn drained(readings: &[Duration], again: Option<Duration>) -> Duration {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::start("ops", listener, LIMITS, |_| ready(page(StatusCode::OK, TEXT, "")));
        let (stop, shutdown) = Shutdown::new(Duration::from_secs(25));
        let (pages, reads) = Pages::new(Registry::new(), shutdown.clone(), || Health::DRAINING);
        let ops = Ops::new(server, reads, shutdown);
        for after in readings {
            sleep(*after).await;
            pages.metrics();
        }
        stop.now();
        let began = Instant::now();
        let reader = async {
            match again {
                Some(after) => sleep(after).await,
                None => std::future::pending().await,
            }
            pages.metrics();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = ops.drain() => {}
            () = reader => {}
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_the_next_reading_of_metrics_that_are_read_regularly() {
        let seconds = Duration::from_secs;
        let near = |took: Duration, expected: Duration| took.abs_diff(expected) < Duration::from_millis(100);
        let every_five = [seconds(0), seconds(5), seconds(5)];
        for (readings, again, expected) in [
            (&every_five[..], Some(seconds(3)), seconds(3)),
            (&every_five[..], None, Duration::from_millis(7500)),
            (&[seconds(0), seconds(30)][..], None, seconds(24)),
            (&[seconds(0)][..], None, seconds(0)),
            (&[][..], None, seconds(0)),
        ] {
            let took = drained(readings, again).await;
            assert!(near(took, expected), "{readings:?}, {again:?}: {took:?}");
        }
    }
}
