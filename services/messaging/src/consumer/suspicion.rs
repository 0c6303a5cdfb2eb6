//! Which deliveries may have killed a process: a count makes a suspect, not a culprit.

use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;

use super::recent::{Fingerprint, Recent};
use crate::letter::Returned;

#[cfg(test)]
mod tests;

/// Returned this often without an answer, a delivery is handled alone.
const SUSPECT_AT: u32 = 2;
/// How many deliveries the pardons remember, at about 60 bytes each. One that is forgotten is handled alone, no more.
const PARDONS: usize = 8192;

/// How a delivery has to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suspicion {
    /// Like any other.
    None,
    /// It has come back more often than it carries with it: before it is begun, it is given back as a copy that does.
    Unrecorded,
    /// It was in hand when connections or processes ended, and carries how often: it is handled alone, so that if it kills this process it
    /// alone is accused.
    Suspect,
    /// It was handled alone and did not come out, again and again: it is set aside.
    Culprit,
}

/// What speaks against a delivery, and what for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// How often this copy came back, as the broker counts.
    pub(crate) returned: Returned,
    /// How many returns were held against the copies before it.
    pub(crate) carried: u32,
    /// This process had it in hand when a connection ended, and lives: however often it comes back, it is no suspect here.
    pub(crate) pardoned: bool,
    /// This process has outlived a connection or ended a subscription since the copy was made, so it may have come back for that alone.
    pub(crate) excused: bool,
}

impl Evidence {
    /// How many returns are held against it. The broker counts whatever was prefetched, and counts its own death twice, so the count alone
    /// makes no more than a suspect. A suspect's copy begins at zero and is handled alone: that it came back, however often, is one more.
    pub(crate) fn held(self) -> u32 {
        // A queue that counts nothing: its copy has to carry that it is a suspect, or it would be none.
        if self.returned == Returned::Sometime && !self.pardoned {
            return self.carried.max(SUSPECT_AT);
        }
        let times = self.returned.times();
        if self.carried < SUSPECT_AT {
            let unpardoned = if self.pardoned { 0 } else { times };
            return self.carried.saturating_add(unpardoned).min(SUSPECT_AT);
        }
        let accused = times > 0 && !self.excused;
        self.carried.saturating_add(accused.into())
    }

    pub(crate) fn judge(self, max_deliveries: u32) -> Suspicion {
        if self.returned == Returned::Sometime {
            return if self.pardoned { Suspicion::None } else { Suspicion::Suspect };
        }
        match self.held() {
            held if held < SUSPECT_AT => Suspicion::None,
            held if held == self.carried => Suspicion::Suspect,
            held if held >= max_deliveries => Suspicion::Culprit,
            _ => Suspicion::Unrecorded,
        }
    }
}

/// What lost connections and ended subscriptions explain: what this process had in hand when one ended and it did not, and since when it consumes
/// again. A killer that is pardoned takes the pardon with it.
#[derive(Debug)]
pub(crate) struct Pardons(Mutex<Memory>);

#[derive(Debug)]
struct Memory {
    held: Recent<()>,
    lost: bool,
    /// The first subscription after the last connection that was lost.
    back: Option<Timestamp>,
    /// The first subscription and the last.
    subscribed: Option<(Timestamp, Timestamp)>,
}

impl Pardons {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Memory { held: Recent::new(PARDONS), lost: false, back: None, subscribed: None }))
    }

    /// Notes that a channel is gone and this process is not: each of these, held on it, comes back through no fault of its own.
    pub(crate) fn grant(&self, held: impl Iterator<Item = Fingerprint>) {
        let mut memory = self.memory();
        memory.lost = true;
        held.for_each(|delivery| memory.held.update(delivery, |()| ()));
    }

    /// Notes that this process subscribes, for the first time or again.
    pub(crate) fn resume(&self, now: Timestamp) {
        let mut memory = self.memory();
        let first = memory.subscribed.map_or(now, |(first, _)| first);
        memory.subscribed = Some((first, now));
        if std::mem::take(&mut memory.lost) {
            memory.back = Some(now);
        }
    }

    /// Whether it is pardoned.
    pub(crate) fn has(&self, delivery: Fingerprint) -> bool {
        self.memory().held.get(delivery).is_some()
    }

    /// Whether something that this process has outlived may have returned a copy since it was made: a connection that was lost, or a subscription of
    /// ours that ended after we had made it. Of what a quorum queue had sent to a channel whose subscription is cancelled meanwhile, RabbitMQ 4.0
    /// counts the return. A process that is new has outlived nothing: it may be there because the copy killed the one before it.
    pub(crate) fn excuse(&self, made: Option<Timestamp>) -> bool {
        let memory = self.memory();
        let lost = made.zip(memory.back).is_some_and(|(made, back)| made < back);
        let ended = made.zip(memory.subscribed).is_some_and(|(made, (first, last))| first <= made && made < last);
        lost || ended
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().expect("nothing panics while it holds the pardons")
    }
}
