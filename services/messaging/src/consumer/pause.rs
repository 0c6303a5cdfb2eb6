//! Waits until the handler's dependency works again, without touching a message.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::work::Work;
use super::{Handler, stopped};
use crate::State;
use crate::backoff::Doubling;
use crate::panics::caught;

/// The wait before the first probe; each further wait is twice as long.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest wait between two probes.
const LONGEST: Duration = Duration::from_secs(5);

/// A pause. It begins with the first outage and ends when an event is handled.
#[derive(Debug)]
pub(super) struct Pause {
    /// The last reason, from the handler or its probe.
    reason: String,
    /// The last reason that was logged, so that each is logged once.
    told: Option<String>,
    /// How long to wait before the next probe. Only a handled event shortens it again, not a successful probe, because
    /// a dependency may answer probes and refuse work.
    waits: Doubling,
    /// How far the consumer is on its way back to consuming.
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The dependency does not answer the probe.
    Down,
    /// The dependency answers the probe, and an event has to show whether it works.
    Trial,
    /// The dependency answers the probe, and no event has arrived to show whether it works.
    Idle,
}

impl Pause {
    /// Whether readiness reports the pause. While no event waits, nobody is kept waiting, so the consumer counts as
    /// consuming.
    pub(super) fn state(&self) -> State {
        let reason = &self.reason;
        match self.stage {
            Stage::Down => State::Paused { reason: reason.clone() },
            Stage::Trial => {
                State::Paused { reason: format!("{reason}; it answers again, and one event is tried alone") }
            }
            Stage::Idle => State::Consuming,
        }
    }
}

impl<H: Handler> Work<H> {
    /// Notes that an event met an outage: a pause begins, or goes on.
    pub(super) fn outage(&self, reason: String) {
        let fresh =
            || Pause { reason: String::new(), told: None, waits: Doubling::new(SHORTEST, LONGEST), stage: Stage::Down };
        let told = {
            let mut pause = self.pause();
            let pause = pause.get_or_insert_with(fresh);
            (pause.stage, pause.reason) = (Stage::Down, reason.clone());
            pause.told.replace(reason.clone())
        };
        if told.as_ref() != Some(&reason) {
            warn!(queue = self.queue(), reason, "consumer paused");
        }
    }

    /// Whether no event was handled since the last outage.
    pub(super) fn is_paused(&self) -> bool {
        self.pause().is_some()
    }

    /// Whether readiness still reports the pause.
    pub(super) fn shows_pause(&self) -> bool {
        self.pause().as_ref().is_some_and(|pause| pause.state() != State::Consuming)
    }

    /// Notes that no event came to try; readiness reports the pause no longer.
    pub(super) fn nothing_to_try(&self) {
        if let Some(pause) = &mut *self.pause() {
            pause.stage = Stage::Idle;
        }
        self.metrics.oldest.set(0);
        self.subscribed();
    }

    /// Notes that an event was handled: the pause is over.
    pub(super) fn resume(&self) {
        *self.pause() = None;
        info!(queue = self.queue(), "consumer resumes");
    }

    /// Probes until the dependency works again, or until a stop is requested.
    pub(super) async fn wait_out(&self, stop: &mut watch::Receiver<bool>) {
        while let Some(wait) = self.next_wait() {
            let probed = async {
                sleep(wait).await;
                self.probe().await
            };
            let probed = tokio::select! {
                biased;
                () = stopped(stop) => return,
                probed = probed => probed,
            };
            if let Some(pause) = &mut *self.pause() {
                match probed {
                    Ok(()) => return pause.stage = Stage::Trial,
                    Err(still) => pause.reason = still,
                }
            }
        }
    }

    /// How long to wait before the next probe, if another is due. Readiness shows the reason from now on.
    fn next_wait(&self) -> Option<Duration> {
        let (state, wait) = {
            let mut pause = self.pause();
            let pause = pause.as_mut().filter(|pause| pause.stage == Stage::Down)?;
            (pause.state(), pause.waits.next_wait())
        };
        self.health.set(state);
        Some(wait)
    }

    async fn probe(&self) -> Result<(), String> {
        let limit = self.options.handle_timeout;
        let probe = timeout(limit, caught(self.handler.probe()));
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
        let mut waits = Doubling::new(SHORTEST, LONGEST);
        let waits: Vec<_> = (0..20).map(|_| waits.next_wait()).collect();
        assert!(waits[0] <= SHORTEST && waits[0] >= SHORTEST / 2, "{waits:?}");
        assert!(waits[10..].iter().all(|wait| (LONGEST / 2..=LONGEST).contains(wait)), "{waits:?}");
        assert!(waits[10..].windows(2).any(|pair| pair[0] != pair[1]), "{waits:?}");
    }
}
