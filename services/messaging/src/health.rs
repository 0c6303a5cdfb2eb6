//! Gives readiness, metrics and the log the same state, and tells the log each trouble only once.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::metrics::HealthMetrics;
use crate::{Error, State};

/// A trouble is over when nothing was wrong for this long.
const OVER: Duration = Duration::from_secs(10);
/// A trouble that did not occur for this long, while another lasted, is logged again.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// The health of a publisher or consumer. Readiness reads clones of its receiver.
#[derive(Debug)]
pub(crate) struct Health {
    what: String,
    state: watch::Sender<State>,
    metrics: Option<HealthMetrics>,
    told: Mutex<Told>,
}

/// The troubles that were logged.
#[derive(Debug, Default)]
struct Told {
    /// Each kind of trouble, and when it last occurred.
    troubles: Vec<(&'static str, Instant)>,
    /// Since when nothing is wrong.
    well: Option<Instant>,
}

impl Told {
    /// Whether there was trouble, and nothing was wrong for long enough since. From then on, any trouble is a new
    /// one.
    fn ends(&mut self, now: Instant) -> bool {
        let over = self.well.is_some_and(|since| now >= since + OVER) && !self.troubles.is_empty();
        if over {
            self.troubles.clear();
        }
        over
    }

    /// Notes a trouble, and says whether to log it.
    fn meets(&mut self, kind: &'static str, now: Instant) -> bool {
        self.ends(now);
        self.well = None;
        let Some((_, last)) = self.troubles.iter_mut().find(|(known, _)| *known == kind) else {
            self.troubles.push((kind, now));
            return true;
        };
        now >= std::mem::replace(last, now) + FORGOTTEN
    }
}

impl Health {
    /// `what` begins each log line, such as `publisher to order-exchange`. Without metrics, this is the health of a
    /// part whose state does not show in the state of the whole.
    pub(crate) fn new(what: String, metrics: impl Into<Option<HealthMetrics>>) -> Self {
        let metrics = metrics.into();
        let state = State::Connecting { reason: None };
        if let Some(metrics) = &metrics {
            metrics.state(&state);
        }
        Self { what, state: watch::Sender::new(state), metrics, told: Mutex::default() }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Sets a state in which nothing is wrong, or which itself says what is.
    pub(crate) fn set(&self, state: State) {
        // This is the end, whatever still happens.
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

    /// Notes that something failed and will be tried again. It logs one line for each kind of trouble, however often
    /// it occurs, until the trouble has stayed away.
    pub(crate) fn trouble(&self, error: &Error) {
        self.tell(error, error.state(false), "is out of order, and tries again");
    }

    /// Notes that something is wrong without which the work can go on. It logs like a failure.
    pub(crate) fn amiss(&self, error: &Error) {
        self.tell(error, error.state(true), "goes on, but not all is as it should be");
    }

    fn tell(&self, error: &Error, state: State, how: &str) {
        let (name, what) = (state.name(), &self.what);
        let new = self.told().meets(error.kind(), Instant::now());
        match new {
            true => warn!(state = name, reason = %error, "{what} {how}"),
            false => debug!(state = name, reason = %error, "{what} {how}"),
        }
        self.set(state);
    }

    /// Notes that nothing is wrong now.
    pub(crate) fn well(&self, state: State) {
        self.told().well.get_or_insert_with(Instant::now);
        self.set(state);
    }

    /// Is called every few seconds while nothing is wrong. It logs one line once a trouble has stayed away.
    pub(crate) fn tell_recovery(&self) {
        let over = self.told().ends(Instant::now());
        if over {
            info!(state = self.state.borrow().name(), "{} works again", self.what);
        }
    }

    /// Whether a trouble that may occur again was logged.
    pub(crate) fn is_troubled(&self) -> bool {
        !self.told().troubles.is_empty()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("nothing panics while it holds what was told")
    }

    /// Notes that an alarm of the broker began, or is over, and logs a line for each.
    pub(crate) fn alarm(&self, blocked: bool, over: State) {
        if blocked {
            warn!("{} is blocked: the broker has a memory or disk alarm", self.what);
            self.set(State::Blocked);
        } else {
            info!("{} is no longer blocked", self.what);
            self.set(over);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_told_once_until_it_has_stayed_away() {
        let (mut log, start) = (Told::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert!(log.meets("connection", start));
        for seconds in 1..1_000 {
            let now = start + seconds * second;
            log.well.get_or_insert(now - second / 2);
            assert!(!log.ends(now), "it has not stayed away");
            assert!(!log.meets("connection", now), "after {seconds} s");
        }
        let back = start + 1_000 * second;
        log.well.get_or_insert(back);
        assert!(log.ends(back + OVER), "one line says that it is over");
        assert!(!log.ends(back + 2 * OVER), "and one only");
        assert!(log.meets("connection", back + 2 * OVER));
    }

    #[test]
    fn troubles_that_alternate_are_told_once_each_and_again_when_one_was_forgotten() {
        let (mut log, start) = (Told::default(), Instant::now());
        let mut lines = 0;
        for seconds in 0..100 {
            let now = start + Duration::from_secs(seconds);
            lines += usize::from(log.meets(["connection", "access"][seconds as usize % 2], now));
        }
        assert_eq!(lines, 2);
        let later = start + Duration::from_secs(99) + FORGOTTEN;
        assert!(log.meets("connection", later));
    }
}
