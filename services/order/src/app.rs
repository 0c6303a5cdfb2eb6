//! The service: a publisher, the HTTP interface, the ops pages, and the sequence in which they stop.

use std::sync::Arc;
use std::time::Duration;

use chassis::{Exit, Health, Limits, Ops, Process, Server, Shutdown, descriptors, listen};
use contract::OrderEvent;
use messaging::{Client, Publisher};
use tokio::time::sleep;
use tracing::warn;

use crate::Config;
use crate::http::{Api, HttpMetrics};
use crate::readiness::Readiness;

/// The exchange for orders.
const EXCHANGE: &str = "order-exchange";

/// The clients beyond those whose orders wait for their confirm (`PUBLISH_MAX_PENDING`). They are idle, send, or
/// learn that theirs was one order too many.
const OTHER_CLIENTS: usize = 256;

/// The files and sockets that do not belong to clients: the broker's, the ops pages', the runtime's.
const OTHER_DESCRIPTORS: usize = 128;

/// The most bytes of a request's headers. An idle client costs about 17 KiB of memory, and its headers cost as much
/// again as they may have.
const HEADER_BYTES: usize = 8 * 1024;

/// A service that is bound to its ports and connects to its broker.
pub struct App {
    publisher: Publisher<OrderEvent>,
    http: Server,
    ops: Ops,
    drain_delay: Duration,
}

impl App {
    /// Binds the addresses of the configuration and begins to connect. The broker need not be there.
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

        let endpoint = config.endpoint.named(process.name());
        let limits = limits(config.publisher.max_pending);
        let client = Client::new(endpoint, process.registry())?;
        let publisher = client.publisher::<OrderEvent>(EXCHANGE).options(config.publisher).start()?;
        let states = publisher.state();
        tokio::spawn(async move { readiness.follow(states).await });

        let api = Arc::new(Api::new(publisher.clone(), metrics, health));
        let http = Server::start("orders", listener, limits, move |request| {
            let api = api.clone();
            async move { api.answer(request).await }
        });
        Ok(Self { publisher, http, ops, drain_delay: config.drain_delay })
    }

    /// Takes orders until `shutdown` is requested, and answers every order that it took.
    ///
    /// # Errors
    /// `SHUTDOWN_TIMEOUT` cut some answers.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Exit> {
        // From now on `/readyz` says `draining`.
        let deadline = shutdown.requested().await;
        self.http.close_after_answers();
        // Load balancers need time to see that; until then, a closed port would refuse clients.
        deadline.step("drain delay", sleep(self.drain_delay)).await;
        let answered = deadline.step("http answers", self.http.drain()).await;
        // The publisher closes after the server, because each answer waits for its confirm.
        deadline.step("publisher", self.publisher.close(deadline.instant())).await;
        deadline.step("ops", self.ops.drain()).await;
        answered.ok_or_else(|| Exit::Failed("some answers were cut by SHUTDOWN_TIMEOUT".to_owned()))
    }
}

/// The limit of clients: as many as are of use, and no more than the system allows.
fn limits(max_pending: usize) -> Limits {
    let wanted = max_pending + OTHER_CLIENTS;
    let connections = wanted.min(descriptors().saturating_sub(OTHER_DESCRIPTORS).max(1));
    if connections < wanted {
        warn!(connections, wanted, "the limit of open files (ulimit -n) allows fewer connections");
    }
    Limits { connections, header_bytes: HEADER_BYTES, ..Limits::DEFAULT }
}
