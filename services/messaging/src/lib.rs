//! RabbitMQ, at least once and honestly: connections, topology, confirmed publishing, consuming, dead letters.
//!
//! The only crate that knows lapin; no type of lapin's is in its interface. A [`Publisher`] answers for each event what became of it
//! ([`PublishError`]); a [`Consumer`] runs a [`Handler`]; [`redrive`] moves dead letters back.
//!
//! # What happens when
//!
//! | what happens to a delivery | what becomes of it |
//! |---|---|
//! | handled, or handled before | acknowledged |
//! | fails, may work later ([`Failure::later`], a panic, `HANDLE_TIMEOUT`) | copied to a delay queue; acknowledged once the copy is confirmed and not returned |
//! | fails for good ([`Failure::for_good`]), attempts used up | copied to `<queue>.dead`, likewise |
//! | cannot be decoded | the same at once, with its raw bytes and headers |
//! | fails, and it is not known yet whose trouble it is ([`Failure::postponed`]) | copied to the shortest delay queue, likewise; no attempt is counted |
//! | what the handler depends on is down ([`Failure::outage`]) | given back; the consumer cancels its subscription, holds nothing, and asks [`Handler::probe`]; once that succeeds one event goes first, alone, and only one that is handled ends the pause |
//! | connection or channel lost, queue deleted, cancelled by the server | everything is rebuilt, topology included; the broker gives the delivery out again |
//! | it comes back a second time | given back as a confirmed copy that carries the count, and begun only when nothing else is in hand: a count makes a suspect |
//! | it kills the process again and again | each return from being handled alone is carried on, except one that a lost broker may explain; set aside, it alone, at `MAX_DELIVERIES` |
//! | a copy cannot be published | it stays unacknowledged, and the copy is tried again; after 5 s suspects, pauses and stops wait for it no more, and a pause or a stop gives it back |
//! | an object of the topology differs (406), or may not be declared (403) and does not exist | never fatal: [`State`] says which object and argument, and it is tried again; what is there is published to, or consumed |
//! | an object may not be declared, and exists | it is taken as it is; the log says so once |
//! | a delay or dead queue does not exist and may not be declared | the same as a copy that cannot be published: what needs no copy is consumed, what needs one is held until the queue is there |
//!
//! What becomes of an event that is published stands at [`Publisher::publish`] and [`PublishError`].
//!
//! # Why each queue has its arguments
//!
//! Arguments of a queue in use never change under the same name.
//!
//! | queue | argument | why |
//! |---|---|---|
//! | `<queue>` | none | programs written after the guide declare it so; it is a quorum queue because the vhost's default type is |
//! | `<queue>`, by policy | `delivery-limit: 100` | the broker's own limit of 20 would drop events that only lost their connection often |
//! | | `dead-letter-routing-key: <queue>.dead` | what the broker gives up on is kept as well |
//! | | `dead-letter-strategy: at-least-once` | a broker that dies between the two queues loses nothing |
//! | | `overflow: reject-publish` | without it that strategy silently becomes at-most-once |
//! | `<queue>.retry.<delay>` | `x-message-ttl` | the delay; a queue for each, because only the head of a queue expires |
//! | | `x-dead-letter-exchange: ""`, `x-dead-letter-routing-key: <queue>` | expired, it goes back to its own queue and to no other |
//! | | `x-queue-type: quorum`, `x-dead-letter-strategy`, `x-overflow` | as above: a delayed event is as safe as any |
//! | `<queue>.dead` | `x-queue-type: quorum`, `x-delivery-limit: -1` | however often letters are looked at and put back, they stay; their number is not limited |

mod setting;
pub use setting::Setting;
mod endpoint;
pub use endpoint::{AmqpUrl, Endpoint};
mod error;
pub use error::Error;
mod state;
pub use state::State;

mod backoff;
mod link;
mod metrics;
mod panics;
mod standing;
mod tls;
mod topology;
mod trace;

mod publisher;
pub use publisher::{PublishError, Publisher, PublisherOptions, RequiredQueue};

mod letter;
pub mod redrive;
pub use letter::DeadReason;
mod consumer;
pub use consumer::{Consumer, ConsumerOptions, Failure, Handler, Received, Subscription};

#[cfg(feature = "inside")]
#[doc(hidden)]
pub mod inside;
