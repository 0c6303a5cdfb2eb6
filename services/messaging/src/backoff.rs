//! How long to wait before dialling again.

use std::time::Duration;

use crate::Error;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(500);
/// A broker that refuses our credentials is asked seldom: it logs each attempt, and a proxy may lock the user out.
const REFUSED: Duration = Duration::from_secs(30);

/// Delays between attempts: 50 to 500 ms, half of it random, longer only for refused credentials. It never gives up.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// To be called once all is well again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after another failure.
    pub(crate) fn next_delay(&mut self, error: &Error) -> Duration {
        let longest = match error {
            Error::CredentialsRefused { .. } => REFUSED,
            _ => SHORTEST.saturating_mul(1 << self.failures.min(8)).min(LONGEST),
        };
        self.failures += 1;
        // Half of the delay is random, or every pod would dial a restarted broker in the same millisecond.
        longest.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Error {
        Error::Lost { reason: "gone".into() }
    }

    #[test]
    fn delays_grow_to_half_a_second_and_stay_there() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..100).map(|_| backoff.next_delay(&lost()).as_millis()).collect();
        assert!((50..=100).contains(&delays[0]), "{delays:?}");
        assert!(delays[10..].iter().all(|delay| (250..=500).contains(delay)), "{delays:?}");
        backoff.reset();
        assert!(backoff.next_delay(&lost()).as_millis() <= 100);
    }

    #[test]
    fn refused_credentials_are_tried_seldom() {
        let refused = Error::CredentialsRefused { broker: "h:1".into(), user: "u".into(), reason: "no".into() };
        assert!(Backoff::default().next_delay(&refused) >= REFUSED / 2);
    }

    #[test]
    fn delays_differ_from_process_to_process() {
        let first = || (0..8).map(|_| Backoff::default().next_delay(&lost())).collect::<Vec<_>>();
        assert_ne!(first(), first());
    }
}
