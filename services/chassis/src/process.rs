//! What a running service gets from the chassis: its name, metrics registry, settings and shutdown.

use std::sync::Arc;

use prometheus::Registry;

use crate::{Error, Health, Ops, Server, Settings, Shutdown, http, metrics, ops};

/// The process that a service runs in.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    settings: Settings,
    registry: Registry,
    shutdown: Shutdown,
}

impl Process {
    /// A process with this name. [`run`](crate::run()) makes it, and so can a test that starts an app.
    pub fn new(name: &'static str, settings: Settings, shutdown: Shutdown) -> Self {
        Self { name, registry: metrics::registry(name), settings, shutdown }
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The settings that every service has.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The registry for metrics; `/metrics` shows them.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A handle that learns when to stop.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Serves `/livez`, `/readyz` and `/metrics` on `OPS_ADDR`. Each `/readyz` calls `health`. Once the process
    /// should stop, the answer is `draining`, whatever `health` says.
    ///
    /// # Errors
    /// [`Error::AddressTaken`] and [`Error::Listen`]. They name `OPS_ADDR`.
    ///
    /// # Panics
    /// In a task, which has no `OPS_ADDR`.
    pub async fn serve_ops(&self, health: impl Fn() -> Health + Send + Sync + 'static) -> Result<Ops, Error> {
        let address = self.settings.ops_address.expect("a service has OPS_ADDR");
        let listener = http::listen("OPS_ADDR", address).await?;
        let (pages, reads) = ops::Pages::new(self.registry.clone(), self.shutdown.clone(), health);
        let pages = Arc::new(pages);
        let server = Server::start("ops", listener, ops::LIMITS, move |request| {
            let answer = pages.answer(&request);
            async move { answer }
        });
        Ok(Ops::new(server, reads, self.shutdown.clone()))
    }
}
