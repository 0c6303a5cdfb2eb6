//! Describes a publisher before it starts.

use std::marker::PhantomData;
use std::time::Duration;

use events::Event;

use super::{Publisher, PublisherOptions, RequiredQueue};
use crate::{Client, Error, Exchange};

/// A publisher that has not started. What is not said has a default that [`PublisherOptions`] states.
#[must_use = "it publishes only when it is started"]
pub struct PublisherBuilder<E> {
    pub(super) client: Client,
    pub(super) exchange: Exchange,
    pub(super) options: PublisherOptions,
    events: PhantomData<fn(E)>,
}

impl<E: Event> PublisherBuilder<E> {
    pub(crate) fn new(client: Client, exchange: Exchange) -> Self {
        Self { client, exchange, options: PublisherOptions::default(), events: PhantomData }
    }

    /// Sets all options at once, such as those from the environment.
    pub fn options(self, options: PublisherOptions) -> Self {
        Self { options, ..self }
    }

    /// Sets how long an event may wait for its confirm.
    pub fn timeout(mut self, within: Duration) -> Self {
        self.options.timeout = within;
        self
    }

    /// Sets how many events may wait for their confirm, from 1 to 65536. Further events are refused at once.
    pub fn max_pending(mut self, events: usize) -> Self {
        self.options.max_pending = events;
        self
    }

    /// Sets how many channels publish side by side, from 1 to 32.
    pub fn lanes(mut self, channels: usize) -> Self {
        self.options.lanes = channels;
        self
    }

    /// Declares this queue and binds it with these routing keys before anything is published, so that no event misses
    /// it.
    pub fn required_queue<K: Into<String>>(
        mut self,
        queue: impl Into<String>,
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        let routing_keys = keys.into_iter().map(Into::into).collect();
        self.options.required_queues.push(RequiredQueue { queue: queue.into(), routing_keys });
        self
    }

    /// Starts to connect, within the current tokio runtime. The publisher declares its exchange, and what the options
    /// require, before it publishes anything. Several publishers of a client to one exchange share its channels; to
    /// close one of them closes them all.
    ///
    /// # Errors
    /// [`Error::Invalid`]: AMQP cannot carry a name, an option is out of its range, or another publisher to the
    /// exchange has other options.
    pub fn start(self) -> Result<Publisher<E>, Error> {
        Publisher::start(self)
    }
}
