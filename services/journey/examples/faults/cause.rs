//! Finds out why an order was mailed or counted more than once.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use uuid::Uuid;

use crate::ledger::Entry;
use crate::log::{self, Line};
use crate::service::{End, Service};
use crate::shop::REMEMBERED;

/// Why an event was handled once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// The process was killed before it acknowledged.
    Killed,
    /// The mail server took the mail, and its answer was lost.
    Unanswered,
    /// The handler did its work, and took longer than `HANDLE_TIMEOUT`.
    TimedOut,
    /// A copy for a later attempt was confirmed, and the broker delivered the original again too.
    Copied,
    /// Order published the event more than once, and the consumer's process ended between the two.
    Resent,
    /// The acknowledgement was lost with the connection, and the process that remembered the event ended.
    Reconnected,
    /// The consumer handled so many other events in between that it forgot this one.
    Evicted,
    /// None of these.
    Unexplained,
}

impl Cause {
    /// Its name in the table.
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

/// One time that an event was handled: the mail server took a mail, or analytics logged a count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handling {
    /// Which life of the consumer did it.
    pub(crate) life: usize,
    /// When the mail server took the mail, or when analytics wrote the line.
    pub(crate) at: SystemTime,
    /// How many events the consumer had handled before.
    pub(crate) number: usize,
}

/// The evidence from which a cause is found.
pub(crate) struct Evidence {
    /// The message that the consumer logs when it has handled an event.
    done: &'static str,
    ends: Vec<(End, SystemTime)>,
    /// The lines that each life of the consumer logged about the events in question.
    lines: Vec<HashMap<Uuid, Vec<Line>>>,
    /// When each life of the consumer lost a connection.
    losses: Vec<Vec<SystemTime>>,
    /// When order lost its connection or ended.
    order_losses: Vec<SystemTime>,
}

impl Evidence {
    /// Reads the logs of the consumer and of order.
    pub(crate) fn gather(consumer: &Service, done: &'static str, order: &Service, events: &HashSet<Uuid>) -> Self {
        let (mut lines, mut losses) = (Vec::new(), Vec::new());
        for life in consumer.processes() {
            let (about, lost) = log::about(consumer, life, events);
            lines.push(about);
            losses.push(lost);
        }
        let mut order_losses: Vec<_> = order.processes().flat_map(|life| log::about(order, life, events).1).collect();
        order_losses.extend(order.past().iter().map(|life| life.at));
        let ends = consumer.past().iter().map(|life| (life.end, life.at)).collect();
        Self { done, ends, lines, losses, order_losses }
    }

    /// Why the event was handled once more: the handling with the index `at` in `handled`, after the one before it.
    pub(crate) fn judge(&self, event: Uuid, entry: Option<&Entry>, handled: &[Handling], at: usize) -> Cause {
        let (first, second) = (handled[at - 1], handled[at]);
        let resent = entry.is_some_and(|entry| {
            let until = entry.accepted.unwrap_or(second.at);
            entry.in_doubt || log::between(&self.order_losses, entry.first_sent, until)
        });
        let in_life = handled.iter().filter(|handling| handling.life == first.life).count();
        // Each cause needs another delivery. A requeued event counts as one if the life knows of fewer handlings than there
        // were.
        let given_back = if self.says(event, first.life, self.done) < in_life { self.given_back(event) } else { 0 };
        if self.arrivals(event) + given_back < at && !resent {
            return Cause::Unexplained;
        }
        if let Some(cause) = self.failed_attempt(event, first.life, in_life) {
            return cause;
        }
        if first.life == second.life {
            return if second.number - first.number > REMEMBERED { Cause::Evicted } else { Cause::Unexplained };
        }
        if self.came_back_beside_its_copy(event, second.at) {
            return Cause::Copied;
        }
        let lives = first.life.min(second.life)..first.life.max(second.life);
        if self.ends[lives].iter().any(|(end, _)| *end == End::Killed) {
            return Cause::Killed;
        }
        if resent {
            return Cause::Resent;
        }
        let ended = self.ends.get(first.life);
        let lost = ended.is_some_and(|(_, ended)| log::between(&self.losses[first.life], first.at, *ended));
        if lost || self.says(event, second.life, "delivery has come back") > 0 {
            return Cause::Reconnected;
        }
        Cause::Unexplained
    }

    /// How often the log says that the broker delivered the event again, or that the consumer published a copy of it after
    /// an attempt. A delivery that the consumer requeues is not among them, because it is not handled.
    fn arrivals(&self, event: Uuid) -> usize {
        let lines = self.lines.iter().filter_map(|life| life.get(&event)).flatten();
        let again = lines.filter(|line| match line.message() {
            "delivery has come back" => !line.is_copy(),
            message => is_copying(message) || message.starts_with("copy not confirmed"),
        });
        again.count()
    }

    /// Whether the consumer copied the event before that moment, and the broker delivered the original again all the same.
    fn came_back_beside_its_copy(&self, event: Uuid, until: SystemTime) -> bool {
        let mut copied = false;
        let lines = self.lines.iter().filter_map(|life| life.get(&event)).flatten();
        lines.take_while(|line| line.time <= until).any(|line| {
            let came_back = copied && line.message() == "delivery has come back";
            copied |= line.message() == "event requeued" || is_copying(line.message());
            came_back
        })
    }

    /// How often all lives requeued the event.
    fn given_back(&self, event: Uuid) -> usize {
        (0..self.lines.len()).map(|life| self.says(event, life, "event requeued")).sum()
    }

    /// How often that life logged this message about the event.
    fn says(&self, event: Uuid, life: usize, message: &str) -> usize {
        let lines = self.lines.get(life).and_then(|lines| lines.get(&event)).into_iter().flatten();
        lines.filter(|line| line.message() == message).count()
    }

    /// All that the consumer logged about an event, for a person who looks for the cause.
    pub(crate) fn told_of(&self, event: Uuid) -> String {
        let mut told = Vec::new();
        for (life, lines) in self.lines.iter().enumerate() {
            let lines = lines.get(&event).into_iter().flatten();
            told.extend(lines.map(|line| format!("life {life}: {line}")));
            told.extend(self.ends.get(life).map(|(end, at)| format!("life {life}: {end:?} at {at:?}")));
        }
        told.join("\n    ")
    }

    /// The cause, if that life did the work in an attempt that failed: then it logged fewer successes than there were. This
    /// cannot be so of counts, because each count is such a line.
    fn failed_attempt(&self, event: Uuid, life: usize, handled: usize) -> Option<Cause> {
        let lines = self.lines.get(life)?.get(&event).map_or(&[][..], Vec::as_slice);
        let count = |message: &str| lines.iter().filter(|line| line.message() == message).count();
        let mut failed = lines.iter().filter(|line| line.message().starts_with("event failed"));
        if failed.any(|line| line.error().contains("not handled within")) {
            return Some(Cause::TimedOut);
        }
        if count(self.done) >= handled {
            return None;
        }
        let copies = lines.iter().filter(|line| is_copying(line.message())).count();
        let copied = count("event requeued") + copies > 0 && count("delivery has come back") > 0;
        let killed = self.ends.get(life).is_some_and(|(end, _)| *end == End::Killed);
        Some(match (copied, killed) {
            (true, _) => Cause::Copied,
            (false, true) => Cause::Killed,
            (false, false) => Cause::Unanswered,
        })
    }
}

/// Whether the consumer logs this message when it copies an event for a later attempt.
fn is_copying(message: &str) -> bool {
    message.starts_with("event failed") || message == "event postponed"
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const EVENT: Uuid = Uuid::nil();

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// An event that was handled in these lives, a second apart.
    fn handled(lives: [usize; 2]) -> [Handling; 2] {
        [0, 1].map(|number| Handling { life: lives[number], at: at(number as u64), number })
    }

    fn entry(in_doubt: bool) -> Entry {
        let sent = at(0);
        Entry { event: EVENT, round: 0, in_doubt, first_sent: sent, last_sent: sent, accepted: Some(sent) }
    }

    /// A first life that ended so and said this about the event, and a second one that goes on.
    fn evidence(end: End, said: &[&str]) -> Evidence {
        let said = said.iter().map(|message| Line::saying(message, "")).collect();
        Evidence {
            done: "email sent",
            ends: vec![(end, at(1))],
            lines: vec![HashMap::from([(EVENT, said)]), HashMap::new()],
            losses: vec![Vec::new(), Vec::new()],
            order_losses: Vec::new(),
        }
    }

    #[test]
    fn without_a_proof_there_is_no_cause() {
        let stopped = evidence(End::Stopped { code: 0 }, &["email sent", "email sent", "delivery has come back"]);
        assert_eq!(stopped.judge(EVENT, Some(&entry(false)), &handled([0, 0]), 1), Cause::Unexplained);
        assert_eq!(stopped.judge(EVENT, Some(&entry(false)), &handled([0, 1]), 1), Cause::Unexplained);
        assert_eq!(stopped.judge(EVENT, None, &handled([0, 1]), 1), Cause::Unexplained);
    }

    #[test]
    fn an_event_that_was_not_delivered_again_has_no_cause() {
        let mut far = handled([0, 0]);
        far[1].number = REMEMBERED + 1;
        let mut thrice = handled([0, 1]).to_vec();
        thrice.push(Handling { life: 1, at: at(2), number: 2 });
        for end in [End::Killed, End::Stopped { code: 0 }] {
            let silent = evidence(end, &[]);
            assert_eq!(silent.judge(EVENT, Some(&entry(false)), &handled([0, 1]), 1), Cause::Unexplained);
            assert_eq!(silent.judge(EVENT, Some(&entry(false)), &far, 1), Cause::Unexplained);
            let once = evidence(end, &["delivery has come back"]);
            assert_eq!(once.judge(EVENT, Some(&entry(false)), &thrice, 2), Cause::Unexplained);
        }
    }

    #[test]
    fn each_cause_has_its_proof() {
        let judged =
            |evidence: &Evidence, in_doubt: bool| evidence.judge(EVENT, Some(&entry(in_doubt)), &handled([0, 1]), 1);
        // It came back to the second life.
        let returned = |end: End, said: &[&str]| {
            let mut evidence = evidence(end, said);
            evidence.lines[1] = HashMap::from([(EVENT, vec![Line::saying("delivery has come back", "")])]);
            evidence
        };
        let stop = End::Stopped { code: 0 };
        assert_eq!(judged(&returned(End::Killed, &["email sent"]), false), Cause::Killed);
        assert_eq!(judged(&returned(End::Killed, &[]), false), Cause::Killed);
        assert_eq!(judged(&returned(stop, &[]), false), Cause::Unanswered);
        assert_eq!(judged(&returned(stop, &["email sent"]), false), Cause::Reconnected);
        let given_back = evidence(stop, &["event requeued", "email sent"]);
        assert_eq!(given_back.judge(EVENT, Some(&entry(false)), &handled([0, 0]), 1), Cause::Unanswered);
        let postponed = evidence(stop, &["event postponed", "email sent"]);
        assert_eq!(postponed.judge(EVENT, Some(&entry(false)), &handled([0, 0]), 1), Cause::Unanswered);
        let stopped = || evidence(stop, &["email sent"]);
        assert_eq!(judged(&stopped(), true), Cause::Resent);
        assert_eq!(judged(&Evidence { order_losses: vec![at(0)], ..stopped() }, false), Cause::Resent);
        let lost = |said: &[&str]| Evidence { losses: vec![vec![at(1)], vec![]], ..evidence(stop, said) };
        assert_eq!(judged(&lost(&["email sent", "delivery has come back"]), false), Cause::Reconnected);
        assert_eq!(judged(&lost(&["email sent", "event requeued"]), false), Cause::Unexplained);
        let copied = evidence(stop, &["email sent", "event requeued", "delivery has come back"]);
        assert_eq!(judged(&copied, false), Cause::Copied);
        let silent = evidence(stop, &["event failed, will be tried again", "delivery has come back"]);
        assert_eq!(judged(&silent, false), Cause::Copied);
        let mut slow = stopped();
        slow.lines[0].get_mut(&EVENT).unwrap().push(Line::saying("event failed", "not handled within 5s"));
        assert_eq!(judged(&slow, false), Cause::TimedOut);
        let mut far = handled([0, 0]);
        far[1].number = REMEMBERED + 1;
        let forgot = evidence(stop, &["email sent", "email sent", "delivery has come back"]);
        assert_eq!(forgot.judge(EVENT, None, &far, 1), Cause::Evicted);
    }
}
