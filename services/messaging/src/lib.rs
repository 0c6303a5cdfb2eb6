//! RabbitMQ for services, at least once: connections, topology, confirmed publishing, consuming, dead letters.
//!
//! A [`Client`] makes the publishers and consumers of a process. A [`Publisher`] publishes events and says of each what
//! became of it ([`NotPublished`]). A [`Consumer`] runs a [`Handler`]. [`redrive`] moves dead letters back. Only this
//! crate uses lapin, and its interface contains no type of lapin's.
//!
//! # A service of your own
//!
//! A service in another workspace depends on these crates. `WARREN` is the path of a clone:
//!
//! ```toml
//! events = { path = "WARREN/services/events" }
//! messaging = { path = "WARREN/services/messaging" }
//! prometheus = { version = "0.14", default-features = false } # for the `Registry` of `Client::new`
//! serde = { version = "1", features = ["derive"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread", "signal", "time"] }
//! tracing-subscriber = { version = "0.3", features = ["env-filter"] } # prints the log
//! ```
//!
//! This crate logs with `tracing`, so a service without a subscriber does not say why it waits. A subscriber has to leave
//! out the target `lapin`: what it logs holds the bodies of messages that no queue takes, and this crate says the rest
//! itself, once.
//!
//! ```text
//! tracing_subscriber::fmt().with_env_filter("info,lapin=off").init();
//! ```
//!
//! Its `main` makes the publishers and then the consumers, because a handler holds the publisher that it needs. `Loyalty`
//! is such a handler: [Hear, then speak](#hear-then-speak) shows how one is written.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use events::EventData;
//! # use messaging::{Client, Endpoint, Error, Exchange, Failure, Handler, Publisher, Received, Subscription};
//! # use prometheus::Registry;
//! # use serde::{Deserialize, Serialize};
//! # use tokio::time::Instant;
//! # #[derive(Serialize, Deserialize)]
//! # struct OrderPlaced {}
//! # impl EventData for OrderPlaced { const TYPE: &'static str = "order.placed"; }
//! # #[derive(Serialize, Deserialize)]
//! # struct PointsEarned {}
//! # impl EventData for PointsEarned { const TYPE: &'static str = "points.earned"; }
//! # struct Loyalty { points: Publisher<PointsEarned> }
//! # impl Handler for Loyalty {
//! #     type Event = OrderPlaced;
//! #     async fn handle(&self, _: &Received<OrderPlaced>) -> Result<(), Failure> { Ok(()) }
//! # }
//! # async fn main_of(endpoint: Endpoint) -> Result<(), Error> {
//! let client = Client::new(endpoint, &Registry::new())?;
//! // Whoever will consume points-queue misses no event, even if it starts for the first time after this service.
//! let points =
//!     client.publisher(Exchange::topic("loyalty")).required_queue("points-queue", ["points.#"]).start()?;
//! // A text alone names a direct exchange.
//! let orders = Subscription::queue("loyalty-queue").bound_to("order-exchange", [OrderPlaced::TYPE]);
//! let consumer = client.consumer(orders, Loyalty { points: points.clone() }).build()?;
//! let stop = async { drop(tokio::signal::ctrl_c().await) };
//! let ended = consumer.run(stop, Duration::from_secs(20)).await;
//! // The publisher closes last, because the handlers publish until they have ended.
//! points.close(Instant::now() + Duration::from_secs(5)).await;
//! ended
//! # }
//! ```
//!
//! `run` ends when `stop` resolves, and only then: a broker that is away, or an object that differs, ends neither a
//! publisher nor a consumer. [`Client::state`] and the log say what they wait for.
//!
//! The broker has to make quorum queues by default, and each queue needs a policy, as
//! [below](#why-each-queue-has-its-arguments). `deploy/broker` starts a broker with that default on this machine, and
//! `deploy/README.md` shows the commands for another broker. The services of this repository use the crate `chassis`,
//! which adds settings, health pages and the end on SIGTERM.
//!
//! `examples/hear_then_speak.rs` is a whole service. `examples/restock.rs` is one with two consumers and a publisher on
//! a topic exchange.
//!
//! # What happens when
//!
//! | what happens to a delivery | what the consumer does |
//! |---|---|
//! | It is handled, or was handled before. | It acknowledges the delivery. |
//! | The same event is still being handled. | It waits up to 1 s for the outcome, one copy of each event at a time. Then it copies the event to the shortest delay queue, and counts no attempt. |
//! | It fails and may work later: [`Failure::later`], a panic, or `HANDLE_TIMEOUT`. | It copies the event to a delay queue. It acknowledges once the broker has confirmed the copy and not returned it. |
//! | It fails, and the handler asks for a wait of its own ([`Failure::after`]). | It does the same, with the delay queue whose delay is the next that is as long, or the longest. |
//! | It fails for good ([`Failure::for_good`]), or its attempts are used up. | It copies the event to `<queue>.dead` in the same way. |
//! | It cannot be decoded. | It copies the message, with its raw bytes and headers, to `<queue>.dead` at once. |
//! | It fails, and it is not known yet whether the event is at fault ([`Failure::postponed`]). | It copies the event to the shortest delay queue in the same way, and counts no attempt. |
//! | The handler's dependency is down ([`Failure::outage`]). | It requeues the event, cancels its subscription and holds nothing. It asks [`Handler::probe`] until that succeeds. Then it tries one event alone. The pause ends when an event is handled that needs the dependency ([`Handler::needs_dependency`]). |
//! | The connection or channel is lost, the queue is deleted, or the server cancels the subscription. | It connects, declares and subscribes again. The broker delivers the event again. |
//! | It comes back a second time. | It requeues the event as a confirmed copy that carries the count, and begins the copy only when it holds nothing else. A count of returns alone makes a suspect, not a culprit. |
//! | It kills the process again and again. | It counts each return after the event was handled alone, except a return that a lost broker may explain. At `MAX_DELIVERIES` it makes this event, and no other, a dead letter. |
//! | A copy of it cannot be published. | It keeps the original unacknowledged and tries the copy again. After 5 s, suspects, pauses and stops no longer wait for the copy, and [`State`] says why it does not pass; a pause or a stop requeues the original. |
//! | The broker knows the user under another name than the URL, as with OAuth 2. | Before it consumes, it learns the name from the refusal of a message that no queue takes. Copies carry that name, and are recognised by it. |
//! | An object of the topology differs (406), or does not exist and may not be declared (403). | It goes on trying; no such error is fatal. [`State`] names the object and the argument. Whatever exists is published to, or consumed. |
//! | An object may not be declared, and exists. | It uses the object as it is, and logs that once. |
//! | A delay or dead queue does not exist and may not be declared. | It handles every event that needs no copy. It holds an event that needs one until the queue exists. |
//!
//! [`Publisher::publish`] and [`PublishError`] say what becomes of an event that is published. Each error prints as one
//! line, also from a `main` that returns it.
//!
//! # Several publishers and consumers in one process
//!
//! One [`Client`] stands for a broker and a registry of metrics. It makes any number of [publishers](Client::publisher)
//! and [consumers](Client::consumer). Their builders need only what has no default, and refuse a value by its name
//! ([`Error::Invalid`]).
//!
//! - Series of a publisher have the label `exchange`, and series of a consumer the label `queue`.
//! - [`Client::state`] is the state of the least ready one, for `/readyz`, and says whose it is.
//! - Publishers to one exchange share its channels, also if they publish different events. A queue has one consumer in
//!   a client; its concurrency says how many events it handles at once.
//! - A client has one connection that publishes, for its publishers and for the copies of its consumers, and one that
//!   consumes. At the broker their names are the service's, with `:publish` or `:consume`. The first to need a
//!   connection opens it, and the last closes it.
//!
//! Each publisher and consumer has channels of its own on these connections:
//!
//! | what happens | what becomes of the others |
//! |---|---|
//! | The broker closes a channel of one of them, or cancels a subscription. | Nothing: that one opens channels again on the same connection. |
//! | A consumer stops, or a publisher is closed. | Nothing: it closes its own channels. |
//! | A memory or disk alarm blocks the connection that publishes. | All publishers and copies wait. All consumers go on, and acknowledge. |
//! | A connection is lost. | It is lost for all of them. One of them connects again for all, after one wait that grows until something was settled, or a connection lasted for 5 s. |
//! | One of them gets no answer, finds no free channel, or fails twice in a row without settling anything and not because it is refused. | That one takes a new connection, as does everyone who begins after it. The others keep the old one until they end or fail, so for that time there are two. What a channel without an answer holds comes back when the old connection ends. |
//! | Three times in a row the broker closes the connection over a channel, for a limit or an error inside the broker, before one of them has settled anything. | Whoever settled nothing takes a connection of its own, and keeps to it. |
//! | The broker has closed half of a connection's channels over questions about the topology. | Whoever asks such a question opens a further connection for it, whose name ends in `:topology`. |
//! | A publisher sends more than the broker takes. | The broker slows down the whole connection, and with it the other publishers and the copies. If a process cannot accept that, give each publisher a [`Client`] of its own, with a registry of its own. |
//!
//! # Exchanges and bindings
//!
//! A publisher and a consumer declare the exchanges that they name: [direct, topic and fanout](Exchange), durable and
//! without arguments. A [`Subscription`] binds its queue to any number of them. Names may be texts of the program or
//! of its configuration. A name that AMQP cannot carry, and a binding that its exchange cannot use, are
//! [`Error::Invalid`] before anything is connected.
//!
//! # Hear, then speak
//!
//! A handler publishes what follows from the event that it heard, and returns when the broker has confirmed it:
//!
//! ```
//! # use events::EventData;
//! # use messaging::{Failure, Handler, Publisher, Received};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Serialize, Deserialize)]
//! # struct OrderPlaced { id: String }
//! # impl EventData for OrderPlaced { const TYPE: &'static str = "order.placed"; }
//! # #[derive(Serialize, Deserialize)]
//! # struct ParcelRequested { order: String }
//! # impl EventData for ParcelRequested { const TYPE: &'static str = "parcel.requested"; }
//! struct Packing {
//!     parcels: Publisher<ParcelRequested>,
//! }
//!
//! impl Handler for Packing {
//!     type Event = OrderPlaced;
//!
//!     async fn handle(&self, event: &Received<OrderPlaced>) -> Result<(), Failure> {
//!         let request = event.follow_up("urn:packing", ParcelRequested { order: event.data.id.clone() });
//!         self.parcels.publish(request).await?;
//!         Ok(())
//!     }
//! }
//! ```
//!
//! The delivery is acknowledged after that confirm. If the process dies before, the event comes again, and the same
//! event follows: its id is derived from the event heard ([`Received::follow_up`]), so a consumer takes the second for
//! a duplicate. The follow-up names its cause and continues its trace. What becomes of the event heard when its
//! follow-up is not confirmed stands at [`Failure`]. [`PublisherOptions::timeout`] has to be shorter than
//! [`ConsumerOptions::handle_timeout`]; otherwise the attempt ends first and counts as failed.
//! `examples/hear_then_speak.rs` is the whole service.
//!
//! # Encrypted connections
//!
//! With an `amqps://` URL the broker's certificate is verified, by the authorities of the system or of
//! [`Endpoint::ca_file`]. A [`ClientCertificate`] is shown to the broker. If the URL names no user, the broker takes the
//! user from that certificate (EXTERNAL). All these files are read at each connection, so that they can be renewed.
//!
//! # Tests of a handler
//!
//! A handler is tested without a broker. [`Received::of`] makes the event that it hears, and a
//! [`Recording`](testing::Recording) shows what it published, and fails a publish as the test says. [`testing`] has
//! an example, and so has `examples/hear_then_speak.rs`. A [`Broker`](testing::Broker) is a real node of RabbitMQ that
//! ends with its test.
//!
//! # Several processes of one service
//!
//! Each consumer remembers in its process which events it has handled. [`ConsumerBuilder::dedupe_store`] adds a store
//! that several processes share, such as Redis or a table. Then an event that one of them has handled is a duplicate to
//! all, also after a restart. Two processes that handle the same event at the same time still both handle it.
//! [`DedupeStore`] says what holds, and what the consumer does when the store fails. `examples/dedupe_store.rs` is the
//! whole service.
//!
//! # Batches
//!
//! A [`BatchHandler`] has up to N events in one call, such as for one transaction of a database, and returns a result
//! for each. [`Batches`] gathers them: it waits up to a time from the first event of a batch. The consumer settles each
//! event by its own result, as the table above says. `examples/batches.rs` is the whole service.
//!
//! # Why each queue has its arguments
//!
//! The arguments of a queue in use never change under the same name. A [`Subscription`] may give
//! [the dead queue](Subscription::dead_queue) and [the delay queues](Subscription::delay_queues) other names than these.
//!
//! | queue | argument | why |
//! |---|---|---|
//! | `<queue>` | none | Programs written after RabbitMQ's guides declare it without arguments. It is a quorum queue because that is the vhost's default type. |
//! | `<queue>`, by policy | `delivery-limit: 100` | The broker's own limit of 20 would drop events that only lost their connection often. |
//! | | `dead-letter-routing-key: <queue>.dead` | The dead queue also keeps what the broker itself gives up. |
//! | | `dead-letter-strategy: at-least-once` | A broker that dies between the two queues loses nothing. |
//! | | `overflow: reject-publish` | Without it, that strategy silently becomes at-most-once. |
//! | `<queue>.retry.<delay>` | `x-message-ttl` | This is the delay. Each delay has its own queue, because only the head of a queue expires. |
//! | | `x-dead-letter-exchange: ""`, `x-dead-letter-routing-key: <queue>` | An expired event goes back to its own queue and to no other. |
//! | | `x-queue-type: quorum`, `x-dead-letter-strategy`, `x-overflow` | As above: a delayed event is as safe as any other. |
//! | `<queue>.dead` | `x-queue-type: quorum`, `x-delivery-limit: -1` | A dead letter stays, however often somebody looks at it and puts it back. The queue's length is not limited. |

mod endpoint;
pub use endpoint::{AmqpUrl, ClientCertificate, Endpoint};
mod error;
pub use error::Error;
mod state;
pub use state::State;
mod exchange;
pub use exchange::{Exchange, ExchangeKind};

mod backoff;
mod health;
mod link;
mod metrics;
mod name;
mod panics;
mod pem;
mod tls;
mod topology;
mod trace;
mod user_name;

mod client;
pub use client::Client;

mod publisher;
pub use publisher::{NotPublished, PublishError, Publisher, PublisherBuilder, PublisherOptions, RequiredQueue};

mod delivery;
pub mod redrive;
pub use delivery::DeadReason;
mod consumer;
pub use consumer::{
    BatchHandler, Batches, Consumer, ConsumerBuilder, ConsumerOptions, DedupeStore, EventKey, Failure, Handler,
    HeaderValue, Headers, Received, Subscription,
};

pub mod testing;

#[cfg(feature = "inside")]
#[doc(hidden)]
pub mod inside;
