//! Describes a consumer before it is made.

use std::time::Duration;

use super::dedupe_store::AnyStore;
use super::{Consumer, ConsumerOptions, DedupeStore, Handler, Subscription};
use crate::{Client, Error};

/// A consumer that is not made yet. What is not said has a default that [`ConsumerOptions`] states.
#[must_use = "it consumes only when it is built and run"]
pub struct ConsumerBuilder<H> {
    pub(super) client: Client,
    pub(super) subscription: Subscription,
    pub(super) handler: H,
    pub(super) options: ConsumerOptions,
    pub(super) dedupe_store: Option<Box<dyn AnyStore>>,
    /// Whether the prefetch was set. If not, it follows the concurrency.
    prefetches: bool,
}

impl<H: Handler> ConsumerBuilder<H> {
    pub(crate) fn new(client: Client, subscription: Subscription, handler: H) -> Self {
        let options = ConsumerOptions::default();
        Self { client, subscription, handler, options, dedupe_store: None, prefetches: false }
    }

    /// Sets all options at once, such as those from the environment.
    pub fn options(self, options: ConsumerOptions) -> Self {
        Self { options, prefetches: true, ..self }
    }

    /// Sets how many events are handled at once, from 1 to 4096. The prefetch is twice as many, unless it is set.
    pub fn concurrency(mut self, events: usize) -> Self {
        self.options.concurrency = events;
        if !self.prefetches {
            self.options.prefetch = u16::try_from(events.saturating_mul(2)).unwrap_or(u16::MAX);
        }
        self
    }

    /// Sets how many deliveries are held at once, begun or not, from 1 to 65535.
    pub fn prefetch(mut self, deliveries: u16) -> Self {
        self.options.prefetch = deliveries;
        self.prefetches = true;
        self
    }

    /// Sets the longest that an attempt may take.
    pub fn handle_timeout(mut self, limit: Duration) -> Self {
        self.options.handle_timeout = limit;
        self
    }

    /// Sets how long a failed event waits before each further attempt: 1 to 10 delays from 1 ms to 24 h. Each delay
    /// has a queue of its own.
    pub fn retry_delays(mut self, delays: impl IntoIterator<Item = Duration>) -> Self {
        self.options.retry_delays = delays.into_iter().collect();
        self
    }

    /// Sets how many handled events are remembered, so that none of them is handled again: up to 10,000,000, at about
    /// 100 bytes each.
    pub fn dedupe_capacity(mut self, events: usize) -> Self {
        self.options.dedupe_capacity = events;
        self
    }

    /// Gives the consumer a store of handled events that other processes share. By default there is none, and the
    /// consumer asks only its own memory.
    pub fn dedupe_store(self, store: impl DedupeStore) -> Self {
        Self { dedupe_store: Some(Box::new(store)), ..self }
    }

    /// Sets how often a message may end the process before it is a dead letter, from 3 to 10.
    pub fn max_deliveries(mut self, deliveries: u32) -> Self {
        self.options.max_deliveries = deliveries;
        self
    }

    /// Makes the consumer. It connects only when [`run`](Consumer::run) is called.
    ///
    /// # Errors
    /// [`Error::Invalid`]: AMQP cannot carry a name, a binding does not fit its exchange, an option is out of its
    /// range, the handler cannot work with the options, or the client has a consumer of this queue already.
    pub fn build(self) -> Result<Consumer<H>, Error> {
        Consumer::new(self)
    }
}
