//! Carries settlements from the tasks of deliveries to the session that owns the deliveries.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The sender of settlements. It closes when its session ends; the broker then delivers again what the session did not
/// answer.
#[derive(Debug)]
pub(super) struct Settlements {
    reports: UnboundedSender<Settlement>,
    leaving: AtomicBool,
    /// Whether a delivery that is requeued has to be requeued as a copy.
    returns_by_copy: AtomicBool,
}

/// What a session learns about the settling of a delivery, by its tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// The handler handled it: acknowledge it.
    Handled(u64),
    /// It was handled before, or a copy of it is confirmed: acknowledge it.
    Done(u64),
    /// It was requeued as a copy: acknowledge it with those in front of it.
    Copied(u64),
    /// It is unchanged: requeue it.
    Back(u64),
    /// It is unchanged, after a panic: requeue it in the way that the broker counts.
    Panicked(u64),
    /// The handler's dependency is down. Another settlement of the delivery follows.
    Outage(String),
    /// The copy of a delivery is not published in time, and may never be.
    Stuck,
    /// The copy is published after all. The settlement of its delivery follows.
    Unstuck,
}

impl Settlements {
    /// A delivery causes only a few settlements, so the prefetch bounds the channel.
    pub(super) fn open(returns_by_copy: bool) -> (Self, UnboundedReceiver<Settlement>) {
        let (sender, reports) = unbounded_channel();
        let returns_by_copy = AtomicBool::new(returns_by_copy);
        (Self { reports: sender, leaving: AtomicBool::new(false), returns_by_copy }, reports)
    }

    pub(super) fn report(&self, report: Settlement) {
        // When the session has ended, the broker delivers again, and nobody needs the settlement.
        let _ = self.reports.send(report);
    }

    /// Resolves when the session has ended.
    pub(super) async fn closed(&self) {
        self.reports.closed().await;
    }

    pub(super) fn returns_by_copy(&self) -> bool {
        self.returns_by_copy.load(Ordering::Relaxed)
    }

    /// From now on a delivery is requeued as a copy, or not at all.
    pub(super) fn set_returns_by_copy(&self, by_copy: bool) {
        self.returns_by_copy.store(by_copy, Ordering::Relaxed);
    }

    /// From now on no delivery may be begun.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }
}
