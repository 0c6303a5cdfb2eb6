//! The way back from an attempt to the session whose delivery it is.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Where outcomes are reported. It closes with its session; the deliveries are the broker's again then.
#[derive(Debug)]
pub(super) struct Desk {
    reports: UnboundedSender<Report>,
    leaving: AtomicBool,
    /// The broker counts every return, so what goes back goes as a copy.
    counts_returns: bool,
}

/// What a session has to know of its deliveries, by their tags.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Handled, or copied elsewhere: acknowledge it.
    Done(u64),
    /// Given back by a copy: acknowledge it with those before it.
    Copied(u64),
    /// Unchanged: requeue it.
    Back(u64),
    /// What the handler depends on is down. The delivery is settled later.
    Outage(String),
    /// The copy of one is not published in time: it may take for ever.
    Stuck,
    /// It is published after all. The delivery is settled next.
    Unstuck,
}

impl Desk {
    /// There are never more than a few reports for each delivery in hand, so the channel needs no bound of its own.
    pub(super) fn open(counts_returns: bool) -> (Self, UnboundedReceiver<Report>) {
        let (sender, reports) = unbounded_channel();
        (Self { reports: sender, leaving: AtomicBool::new(false), counts_returns }, reports)
    }

    pub(super) fn report(&self, report: Report) {
        // Without a session the delivery is the broker's again; there is nobody to tell.
        let _ = self.reports.send(report);
    }

    /// Resolves when the session has ended.
    pub(super) async fn closed(&self) {
        self.reports.closed().await;
    }

    pub(super) fn counts_returns(&self) -> bool {
        self.counts_returns
    }

    /// From here on nothing may be begun.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }
}
