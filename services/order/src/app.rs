//! The service: a publisher, the HTTP interface before it, the ops pages, and the order in which they stop.

use std::sync::Arc;
use std::time::Duration;

use chassis::{Exit, Health, Limits, Process, Server, Shutdown, descriptors, listen};
use contract::OrderEvent;
use messaging::Publisher;
use tokio::time::sleep;
use tracing::warn;

use crate::Config;
use crate::http::{Api, HttpMetrics};
use crate::readiness::Readiness;

/// Where orders are published.
const EXCHANGE: &str = "order-exchange";

/// Clients beyond those whose orders wait for their confirm (`PUBLISH_MAX_PENDING`): they idle, send, or are told that
/// theirs was one too many.
const OTHER_CLIENTS: usize = 256;

/// Files and sockets that are no client's: the broker's, the ops pages', the runtime's.
const OTHER_DESCRIPTORS: usize = 128;

/// A client costs about 17 KiB of memory while it idles, and as much again as its headers may have.
const HEADER_BYTES: usize = 8 * 1024;

/// A service that is bound to its ports and connects to its broker.
pub struct App {
    publisher: Publisher,
    http: Server,
    ops: Server,
    drain_delay: Duration,
}

impl App {
    /// Binds what the configuration names and begins to connect; the broker need not be there.
    ///
    /// # Errors
    /// A port is taken.
    pub async fn build(config: Config, process: &Process) -> Result<Self, Exit> {
        let metrics = HttpMetrics::register(process.registry())?;
        let listener = listen("HTTP_ADDR", config.http_address).await?;
        let readiness = Arc::new(Readiness::new(config.readiness_grace));
        let asked = readiness.clone();
        let ops = process.serve_ops(move || asked.health()).await?;
        let (asked, shutdown) = (readiness.clone(), process.shutdown());
        let health = move || if shutdown.is_requested() { Health::DRAINING } else { asked.health() };

        let publish_timeout = config.publisher.timeout;
        let limits = limits(config.publisher.max_pending);
        let publisher =
            Publisher::start::<OrderEvent>(config.endpoint, EXCHANGE, config.publisher, process.registry())?;
        let states = publisher.state();
        tokio::spawn(async move { readiness.follow(states).await });

        let api = Arc::new(Api::new(publisher.clone(), publish_timeout, metrics, health));
        let http = Server::start("orders", listener, limits, move |request| {
            let api = api.clone();
            async move { api.answer(request).await }
        });
        Ok(Self { publisher, http, ops, drain_delay: config.drain_delay })
    }

    /// Takes orders until `shutdown` asks for the end, and answers what it took.
    ///
    /// # Errors
    /// Some answers were cut by `SHUTDOWN_TIMEOUT`.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Exit> {
        // From here on `/readyz` says `draining`.
        let deadline = shutdown.requested().await;
        self.http.close_after_answers();
        // Whoever routes to us needs time to see that: until then a closed port would refuse clients.
        deadline.step("drain delay", sleep(self.drain_delay)).await;
        let answered = deadline.step("http answers", self.http.drain()).await;
        // Only then, because each answer waits for its confirm.
        deadline.step("publisher", self.publisher.close(deadline.instant())).await;
        deadline.step("ops", self.ops.drain()).await;
        answered.ok_or_else(|| Exit::Failed("some answers were cut by SHUTDOWN_TIMEOUT".to_owned()))
    }
}

/// As many clients as can be of use, and no more than the system lets in.
fn limits(max_pending: usize) -> Limits {
    let wanted = max_pending + OTHER_CLIENTS;
    let connections = wanted.min(descriptors().saturating_sub(OTHER_DESCRIPTORS).max(1));
    if connections < wanted {
        warn!(connections, wanted, "the limit of open files (ulimit -n) allows fewer connections");
    }
    Limits { connections, header_bytes: HEADER_BYTES, ..Limits::DEFAULT }
}
