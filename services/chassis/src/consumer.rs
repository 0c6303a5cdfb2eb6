//! The life of a service that consumes a queue: it binds its port, consumes, drains, and shows its health all along.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use messaging::{Client, Consumer, ConsumerBuilder, ConsumerOptions, Endpoint, Handler, State, Subscription};

use crate::{Deadline, Env, Exit, Health, Ops, Process, Shutdown};

/// The settings of a service that consumes a queue.
#[derive(Clone, Debug)]
pub struct ConsumerSettings {
    /// The broker.
    pub endpoint: Endpoint,
    /// How the consumer works.
    pub options: ConsumerOptions,
}

impl ConsumerSettings {
    /// Reads the settings, and notes every fault in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        Self { endpoint: Endpoint::from_env(env), options: ConsumerOptions::from_env(env) }
    }
}

/// A service that consumes one queue. It is bound to its ops port, and ready to run.
///
/// A whole service, with its handler:
///
#[doc = concat!("```no_run\n", include_str!("../examples/audit.rs"), "```")]
pub struct ConsumerService<H: Handler> {
    consumer: Consumer<H>,
    ops: Ops,
    shutdown: Shutdown,
    drain_within: Duration,
}

impl<H: Handler> ConsumerService<H> {
    /// Binds `OPS_ADDR`. The broker need not be there.
    ///
    /// # Errors
    /// The port is taken, or the process already has a consumer.
    pub async fn start(
        process: &Process,
        settings: ConsumerSettings,
        subscription: Subscription,
        handler: H,
    ) -> Result<Self, Exit> {
        Self::start_with(process, settings, subscription, handler, |consumer| consumer).await
    }

    /// The same, for a consumer that needs more than its settings, such as a
    /// [`dedupe_store`](ConsumerBuilder::dedupe_store) that several processes share: `describe` adds it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(
        process: &Process,
        settings: ConsumerSettings,
        subscription: Subscription,
        handler: H,
        describe: impl FnOnce(ConsumerBuilder<H>) -> ConsumerBuilder<H>,
    ) -> Result<Self, Exit> {
        let ConsumerSettings { endpoint, options } = settings;
        let endpoint = endpoint.named(process.name());
        let client = Client::new(endpoint, process.registry())?;
        let consumer = describe(client.consumer(subscription, handler).options(options)).build()?;
        let state = consumer.state();
        let ops = process.serve_ops(move || health(&state.borrow())).await?;
        let (shutdown, drain_within) = (process.shutdown(), process.settings().shutdown_timeout);
        Ok(Self { consumer, ops, shutdown, drain_within })
    }

    /// Consumes until the process should stop and the events under way have ended, and then closes the ops port.
    ///
    /// # Errors
    /// Events were still under way at the deadline.
    pub async fn run(self) -> Result<(), Exit> {
        self.run_beside(pending()).await.close().await
    }

    /// The first part of [`run`](Self::run), for a service with more to do. `work` runs for as long as the consumer
    /// does.
    pub async fn run_beside(self, work: impl Future<Output = Infallible>) -> Drained {
        let stop = async {
            self.shutdown.requested().await;
        };
        let outcome = tokio::select! {
            outcome = self.consumer.run(stop, self.drain_within) => outcome,
            never = work => match never {},
        };
        Drained { ops: self.ops, deadline: self.shutdown.requested().await, outcome }
    }
}

/// The end of a service that consumed. Its ops pages still answer.
#[must_use = "the ops port closes, and an error shows, only by `close`"]
pub struct Drained {
    ops: Ops,
    deadline: Deadline,
    outcome: Result<(), messaging::Error>,
}

impl Drained {
    /// The deadline of the shutdown, for the service's own steps.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Closes the ops port. This is the last step, so that probes see `draining` until the end.
    ///
    /// # Errors
    /// Events were still under way at the deadline.
    pub async fn close(self) -> Result<(), Exit> {
        self.deadline.step("ops", self.ops.drain()).await;
        Ok(self.outcome?)
    }
}

fn health(state: &State) -> Health {
    Health::of(state, *state == State::Consuming)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(variables: &[(&str, &str)]) -> Vec<String> {
        let mut env = Env::from_map(variables.iter().copied());
        ConsumerSettings::from_env(&mut env);
        env.faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_variable_has_a_default() {
        assert_eq!(faults(&[]), Vec::<String>::new());
    }

    #[test]
    fn all_faults_are_told_at_once_and_no_password() {
        let told = faults(&[("AMQP_URL", "amqp//guest:secret@host"), ("PREFETCH", "many"), ("CONCURRENCY", "")]);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("AMQP_URL=[redacted]: it must begin with amqp://"), "{told:?}");
        assert!(told[1].starts_with("CONCURRENCY=\"\": expected a whole number"), "{told:?}");
        assert!(told[2].starts_with("PREFETCH=\"many\": expected a whole number"), "{told:?}");
    }

    #[test]
    fn a_handler_may_take_longer_than_a_shutdown() {
        assert_eq!(faults(&[("HANDLE_TIMEOUT", "10m"), ("SHUTDOWN_TIMEOUT", "1s")]), Vec::<String>::new());
    }

    #[test]
    fn only_an_active_subscription_is_ready() {
        let reason = "the mail server is down".to_owned();
        assert!(health(&State::Consuming).ready);
        let paused = health(&State::Paused { reason: reason.clone() });
        assert_eq!(paused, Health { ready: false, state: "paused", reason: Some(reason) });
        let serving = State::AccessRefused { reason: "queue \"q\"".to_owned(), serving: true };
        assert!(!health(&serving).ready, "something is wrong with its queues");
    }
}
