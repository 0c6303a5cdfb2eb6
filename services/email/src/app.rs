//! The service: a consumer, its ops pages, and the mailer they share.

use std::{sync::Arc, time::Duration};

use chassis::{Exit, Health, Process, Server, Shutdown};
use messaging::{Consumer, State};

use crate::{Config, Confirmations, EmailMetrics, Mailer, Post, PostConfig, SUBSCRIPTION, Smtp, SmtpOptions};

/// A service that is bound to its ports, and not running yet.
pub struct App {
    consumer: Consumer<Confirmations>,
    ops: Server,
    mailer: Arc<Mailer>,
    shutdown_timeout: Duration,
}

impl App {
    /// Binds what the configuration names; neither broker nor SMTP server need be there.
    ///
    /// # Errors
    /// A port is taken.
    pub async fn build(config: Config, process: &Process) -> Result<Self, Exit> {
        let Config { endpoint, mut consumer, post, fallback_to } = config;
        if let Some(post) = &post {
            // Each mail that is being sent has a connection of its own. What waits for one must not be begun, or its time
            // would run out.
            consumer.concurrency = consumer.concurrency.min(post.smtp.connections);
            consumer.prefetch = consumer.prefetch.min(held(&post.smtp));
        }
        let post = post.map(|PostConfig { smtp, sender }| Post::new(Smtp::new(smtp), sender));
        let mailer = Arc::new(Mailer::new(post, EmailMetrics::register(process.registry())?));
        let handler = Confirmations { mailer: mailer.clone(), fallback_to };
        let consumer = Consumer::new(endpoint, SUBSCRIPTION, consumer, handler, process.registry())?;
        let state = consumer.state();
        let ops = process.serve_ops(move || health(&state.borrow())).await?;
        Ok(Self { consumer, ops, mailer, shutdown_timeout: process.settings().shutdown_timeout })
    }

    /// Sends mails until `shutdown` asks for the end and those under way have been sent.
    ///
    /// # Errors
    /// What was under way did not end in time.
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

/// How many events may be held. RabbitMQ takes back what it gave out half an hour ago: with a server that needs ten minutes for each, or
/// at a low rate, none is to wait that long here.
fn held(smtp: &SmtpOptions) -> u16 {
    let soon = Duration::from_secs(600).as_millis() / smtp.apart.as_millis().max(1);
    let twice = 2 * smtp.connections as u128;
    u16::try_from(soon.min(twice).max(1)).unwrap_or(u16::MAX)
}

fn health(state: &State) -> Health {
    let reason = state.reason().map(str::to_owned);
    Health { ready: matches!(state, State::Consuming), state: state.name(), reason }
}
