//! The way back from an attempt to the session whose delivery it is.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Where outcomes are reported. It closes with its session; the deliveries are the broker's again then.
#[derive(Debug)]
pub(super) struct Desk {
    reports: UnboundedSender<Report>,
    leaving: AtomicBool,
    /// What goes back goes as a copy.
    returns_by_copy: AtomicBool,
}

/// What a session has to know of its deliveries, by their tags.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Handled: acknowledge it.
    Handled(u64),
    /// Handled before, or copied elsewhere: acknowledge it.
    Done(u64),
    /// Given back by a copy: acknowledge it with those before it.
    Copied(u64),
    /// Unchanged: requeue it.
    Back(u64),
    /// Unchanged, after a panic: requeue it so that the broker counts it.
    Panicked(u64),
    /// What the handler depends on is down. The delivery is settled later.
    Outage(String),
    /// The copy of one is not published in time: it may take for ever.
    Stuck,
    /// It is published after all. The delivery is settled next.
    Unstuck,
}

impl Desk {
    /// There are never more than a few reports for each delivery in hand, so the channel needs no bound of its own.
    pub(super) fn open(returns_by_copy: bool) -> (Self, UnboundedReceiver<Report>) {
        let (sender, reports) = unbounded_channel();
        let returns_by_copy = AtomicBool::new(returns_by_copy);
        (Self { reports: sender, leaving: AtomicBool::new(false), returns_by_copy }, reports)
    }

    pub(super) fn report(&self, report: Report) {
        // Without a session the delivery is the broker's again; there is nobody to tell.
        let _ = self.reports.send(report);
    }

    /// Resolves when the session has ended.
    pub(super) async fn closed(&self) {
        self.reports.closed().await;
    }

    pub(super) fn returns_by_copy(&self) -> bool {
        self.returns_by_copy.load(Ordering::Relaxed)
    }

    /// From here on what goes back does so by a copy, or not.
    pub(super) fn set_returns_by_copy(&self, by_copy: bool) {
        self.returns_by_copy.store(by_copy, Ordering::Relaxed);
    }

    /// From here on nothing may be begun.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }
}
