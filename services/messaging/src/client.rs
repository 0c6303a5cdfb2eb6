//! A broker, and everything in one process that publishes to it or consumes from it.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use events::Event;
use prometheus::Registry;
use tokio::sync::watch;

use crate::consumer::{ConsumerBuilder, Handler, Subscription};
use crate::link::SharedLink;
use crate::metrics::{Metrics, Role};
use crate::publisher::{Lanes, PublisherBuilder, PublisherOptions};
use crate::{Endpoint, Error, Exchange, State, name};

/// A broker, and everything in one process that publishes to it or consumes from it. Clones are the same client.
///
/// ```no_run
/// # use std::{future::pending, time::Duration};
/// # use messaging::{Client, Endpoint, Error, Exchange, Handler, Subscription};
/// # async fn serve<H: Handler>(endpoint: Endpoint, registry: prometheus::Registry, handler: H) -> Result<(), Error> {
/// let client = Client::new(endpoint, &registry)?;
/// let stock = client.publisher::<H::Event>(Exchange::topic("stock")).start()?;
/// let subscription = Subscription::queue("restock-queue").bound_to(Exchange::topic("stock"), ["stock.#"]);
/// let consumer = client.consumer(subscription, handler).concurrency(8).build()?;
/// let readiness = client.clone(); // for `/readyz`: `readiness.state()`
/// consumer.run(pending(), Duration::from_secs(20)).await
/// # }
/// ```
///
/// A client normally has one connection that publishes and one that consumes, however many publishers and consumers it
/// has. Each of them has channels of its own there. What closes a channel of one stops no other. What closes a connection
/// stops all of them until it is back. The crate's front page has a table of it.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Endpoint,
    metrics: Metrics,
    /// The connection that publishes events and copies.
    publishing: Arc<SharedLink>,
    /// The connection that consumes. It never publishes, so no alarm of the broker holds back what it acknowledges.
    consuming: Arc<SharedLink>,
    parts: Mutex<Parts>,
}

/// What a client has made, by exchange and by queue.
#[derive(Default)]
struct Parts {
    publishers: BTreeMap<String, (Part, Shareable)>,
    consumers: BTreeMap<String, Part>,
}

/// A publisher or a consumer, as readiness sees it.
struct Part {
    state: watch::Receiver<State>,
    alive: Weak<dyn Any + Send + Sync>,
}

/// What a further publisher to the same exchange shares.
struct Shareable {
    exchange: Exchange,
    options: PublisherOptions,
    lanes: Weak<Lanes>,
}

impl Client {
    /// Prepares to talk to a broker, and registers the metrics `messaging_*`. It does not connect: its publishers and
    /// consumers do.
    ///
    /// # Errors
    /// [`Error::Metrics`]: the registry has a client already. Clone that one.
    pub fn new(endpoint: Endpoint, registry: &Registry) -> Result<Self, Error> {
        let metrics = Metrics::register(registry)?;
        let shared = |role| SharedLink::new(endpoint.clone(), role);
        let (publishing, consuming) = (shared(Role::Publish), shared(Role::Consume));
        let parts = Mutex::default();
        Ok(Self { shared: Arc::new(Shared { endpoint, metrics, publishing, consuming, parts }) })
    }

    /// Describes a publisher of these events to an exchange. [`start`](PublisherBuilder::start) makes it.
    pub fn publisher<E: Event>(&self, exchange: impl Into<Exchange>) -> PublisherBuilder<E> {
        PublisherBuilder::new(self.clone(), exchange.into())
    }

    /// Describes the consumer of a queue. [`build`](ConsumerBuilder::build) makes it.
    pub fn consumer<H: Handler>(&self, subscription: Subscription, handler: H) -> ConsumerBuilder<H> {
        ConsumerBuilder::new(self.clone(), subscription, handler)
    }

    /// The state of the whole: the state of the publisher or consumer that is least ready. If there are several, the
    /// reason says whose state it is. One that has ended or was dropped counts as [`State::Stopped`], until another to
    /// its exchange or of its queue takes its place.
    pub fn state(&self) -> State {
        let parts = self.parts();
        let publishers = parts.publishers.iter().map(|(name, (part, _))| (format!("publisher to {name}"), part));
        let consumers = parts.consumers.iter().map(|(name, part)| (format!("consumer of {name}"), part));
        let states = publishers.chain(consumers).map(|(what, part)| (what, part.state())).collect();
        State::least_ready(states)
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(crate) fn link(&self, role: Role) -> Arc<SharedLink> {
        Arc::clone(match role {
            Role::Publish => &self.shared.publishing,
            Role::Consume => &self.shared.consuming,
        })
    }

    /// The lanes to an exchange: those of another publisher to it, or new ones.
    ///
    /// # Errors
    /// [`Error::Invalid`]: the other publisher has other settings.
    pub(crate) fn lanes_to(
        &self,
        exchange: &Exchange,
        options: &PublisherOptions,
        start: impl FnOnce() -> Lanes,
    ) -> Result<Arc<Lanes>, Error> {
        let mut parts = self.parts();
        let running = parts.publishers.get(exchange.name()).filter(|(part, _)| part.is_running());
        if let Some((_, shared)) = running
            && let Some(lanes) = shared.lanes.upgrade()
        {
            if (&shared.exchange, &shared.options) == (exchange, options) {
                return Ok(lanes);
            }
            let expected = "the kind of exchange and the options of the first, because they share its channels";
            let what = format!("second publisher to {exchange}");
            return Err(Error::Invalid { what, expected: expected.to_owned() });
        }
        let lanes = Arc::new(start());
        let part = Part::new(lanes.state(), Arc::downgrade(&lanes));
        let shareable =
            Shareable { exchange: exchange.clone(), options: options.clone(), lanes: Arc::downgrade(&lanes) };
        parts.publishers.insert(exchange.name().to_owned(), (part, shareable));
        Ok(lanes)
    }

    /// Takes in the consumer of a queue, which this makes.
    ///
    /// # Errors
    /// [`Error::Invalid`]: the queue has a consumer already.
    pub(crate) fn admit<W: Any + Send + Sync>(
        &self,
        queue: &str,
        make: impl FnOnce() -> Arc<W>,
        state: impl FnOnce(&W) -> watch::Receiver<State>,
    ) -> Result<Arc<W>, Error> {
        let mut parts = self.parts();
        if parts.consumers.get(queue).is_some_and(Part::is_running) {
            let what = format!("second consumer of queue {}", name::shown(queue));
            let expected = "one of each queue in a client; its concurrency says how many events it handles at once";
            return Err(Error::Invalid { what, expected: expected.to_owned() });
        }
        let made = make();
        parts.consumers.insert(queue.to_owned(), Part::new(state(&made), Arc::downgrade(&made)));
        Ok(made)
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.shared.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    fn new<T: Any + Send + Sync>(state: watch::Receiver<State>, alive: Weak<T>) -> Self {
        Self { state, alive }
    }

    fn state(&self) -> State {
        if self.alive.strong_count() == 0 { State::Stopped } else { self.state.borrow().clone() }
    }

    fn is_running(&self) -> bool {
        self.state() != State::Stopped
    }
}
