//! Which deliveries may have killed a process: a count makes a suspect, not a culprit.

use std::sync::Mutex;

use super::recent::{Fingerprint, Recent};
use crate::letter::Returned;

/// Returned this often without an answer, a delivery is handled alone.
const SUSPECT_AT: u32 = 2;
/// How many deliveries the pardons remember: several connections' worth at a large prefetch, at about 60 bytes each.
const PARDONS: usize = 8192;

/// How a delivery has to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suspicion {
    /// Like any other.
    None,
    /// It was in hand when connections or processes ended: it is handled alone, so that if it kills this process it alone is counted.
    Suspect,
    /// It was handled alone and ended the process, again and again: it is set aside.
    Culprit,
}

impl Returned {
    /// Judges a delivery. `pardoned` is up to which count its returns say nothing against it.
    pub(crate) fn judge(self, pardoned: u32, max_deliveries: u32) -> Suspicion {
        match self {
            Self::Never => Suspicion::None,
            Self::Times(times) => match times.saturating_sub(pardoned) {
                held if held >= max_deliveries => Suspicion::Culprit,
                held if held >= SUSPECT_AT => Suspicion::Suspect,
                _ => Suspicion::None,
            },
            Self::Sometime if pardoned > 0 => Suspicion::None,
            Self::Sometime => Suspicion::Suspect,
        }
    }
}

/// Deliveries that were in hand when a connection ended and this process did not, each with the count up to which it is pardoned: the broker
/// counts them all, once or, when it was killed itself, twice.
#[derive(Debug)]
pub(crate) struct Pardons(Mutex<Recent<u32>>);

impl Pardons {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Recent::new(PARDONS)))
    }

    /// Notes that each of these, held at this count, comes back with a higher one through no fault of its own.
    pub(crate) fn grant(&self, held: impl Iterator<Item = (Fingerprint, u32)>) {
        let mut pardons = self.0.lock().expect("nothing panics while it holds the pardons");
        held.for_each(|(delivery, times)| pardons.update(delivery, |pardoned| *pardoned = times.saturating_add(1)));
    }

    /// Up to which count it is pardoned.
    pub(crate) fn of(&self, delivery: Fingerprint) -> u32 {
        self.0.lock().expect("nothing panics while it holds the pardons").get(delivery).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::recent::Fingerprints;
    use super::*;

    #[test]
    fn a_count_below_two_makes_no_suspect_and_one_at_the_limit_is_set_aside() {
        let verdicts: Vec<_> = (0..=6).map(|times| Returned::Times(times).judge(0, 5)).collect();
        use Suspicion::{Culprit, None, Suspect};
        assert_eq!(verdicts, [None, None, Suspect, Suspect, Suspect, Culprit, Culprit]);
        assert_eq!(Returned::Never.judge(0, 5), None);
    }

    #[test]
    fn five_connections_lost_over_a_slow_message_make_no_suspect_of_it() {
        let (pardons, slow) = (Pardons::new(), Fingerprints::default().of("slow"));
        // The third loss counts twice.
        for times in [0, 1, 2, 4, 5, 6] {
            assert_eq!(Returned::Times(times).judge(pardons.of(slow), 5), Suspicion::None, "at {times} returns");
            pardons.grant([(slow, times)].into_iter());
        }
        assert_eq!(Returned::Times(9).judge(pardons.of(slow), 5), Suspicion::Suspect, "somebody else lost it since");
    }

    #[test]
    fn a_redelivery_from_a_classic_queue_is_suspect_and_never_set_aside() {
        assert_eq!(Returned::Sometime.judge(0, 1), Suspicion::Suspect);
        assert_eq!(Returned::Sometime.judge(1, 1), Suspicion::None);
    }
}
