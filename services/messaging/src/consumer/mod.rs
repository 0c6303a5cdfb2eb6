//! Takes events from a queue, calls a handler with each, and settles each according to its outcome.
//!
//! A [`Consumer`] is a supervisor (`supervisor`) that connects, declares and subscribes, again and again. One session
//! (`session`) at a time consumes on a channel (`feed`). Three modules decide without I/O: `in_flight` and `redelivery`
//! decide which delivery is begun when, `acks` decides which delivery is acknowledged when, and `dedupe` knows which
//! events this process has handled before; `dedupe_store` asks a store that knows it of other processes. Each delivery
//! has a task of its own, which attempts it (`attempt`) and settles it (`settle`). So neither a slow handler nor a slow
//! copy holds up another event, and a panic ends only its own attempt. `batches` is a handler that gathers the events of
//! several attempts for one call.
//!
//! The crate's front page says what becomes of each delivery.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::timeout;

mod builder;
pub use builder::ConsumerBuilder;
mod subscription;
pub use subscription::Subscription;
pub(crate) use subscription::dead;
mod options;
pub use options::ConsumerOptions;
mod headers;
pub use headers::{HeaderValue, Headers};
mod received;
pub use received::Received;
mod failure;
pub use failure::Failure;
mod handler;
#[cfg(feature = "inside")]
pub(crate) mod inside;
pub use handler::Handler;
mod batches;
pub use batches::{BatchHandler, Batches};

mod queues;
mod recent;
mod redelivery;
use redelivery::RedeliveryPolicy;
mod acks;
mod dedupe;
mod dedupe_store;
pub use dedupe_store::{DedupeStore, EventKey};
mod in_flight;
mod outcome;
use outcome::Outcome;
mod attempt;
mod copies;
mod feed;
mod pause;
mod session;
mod settle;
mod settlements;
mod stuck;
mod supervisor;
mod work;
use supervisor::Supervisor;

use crate::{Error, State};

/// Consumes one queue for as long as it runs, whatever happens to the broker and the network.
#[must_use = "it consumes only when it is run"]
pub struct Consumer<H: Handler> {
    supervisor: Supervisor<H>,
}

impl<H: Handler> Consumer<H> {
    fn new(builder: ConsumerBuilder<H>) -> Result<Self, Error> {
        let ConsumerBuilder { client, subscription, handler, options, dedupe_store, .. } = builder;
        options.check()?;
        handler.check(&options)?;
        Ok(Self { supervisor: Supervisor::new(&client, subscription, options, handler, dedupe_store)? })
    }

    /// Follows the consumer's state. [`State::Consuming`] means that it has an active subscription and does not
    /// pause.
    pub fn state(&self) -> watch::Receiver<State> {
        self.supervisor.state()
    }

    /// Consumes until `stop` resolves. Then it takes nothing new, lets the running handlers end, requeues the rest,
    /// and disconnects, all of it within `within`. After that time the broker delivers again what is unfinished.
    ///
    /// # Errors
    /// [`Error::Undrained`]: deliveries were still unfinished when `within` was over.
    ///
    /// # If dropped
    /// Its channels close, and the connections that no other part of the client uses. The broker delivers again what the
    /// consumer held.
    pub async fn run(self, stop: impl Future<Output = ()>, within: Duration) -> Result<(), Error> {
        let _end = End(&self.supervisor);
        let (stopping, stopped) = watch::channel(false);
        // In a box, its type has no depth that a caller's compiler would have to look through.
        let mut supervision = self.supervisor.supervise(stopped).boxed();
        tokio::select! {
            () = &mut supervision => return Ok(()),
            () = stop => {}
        }
        self.supervisor.drain();
        stopping.send_replace(true);
        let (queue, drained) = (self.supervisor.queue(), timeout(within, supervision).await);
        drained.map_err(|_| Error::Undrained { queue: queue.to_owned(), left: self.supervisor.in_hand(), within })
    }
}

/// Says that it has ended, however it ends.
struct End<'a, H: Handler>(&'a Supervisor<H>);

impl<H: Handler> Drop for End<'_, H> {
    fn drop(&mut self) {
        self.0.stopped();
    }
}

/// Resolves when a stop is requested. If nobody is left to request it, that is a stop as well.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
