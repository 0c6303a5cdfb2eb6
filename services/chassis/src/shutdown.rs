//! How a process stops: the request, which a signal makes, and the deadline, which the steps of the shutdown share.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

/// Asks a process, or an app in a test, to stop. Dropping it asks too.
#[derive(Debug)]
pub struct Stop {
    asked: watch::Sender<Option<Deadline>>,
    timeout: Duration,
}

/// Learns that the process should stop, and by when.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: watch::Receiver<Option<Deadline>>,
    timeout: Duration,
}

impl Shutdown {
    /// A pair: one asks to stop, the other learns of it. `timeout` is the time from the request to the deadline.
    pub fn new(timeout: Duration) -> (Stop, Self) {
        let (sender, receiver) = watch::channel(None);
        (Stop { asked: sender, timeout }, Self { asked: receiver, timeout })
    }

    /// Waits until the process should stop, and returns the deadline, which counts from the request.
    ///
    /// If dropped, nothing is lost: it can be called again.
    pub async fn requested(&self) -> Deadline {
        let mut asked = self.asked.clone();
        let heard = asked.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
        heard.unwrap_or_else(|| Deadline::after(self.timeout))
    }

    /// Whether the process should stop.
    pub fn is_requested(&self) -> bool {
        self.asked.borrow().is_some()
    }
}

impl Stop {
    /// Asks to stop. The first call sets the deadline; later calls change nothing.
    pub fn now(&self) {
        self.asked.send_if_modified(|asked| {
            let first = asked.is_none();
            asked.get_or_insert_with(|| Deadline::after(self.timeout));
            first
        });
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.now();
    }
}

/// A point in time, shared by the steps of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline that is `duration` from now.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// The point in time.
    pub fn instant(&self) -> Instant {
        self.0
    }

    /// The time that is left; zero after the deadline.
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Runs one step of a shutdown to its end or to the deadline, and logs which. `None` if the deadline cut the
    /// step.
    ///
    /// If dropped, the step is dropped with it.
    pub async fn step<T>(&self, step: &'static str, work: impl Future<Output = T>) -> Option<T> {
        let began = Instant::now();
        let outcome = timeout_at(self.0, work).await.ok();
        let took = began.elapsed();
        match outcome {
            Some(_) => info!(step, ?took, "shutdown step done"),
            None => warn!(step, ?took, "shutdown step cut by SHUTDOWN_TIMEOUT"),
        }
        outcome
    }
}

/// The exit code after a second signal: the one that a shell shows for a process ended by SIGINT.
const ENDED_BY_SIGNAL: i32 = 130;

/// The two signals. They are caught from its creation on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Needs the runtime's context. Fails if the process may not catch signals.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Asks the process to stop at the first signal, and ends it at the second.
    pub(crate) async fn watch(mut self, stop: Stop) {
        let first = self.next().await;
        info!(signal = first, "stopping");
        stop.now();
        let second = self.next().await;
        warn!(signal = second, "ended at once by a second signal");
        end();
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a second signal may not wait for anything")]
fn end() -> ! {
    std::process::exit(ENDED_BY_SIGNAL)
}
