//! What a running service is given: its name, registry, settings and the wish to stop.

use std::sync::Arc;

use prometheus::Registry;

use crate::{Error, Health, Server, Settings, Shutdown, http, metrics, ops};

/// The process that a service runs in.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    settings: Settings,
    registry: Registry,
    shutdown: Shutdown,
}

impl Process {
    /// A process of this name; [`run`](crate::run()) makes it, and so can a test that starts an app.
    pub fn new(name: &'static str, settings: Settings, shutdown: Shutdown) -> Self {
        Self { name, registry: metrics::registry(name), settings, shutdown }
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What every service is told by the environment.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where metrics are registered; `/metrics` shows them.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A handle that hears when to stop.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Serves `/livez`, `/readyz` and `/metrics` on `OPS_ADDR`. `health` is asked at each `/readyz`; once the process should
    /// stop, the answer is `draining` whatever it says.
    ///
    /// # Errors
    /// [`Error::AddressTaken`] and [`Error::Listen`], naming `OPS_ADDR`.
    ///
    /// # Panics
    /// In a task, which has no `OPS_ADDR`.
    pub async fn serve_ops(&self, health: impl Fn() -> Health + Send + Sync + 'static) -> Result<Server, Error> {
        let address = self.settings.ops_address.expect("a service has OPS_ADDR");
        let listener = http::listen("OPS_ADDR", address).await?;
        let pages = Arc::new(ops::Pages::new(self.registry.clone(), self.shutdown.clone(), health));
        Ok(Server::start("ops", listener, ops::LIMITS, move |request| {
            let answer = pages.answer(&request);
            async move { answer }
        }))
    }
}
