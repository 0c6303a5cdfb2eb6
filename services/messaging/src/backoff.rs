//! How long to wait before trying again.

use std::time::Duration;

use crate::Error;

const SHORTEST: Duration = Duration::from_millis(100);
/// The longest wait while the broker is away. It stays this short however long the broker is away, because consumers
/// have to be back within a second of its return.
const AWAY: Duration = Duration::from_millis(500);
/// The longest wait when the broker accepts connections and loses them again. Each connection costs the broker work
/// and a log line.
const LOST: Duration = Duration::from_secs(2);
/// The longest wait when the broker refuses an object.
const OBJECT_REFUSED: Duration = Duration::from_secs(5);
/// The longest wait when the broker refuses the credentials. The broker logs each attempt, and a proxy may lock the
/// user out.
const REFUSED: Duration = Duration::from_secs(30);
/// A session that lasted this long counts as a success, even if it settled nothing.
const WELL: Duration = Duration::from_secs(5);

/// The delays between attempts to connect. Half of each delay is random. They grow from 50 ms to 500 ms while the
/// broker is away, and further while the broker is there. They never end.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Attempts in a row that did not reach the broker.
    away: u32,
    /// Attempts in a row that reached the broker and settled nothing.
    vain: u32,
}

impl Backoff {
    /// Starts again with the shortest delay. The caller has settled something.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Notes the end of a session that worked, as far as its owner saw, for `lasted`. A connection alone shows
    /// nothing. Says whether that was long enough.
    pub(crate) fn lasted(&mut self, so_long: Duration) -> bool {
        let well = so_long >= WELL;
        if well {
            self.reset();
        }
        well
    }

    /// The wait after one more failure.
    pub(crate) fn next_delay(&mut self, error: &Error) -> Duration {
        let grown = |failures: &mut u32, longest: Duration| {
            let delay = SHORTEST.saturating_mul(1 << (*failures).min(8)).min(longest);
            *failures = failures.saturating_add(1);
            delay
        };
        let longest = match error {
            Error::CredentialsRefused { .. } => REFUSED,
            Error::Lost { .. } => grown(&mut self.vain, LOST),
            Error::AccessRefused { .. } | Error::Conflict { .. } => grown(&mut self.vain, OBJECT_REFUSED),
            _ => grown(&mut self.away, AWAY),
        };
        if let Error::Lost { .. } | Error::AccessRefused { .. } | Error::Conflict { .. } = error {
            self.away = 0;
        }
        spread(longest)
    }
}

/// Waits that double, from a first to a longest one. Half of each wait is random.
#[derive(Debug)]
pub(crate) struct Doubling {
    next: Duration,
    longest: Duration,
}

impl Doubling {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        spread(wait)
    }
}

/// Makes half of a wait random, or every pod would ask a restarted server in the same millisecond.
fn spread(wait: Duration) -> Duration {
    wait.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> Error {
        Error::Unreachable { broker: "h:1".into(), reason: "refused".into() }
    }

    fn lost() -> Error {
        Error::Lost { reason: "gone".into() }
    }

    fn conflict() -> Error {
        Error::Conflict { object: "queue \"q\"".into(), reason: "no".into() }
    }

    /// The hundredth delay in a row.
    fn late(error: &Error) -> Duration {
        let mut backoff = Backoff::default();
        assert!((50..=100).contains(&backoff.next_delay(error).as_millis()), "the first is short");
        (1..100).map(|_| backoff.next_delay(error)).last().unwrap()
    }

    #[test]
    fn delays_grow_and_stay_at_what_the_broker_can_bear() {
        for (error, longest) in [(away(), AWAY), (lost(), LOST), (conflict(), OBJECT_REFUSED)] {
            let late = late(&error);
            assert!((longest / 2..=longest).contains(&late), "{error}: {late:?}");
        }
    }

    #[test]
    fn refused_credentials_are_tried_seldom() {
        let refused = Error::CredentialsRefused { broker: "h:1".into(), user: "u".into(), reason: "no".into() };
        assert!(Backoff::default().next_delay(&refused) >= REFUSED / 2);
    }

    #[test]
    fn a_connection_that_is_lost_again_and_again_begins_nothing_anew_until_it_was_well() {
        let mut backoff = Backoff::default();
        for _ in 0..20 {
            backoff.next_delay(&lost());
            backoff.lasted(WELL - Duration::from_millis(1));
        }
        assert!(backoff.next_delay(&lost()) >= LOST / 2);
        backoff.lasted(WELL);
        assert!(backoff.next_delay(&lost()) <= SHORTEST);
        backoff.next_delay(&lost());
        backoff.reset();
        assert!(backoff.next_delay(&lost()) <= SHORTEST);
    }

    #[test]
    fn a_broker_that_was_away_for_long_and_is_back_is_dialled_soon_when_it_goes_again() {
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            backoff.next_delay(&away());
        }
        assert!(backoff.next_delay(&lost()) <= SHORTEST);
        assert!(backoff.next_delay(&away()) <= SHORTEST);
    }

    #[test]
    fn delays_differ_from_process_to_process() {
        let first = || (0..8).map(|_| Backoff::default().next_delay(&lost())).collect::<Vec<_>>();
        assert_ne!(first(), first());
    }
}
