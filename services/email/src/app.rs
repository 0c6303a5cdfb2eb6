//! The service: a consumer, its ops pages, and the mailer that both use.

use std::{sync::Arc, time::Duration};

use chassis::{Exit, Health, Ops, Process, Shutdown};
use messaging::{Consumer, State};

use crate::{Config, Confirmations, EmailMetrics, Mailer, Post, PostConfig, Smtp, SmtpOptions, subscription};

/// A service that is bound to its ports and ready to run.
pub struct App {
    consumer: Consumer<Confirmations>,
    ops: Ops,
    mailer: Arc<Mailer>,
    shutdown_timeout: Duration,
}

impl App {
    /// Binds the addresses of the configuration. Neither the broker nor the SMTP server need be there.
    ///
    /// # Errors
    /// A port is taken.
    pub async fn build(config: Config, process: &Process) -> Result<Self, Exit> {
        let Config { endpoint, mut consumer, post, fallback_to } = config;
        if let Some(post) = &post {
            // Each mail that is being sent has a connection of its own. A mail that waits for a connection must not
            // be begun, or its time would run out.
            consumer.concurrency = consumer.concurrency.min(post.smtp.connections);
            consumer.prefetch = consumer.prefetch.min(held(&post.smtp));
        }
        let post = post.map(|PostConfig { smtp, sender }| Post::new(Smtp::new(smtp), sender));
        let mailer = Arc::new(Mailer::new(post, EmailMetrics::register(process.registry())?));
        let handler = Confirmations { mailer: mailer.clone(), fallback_to };
        let consumer = Consumer::new(endpoint, subscription(), consumer, handler, process.registry())?;
        let state = consumer.state();
        let ops = process.serve_ops(move || health(&state.borrow())).await?;
        Ok(Self { consumer, ops, mailer, shutdown_timeout: process.settings().shutdown_timeout })
    }

    /// Sends mails until `shutdown` is requested and the mails under way are sent.
    ///
    /// # Errors
    /// Mails were still under way at the deadline.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Exit> {
        let mailer = self.mailer.clone();
        let stop = async {
            shutdown.requested().await;
            mailer.stop();
        };
        let outcome = tokio::select! {
            outcome = self.consumer.run(stop, self.shutdown_timeout) => outcome,
            never = self.mailer.tidy() => match never {},
        };
        let deadline = shutdown.requested().await;
        deadline.step("smtp sessions", self.mailer.close()).await;
        deadline.step("ops", self.ops.drain()).await;
        Ok(outcome?)
    }
}

/// The most events that may be held. RabbitMQ takes back an event that it delivered half an hour ago. No event is to
/// wait that long here, even if the server needs ten minutes for each mail, or at a low rate.
fn held(smtp: &SmtpOptions) -> u16 {
    let soon = Duration::from_secs(600).as_millis() / smtp.apart.as_millis().max(1);
    let twice = 2 * smtp.connections as u128;
    u16::try_from(soon.min(twice).max(1)).unwrap_or(u16::MAX)
}

fn health(state: &State) -> Health {
    let reason = state.reason().map(str::to_owned);
    Health { ready: matches!(state, State::Consuming), state: state.name(), reason }
}
