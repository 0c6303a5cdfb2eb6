//! Tells readiness, metrics and the log the same, and the log each trouble only once.

use tokio::sync::watch;
use tracing::{info, warn};

use crate::metrics::StandingMetrics;
use crate::{Error, State};

/// How a publisher or consumer stands. Clones of its receiver are what readiness reads.
#[derive(Debug)]
pub(crate) struct Standing {
    what: String,
    state: watch::Sender<State>,
    metrics: Option<StandingMetrics>,
    trouble: Option<&'static str>,
}

impl Standing {
    /// `what` begins each log line, such as `publisher to order-exchange`. Without metrics, this is the standing of a part whose state
    /// the whole does not show.
    pub(crate) fn new(what: String, metrics: impl Into<Option<StandingMetrics>>) -> Self {
        let metrics = metrics.into();
        let state = State::Connecting { reason: None };
        if let Some(metrics) = &metrics {
            metrics.state(&state);
        }
        Self { what, state: watch::Sender::new(state), metrics, trouble: None }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// A state in which nothing is amiss, or which says itself what is.
    pub(crate) fn set(&self, state: State) {
        // Whatever still happens then, it is the end.
        if *self.state.borrow() == State::Draining && state != State::Stopped {
            return;
        }
        if let Some(metrics) = &self.metrics {
            metrics.state(&state);
        }
        self.state.send_if_modified(|current| {
            let changed = *current != state;
            *current = state;
            changed
        });
    }

    /// Something failed and will be tried again: one log line, until it is over or something else fails.
    pub(crate) fn trouble(&mut self, error: &Error) {
        let state = error.state();
        if self.trouble != Some(error.kind()) {
            warn!(state = state.name(), reason = %error, "{} is out of order, and tries again", self.what);
        }
        self.trouble = Some(error.kind());
        self.set(state);
    }

    /// All is well: one log line, if it was not.
    pub(crate) fn well(&mut self, state: State) {
        if self.trouble.take().is_some() {
            info!(state = state.name(), "{} works again", self.what);
        }
        self.set(state);
    }

    /// An alarm of the broker began, or is over; a log line for each.
    pub(crate) fn alarm(&self, blocked: bool, over: State) {
        if blocked {
            warn!("{} is blocked: the broker has a memory or disk alarm", self.what);
            self.set(State::Blocked);
        } else {
            info!("{} is blocked no more", self.what);
            self.set(over);
        }
    }
}
