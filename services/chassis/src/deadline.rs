//! The deadline of a shutdown.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

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
