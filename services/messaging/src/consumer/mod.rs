//! Takes events from a queue, hands them to a handler, and settles each according to its outcome.
//!
//! A [`Consumer`] is a supervisor (`supervisor`) that connects, declares and subscribes, again and again, and one session (`session`)
//! at a time that consumes, on a channel (`feed`). What to do next is decided without I/O: which delivery is begun when (`hand`, `suspicion`), which is acknowledged
//! when (`acks`), which was handled before (`dedupe`). Each delivery is attempted (`attempt`) and settled (`settle`) in a task of its own, so that
//! neither a slow handler nor a slow copy holds up another event, and a panic ends nothing but its attempt.
//!
//! | what happens | what becomes of the event |
//! |---|---|
//! | handled, or handled before | acknowledged |
//! | fails, may work later | copied to a delay queue, with what was known of it; acknowledged once the copy is confirmed |
//! | fails for good, cannot be decoded, attempts used up | copied to `<queue>.dead`, likewise |
//! | not known yet whose trouble it is | copied to the shortest delay queue, likewise; no attempt is counted |
//! | an outage | given back; the consumer pauses, and then tries one at a time until one is handled |
//! | the connection is lost | the broker gives it out again; no attempt is counted |
//! | it came back twice | given back as a copy that says so, and then handled alone |
//! | it came back from being handled alone | the same, with one more held against it; a dead letter at `MAX_DELIVERIES` |
//! | a copy cannot be published | stays where it is, unacknowledged, and the copy is tried again; after some seconds it is stuck: nobody waits for it any more |

use std::time::Duration;

use prometheus::Registry;
use tokio::sync::watch;
use tokio::time::timeout;

mod subscription;
pub use subscription::Subscription;
mod options;
pub use options::ConsumerOptions;
mod received;
pub use received::Received;
mod failure;
pub use failure::Failure;
mod handler;
#[cfg(feature = "inside")]
pub(crate) mod inside;
pub use handler::Handler;

mod queues;
pub(crate) use queues::dead;
mod recent;
mod suspicion;
use suspicion::Suspicion;
mod acks;
mod dedupe;
mod hand;
mod outcome;
use outcome::Outcome;
mod attempt;
mod copies;
mod desk;
mod feed;
mod pause;
mod session;
mod settle;
mod supervisor;
mod work;
use supervisor::Supervisor;

use crate::{Endpoint, Error, State};

/// Consumes one queue, for as long as it runs, whatever happens to broker and network.
pub struct Consumer<H: Handler> {
    supervisor: Supervisor<H>,
}

impl<H: Handler> Consumer<H> {
    /// Prepares a consumer; nothing is connected before [`run`](Self::run).
    ///
    /// # Errors
    /// [`Error::Metrics`]: the registry has a consumer already.
    pub fn new(
        endpoint: Endpoint,
        subscription: Subscription,
        options: ConsumerOptions,
        handler: H,
        registry: &Registry,
    ) -> Result<Self, Error> {
        Ok(Self { supervisor: Supervisor::new(endpoint, subscription, options, handler, registry)? })
    }

    /// How it is, now and from now on. [`State::Consuming`] means an active subscription, and no pause.
    pub fn state(&self) -> watch::Receiver<State> {
        self.supervisor.state()
    }

    /// Consumes until `stop` resolves; then takes nothing new, lets what runs end, gives back the rest, and closes, all of it within
    /// `within`. What is still unfinished then the broker gives out again.
    ///
    /// # Errors
    /// [`Error::Undrained`]: `within` was over first.
    ///
    /// # If dropped
    /// The connections close; what was in hand the broker gives out again.
    pub async fn run(self, stop: impl Future<Output = ()>, within: Duration) -> Result<(), Error> {
        let _end = End(&self.supervisor);
        let (stopping, stopped) = watch::channel(false);
        let mut supervision = std::pin::pin!(self.supervisor.supervise(stopped));
        tokio::select! {
            () = &mut supervision => return Ok(()),
            () = stop => {}
        }
        self.supervisor.drain();
        stopping.send_replace(true);
        let (queue, drained) = (self.supervisor.queue(), timeout(within, supervision).await);
        drained.map_err(|_| Error::Undrained { queue, left: self.supervisor.in_hand(), within })
    }
}

/// Says that it has ended, however it ends.
struct End<'a, H: Handler>(&'a Supervisor<H>);

impl<H: Handler> Drop for End<'_, H> {
    fn drop(&mut self) {
        self.0.stopped();
    }
}

/// Resolves when a stop is asked for. Nobody left to ask is a stop as well.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
