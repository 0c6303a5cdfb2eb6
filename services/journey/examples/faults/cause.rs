//! Why an order was mailed more than once.

use std::collections::HashMap;
use std::time::SystemTime;

use uuid::Uuid;

use crate::ledger::Entry;
use crate::log::{self, Line};
use crate::service::{End, Service};
use crate::shop::REMEMBERED;

/// A cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// The email process was killed before it could acknowledge.
    Killed,
    /// The answer of the mail server, which had taken the mail, never came.
    Unanswered,
    /// The handler outlasted its time after the mail server had taken the mail.
    TimedOut,
    /// A copy for a later attempt was confirmed, and then its original came again.
    Copied,
    /// The event was sent more than once, and the process that knew it had ended between the copies.
    Resent,
    /// The acknowledgement was lost with the connection, and the process that knew the event had ended.
    Reconnected,
    /// So many other events were handled between that it was forgotten.
    Evicted,
    /// None of these.
    Unexplained,
}

impl Cause {
    /// A word for the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Unanswered => "mail server's answer lost",
            Self::TimedOut => "handler timed out",
            Self::Copied => "copy before acknowledgement",
            Self::Resent => "unconfirmed and sent again",
            Self::Reconnected => "acknowledgement lost",
            Self::Evicted => "evicted",
            Self::Unexplained => "UNEXPLAINED",
        }
    }
}

/// One mail of an event that was mailed more than once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending {
    /// Which life of the email process wrote it.
    pub(crate) life: usize,
    /// When the mail server told of it.
    pub(crate) at: SystemTime,
    /// How many mails there were before it.
    pub(crate) number: usize,
}

/// What there is to prove a cause with.
pub(crate) struct Evidence {
    ends: Vec<(End, SystemTime)>,
    /// What each life of email logged about the events in question.
    lines: Vec<HashMap<Uuid, Vec<Line>>>,
    /// When each life of email lost a connection.
    losses: Vec<Vec<SystemTime>>,
    /// When order lost its connection, or ended.
    order_losses: Vec<SystemTime>,
}

impl Evidence {
    /// Reads the logs.
    pub(crate) fn gather(email: &Service, order: &Service, events: &std::collections::HashSet<Uuid>) -> Self {
        let (mut lines, mut losses) = (Vec::new(), Vec::new());
        for log in email.logs() {
            lines.push(log::about(&log, events));
            losses.push(log::losses(&log));
        }
        let mut order_losses: Vec<_> = order.logs().flat_map(|log| log::losses(&log)).collect();
        order_losses.extend(order.past().iter().map(|life| life.at));
        let ends = email.past().iter().map(|life| (life.end, life.at)).collect();
        Self { ends, lines, losses, order_losses }
    }

    /// Why `second` followed on `first`.
    pub(crate) fn judge(&self, event: Uuid, entry: Option<&Entry>, first: Sending, second: Sending) -> Cause {
        if second.number - first.number > REMEMBERED {
            return Cause::Evicted;
        }
        if let Some(cause) = self.failed_attempt(event, first.life) {
            return cause;
        }
        if first.life == second.life {
            return Cause::Unexplained;
        }
        let lives = first.life.min(second.life)..first.life.max(second.life);
        if self.ends[lives].iter().any(|(end, _)| *end == End::Killed) {
            return Cause::Killed;
        }
        let resent = entry.is_some_and(|entry| {
            let until = entry.accepted.unwrap_or(second.at);
            entry.attempts > 1 || log::between(&self.order_losses, entry.first_sent, until)
        });
        if resent {
            return Cause::Resent;
        }
        let (_, ended) = self.ends[first.life];
        if log::between(&self.losses[first.life], first.at, ended) {
            return Cause::Reconnected;
        }
        Cause::Unexplained
    }

    /// What that life says of attempts that failed, though the mail server took the mail. Two mails that both succeeded in one life are none.
    fn failed_attempt(&self, event: Uuid, life: usize) -> Option<Cause> {
        let lines = self.lines.get(life)?.get(&event).map_or(&[][..], Vec::as_slice);
        let count = |message: &str| lines.iter().filter(|line| line.message() == message).count();
        let failed = lines.iter().filter(|line| line.message().starts_with("event failed"));
        if failed.clone().any(|line| line.error().contains("not handled within")) {
            return Some(Cause::TimedOut);
        }
        if count("email sent") == 0 {
            let killed = self.ends.get(life).is_some_and(|(end, _)| *end == End::Killed);
            return Some(if killed { Cause::Killed } else { Cause::Unanswered });
        }
        if count("event given back") > 0 || failed.count() > 0 {
            let copied = lines.iter().any(|line| line.message() == "delivery has come back");
            return Some(if copied { Cause::Copied } else { Cause::Unanswered });
        }
        None
    }
}
