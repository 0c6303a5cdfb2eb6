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
    /// The attempt failed and another may work.
    Later(String),
    /// It is not known yet whether the event is at fault. No attempt is counted.
    Postponed(String),
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

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        let (class, reason) = failure.into_parts();
        match class {
            FailureClass::Later => Self::Later(reason),
            FailureClass::Postponed => Self::Postponed(reason),
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
    fn a_failure_becomes_what_its_class_says() {
        assert_eq!(Outcome::from(Failure::later("busy")), Outcome::Later("busy".to_owned()));
        assert_eq!(Outcome::from(Failure::postponed("who knows")), Outcome::Postponed("who knows".to_owned()));
        assert_eq!(Outcome::from(Failure::for_good("no")), Outcome::Dead(DeadReason::ForGood, "no".to_owned()));
        assert_eq!(Outcome::from(Failure::outage("down")), Outcome::Outage("down".to_owned()));
    }
}
