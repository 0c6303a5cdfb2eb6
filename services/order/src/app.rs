//! The service: a publisher, the HTTP interface before it, the ops pages, and the order in which they stop.

use std::sync::Arc;
use std::time::Duration;

use chassis::{Exit, Limits, Process, Server, Shutdown, listen};
use contract::OrderEvent;
use messaging::Publisher;
use tokio::time::sleep;

use crate::Config;
use crate::http::{Api, HttpMetrics};
use crate::readiness::Readiness;

/// Where orders are published.
const EXCHANGE: &str = "order-exchange";

/// More connections than orders may wait by default (`PUBLISH_MAX_PENDING`): one too many is told so.
const LIMITS: Limits = Limits { connections: 5 * 1024, ..Limits::DEFAULT };

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

        let publish_timeout = config.publisher.timeout;
        let publisher =
            Publisher::start::<OrderEvent>(config.endpoint, EXCHANGE, config.publisher, process.registry())?;
        let states = publisher.state();
        tokio::spawn(async move { readiness.follow(states).await });

        let api = Arc::new(Api::new(publisher.clone(), publish_timeout, metrics));
        let http = Server::start("orders", listener, LIMITS, move |request| {
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
