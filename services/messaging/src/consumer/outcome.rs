//! The outcome of a delivery.

use std::time::Duration;

use events::DecodeError;

use super::Failure;
use super::failure::FailureClass;
use crate::delivery::DeadReason;

/// The outcome of a delivery, before the consumer settles it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The handler handled it. If the consumer pauses, this may show that the handler's dependency works again.
    Handled {
        /// Whether it shows that.
        ends_pause: bool,
    },
    /// It was handled before.
    Duplicate,
    /// The same event is still being handled, so it is not known yet whether this one is a duplicate. It was not begun.
    Undecided,
    /// The attempt failed and another may work, after this wait if the handler asks for one.
    Later(String, Option<Duration>),
    /// It is not known yet whether the event is at fault. No attempt is counted.
    Postponed(String, Option<Duration>),
    /// No attempt will work.
    Dead(DeadReason, String),
    /// The handler's dependency is down. No attempt is counted.
    Outage(String),
    /// It was not begun.
    Unbegun,
    /// It was not begun, and its session has ended: the broker delivers it again.
    Abandoned,
}

/// The delay before the next attempt, when this many have failed; none if the delays are used up.
pub(crate) fn next_delay(failed: u32, delays: &[Duration]) -> Option<Duration> {
    let done = usize::try_from(failed).unwrap_or(usize::MAX);
    delays.get(done.checked_sub(1)?).copied()
}

/// The delay that a wait of the handler's own becomes: the shortest that is as long, else the longest.
pub(crate) fn delay_for(wait: Duration, delays: &[Duration]) -> Option<Duration> {
    delays.iter().filter(|delay| **delay >= wait).min().or(delays.iter().max()).copied()
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        let (class, reason, after) = failure.into_parts();
        match class {
            FailureClass::Later => Self::Later(reason, after),
            FailureClass::Postponed => Self::Postponed(reason, after),
            FailureClass::ForGood => Self::Dead(DeadReason::ForGood, reason),
            FailureClass::Outage => Self::Outage(reason),
        }
    }
}

impl From<DecodeError> for Outcome {
    fn from(error: DecodeError) -> Self {
        Self::Dead(DeadReason::Undecodable, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_delay_is_used_once_and_then_the_attempts_are_used_up() {
        let delays = [1, 10].map(Duration::from_secs);
        let planned: Vec<_> = (1..=4).map(|failed| next_delay(failed, &delays)).collect();
        assert_eq!(planned, [Some(delays[0]), Some(delays[1]), None, None]);
        assert_eq!(next_delay(u32::MAX, &delays), None);
    }

    #[test]
    fn a_wait_of_its_own_becomes_the_next_longer_delay_or_the_longest() {
        let delays = [60, 1, 10].map(Duration::from_secs);
        for (wait, delay) in [(0, 1), (1_000, 1), (1_001, 10), (10_000, 10), (59_999, 60), (3_600_000, 60)] {
            let found = delay_for(Duration::from_millis(wait), &delays);
            assert_eq!(found, Some(Duration::from_secs(delay)), "{wait} ms");
        }
    }

    #[test]
    fn a_failure_becomes_what_its_class_says() {
        assert_eq!(Outcome::from(Failure::later("busy")), Outcome::Later("busy".to_owned(), None));
        assert_eq!(Outcome::from(Failure::postponed("who knows")), Outcome::Postponed("who knows".to_owned(), None));
        let (soon, wait) = (Failure::later("busy").after(Duration::from_secs(3)), Some(Duration::from_secs(3)));
        assert_eq!(Outcome::from(soon), Outcome::Later("busy".to_owned(), wait));
        assert_eq!(Outcome::from(Failure::for_good("no")), Outcome::Dead(DeadReason::ForGood, "no".to_owned()));
        assert_eq!(Outcome::from(Failure::outage("down")), Outcome::Outage("down".to_owned()));
    }
}
