//! Decides which deliveries may have killed a process. A count of returns makes a delivery a suspect, and no more:
//! every lost connection raises the counts of all that was prefetched.

use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;

use super::recent::{Fingerprint, Recent};
use crate::delivery::Returned;

#[cfg(test)]
mod tests;

/// A delivery that was returned this often without an answer is handled alone.
const SUSPECT_AT: u32 = 2;
/// The number of deliveries whose returns are remembered as explained, at about 60 bytes each. One that is forgotten
/// is handled alone, and suffers nothing else.
const EXPLAINED: usize = 8192;

/// How the consumer treats a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RedeliveryPolicy {
    /// Like any other.
    None,
    /// It has come back more often than its headers say. Before it is begun, it is requeued as a copy with the new
    /// count.
    Unrecorded,
    /// It was held when connections or processes ended, and its headers say how often. It is handled alone: if it
    /// kills this process, no other delivery is blamed.
    Suspect,
    /// It was handled alone, and did not come out of it, again and again. It is dead-lettered.
    Poison,
}

/// The evidence for and against a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// How often this copy came back, by the broker's count.
    pub(crate) returned: Returned,
    /// The returns that were held against the copies before it.
    pub(crate) carried: u32,
    /// This process held it when a channel or its connection ended, and lives. So it is no suspect here, however often it comes
    /// back.
    pub(crate) explained: bool,
    /// Since the copy was made, this process has survived the loss of a channel or its connection, or ended a
    /// subscription. This alone may be why it came back.
    pub(crate) excused: bool,
}

impl Evidence {
    /// The returns that are held against it. The broker counts everything that was prefetched, and counts its own
    /// death twice, so a count alone makes only a suspect. The copy of a suspect begins at zero and is handled alone.
    /// If it comes back, however often, one more return is held against it.
    pub(crate) fn held(self) -> u32 {
        // The queue counts nothing, so the copy itself has to say that it is a suspect.
        if self.returned == Returned::Sometime && !self.explained {
            return self.carried.max(SUSPECT_AT);
        }
        let times = self.returned.times();
        if self.carried < SUSPECT_AT {
            let unexplained = if self.explained { 0 } else { times };
            return self.carried.saturating_add(unexplained).min(SUSPECT_AT);
        }
        let accused = times > 0 && !self.excused;
        self.carried.saturating_add(accused.into())
    }

    pub(crate) fn judge(self, max_deliveries: u32) -> RedeliveryPolicy {
        if self.returned == Returned::Sometime {
            return if self.explained { RedeliveryPolicy::None } else { RedeliveryPolicy::Suspect };
        }
        match self.held() {
            held if held < SUSPECT_AT => RedeliveryPolicy::None,
            held if held == self.carried => RedeliveryPolicy::Suspect,
            held if held >= max_deliveries => RedeliveryPolicy::Poison,
            _ => RedeliveryPolicy::Unrecorded,
        }
    }
}

/// Remembers which returns lost channels and ended subscriptions explain: the deliveries that this process held when a
/// channel or its connection ended, and the time since it consumes again. If the return of a killer is explained and the
/// killer ends the process, the explanation is lost with the process.
#[derive(Debug)]
pub(crate) struct ExplainedReturns(Mutex<Memory>);

#[derive(Debug)]
struct Memory {
    held: Recent<()>,
    lost: bool,
    /// The first subscription after the last connection that was lost.
    back: Option<Timestamp>,
    /// The first subscription and the last.
    subscribed: Option<(Timestamp, Timestamp)>,
}

impl ExplainedReturns {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Memory { held: Recent::new(EXPLAINED), lost: false, back: None, subscribed: None }))
    }

    /// Notes that a channel has ended and this process has not. Each of these deliveries, held on that channel, comes
    /// back through no fault of its own.
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

    /// Whether the return of this delivery is explained.
    pub(crate) fn has(&self, delivery: Fingerprint) -> bool {
        self.memory().held.get(delivery).is_some()
    }

    /// Whether a copy may have come back for another reason than a killed process: since the copy was made, this
    /// process has survived the loss of a channel or its connection, or has ended a subscription. (RabbitMQ 4.0 counts a return of
    /// what a quorum queue had already sent to a channel when its subscription was cancelled.) A new process has
    /// survived nothing: it may run because the copy killed the process before it.
    pub(crate) fn excuse(&self, made: Option<Timestamp>) -> bool {
        let memory = self.memory();
        let lost = made.zip(memory.back).is_some_and(|(made, back)| made < back);
        let ended = made.zip(memory.subscribed).is_some_and(|(made, (first, last))| first <= made && made < last);
        lost || ended
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().expect("nothing panics while it holds the memory")
    }
}
