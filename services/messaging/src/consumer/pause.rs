//! Waiting for what a handler depends on, without touching a message.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::work::Work;
use super::{Handler, stopped};
use crate::State;
use crate::panics::caught;

/// The wait before the first probe; each further wait is twice as long.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest wait between two probes.
const LONGEST: Duration = Duration::from_secs(5);

/// A pause, from the first outage until an event is handled.
#[derive(Debug)]
pub(super) struct Pause {
    /// What was said last: by the handler, or by its probe.
    reason: String,
    /// The last that was logged, so that each is told once.
    told: Option<String>,
    patience: Patience,
    /// How far the way back to consuming is.
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What the handler depends on does not answer its probe.
    Down,
    /// It does, and an event shows whether it works.
    Trial,
    /// There was no event to show it.
    Idle,
}

impl Pause {
    /// What readiness says. While nothing waits nobody is kept waiting, so that is as good as consuming.
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

/// How long to wait before asking again. A probe that succeeds does not shorten it, only an event that was handled: a dependency that
/// answers probes and refuses work is not asked in a tight loop.
#[derive(Debug)]
struct Patience(Duration);

impl Patience {
    fn new() -> Self {
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
    /// An event met an outage: a pause begins, or goes on.
    pub(super) fn outage(&self, reason: String) {
        let fresh = || Pause { reason: String::new(), told: None, patience: Patience::new(), stage: Stage::Down };
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

    /// Whether readiness still says so.
    pub(super) fn shows_pause(&self) -> bool {
        self.sound_state() != State::Consuming
    }

    /// There is nothing to try: readiness says so no more.
    pub(super) fn nothing_to_try(&self) {
        if let Some(pause) = &mut *self.pause() {
            pause.stage = Stage::Idle;
        }
        self.metrics.oldest.set(0);
        self.subscribed();
    }

    /// An event was handled: the pause is over.
    pub(super) fn resume(&self) {
        *self.pause() = None;
        info!(queue = self.queue(), "consumer resumes");
    }

    /// While what the handler depends on is down: probes until it is back, or until it is told to stop.
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

    /// How long to wait before the next probe, if there is one; readiness has the reason from here on.
    fn next_wait(&self) -> Option<Duration> {
        let (state, wait) = {
            let mut pause = self.pause();
            let pause = pause.as_mut().filter(|pause| pause.stage == Stage::Down)?;
            (pause.state(), pause.patience.next_wait())
        };
        self.standing.set(state);
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
        let mut patience = Patience::new();
        let waits: Vec<_> = (0..20).map(|_| patience.next_wait()).collect();
        assert!(waits[0] <= SHORTEST && waits[0] >= SHORTEST / 2, "{waits:?}");
        assert!(waits[10..].iter().all(|wait| (LONGEST / 2..=LONGEST).contains(wait)), "{waits:?}");
        assert!(waits[10..].windows(2).any(|pair| pair[0] != pair[1]), "{waits:?}");
    }
}
