//! Waiting for what a handler depends on, without touching a message.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::work::Work;
use super::{Handler, stopped};
use crate::State;

/// The wait before the first probe; each further wait is twice as long.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest wait between two probes.
const LONGEST: Duration = Duration::from_secs(5);

/// How long to wait before asking again. A probe that succeeds does not shorten it, only an event that was handled: a dependency that
/// answers probes and refuses work is not asked in a tight loop.
#[derive(Debug)]
pub(super) struct Patience(Duration);

impl Patience {
    pub(super) fn new() -> Self {
        Self(SHORTEST)
    }

    fn next_wait(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        // Half of it is random, or every pod would probe a restarted server in the same millisecond.
        wait.mul_f64(rand::random_range(0.5..=1.0))
    }
}

impl<H: Handler> Work<H> {
    /// Probes until what the handler depends on is back, or until it is told to stop.
    pub(super) async fn pause(&self, reason: String, patience: &mut Patience, stop: &mut watch::Receiver<bool>) {
        if self.take_progress() {
            *patience = Patience::new();
        }
        let queue = self.queue();
        warn!(queue, reason, "consumer paused");
        let mut reason = reason;
        loop {
            self.standing().set(State::Paused { reason });
            let probed = async {
                sleep(patience.next_wait()).await;
                self.probe().await
            };
            let probed = tokio::select! {
                biased;
                () = stopped(stop) => return,
                probed = probed => probed,
            };
            match probed {
                Ok(()) => return info!(queue, "consumer resumes"),
                Err(still) => reason = still,
            }
        }
    }

    async fn probe(&self) -> Result<(), String> {
        let limit = self.options.handle_timeout;
        let probe = timeout(limit, AssertUnwindSafe(self.handler.probe()).catch_unwind());
        match probe.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("the probe panicked".to_owned()),
            Err(_) => Err(format!("the probe was not answered within {limit:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_some_seconds_and_differ() {
        let mut patience = Patience::new();
        let waits: Vec<_> = (0..20).map(|_| patience.next_wait()).collect();
        assert!(waits[0] <= SHORTEST && waits[0] >= SHORTEST / 2, "{waits:?}");
        assert!(waits[10..].iter().all(|wait| (LONGEST / 2..=LONGEST).contains(wait)), "{waits:?}");
        assert!(waits[10..].windows(2).any(|pair| pair[0] != pair[1]), "{waits:?}");
    }
}
