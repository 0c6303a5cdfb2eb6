//! Decides what causes a refusal: the mail, or the server.
//!
//! A refusal alone does not show whether the mail or the server is at fault. The other mails show it:
//! - The server takes new mails, and refuses this one again. Then the mail is at fault.
//! - The server refuses different mails in a row at one step, and takes none between them. Then the server is at
//!   fault. Before that is said of recipients, the server is asked whether it still takes the one that it took last. If
//!   it does, the refused mails are at fault, and nobody waits for them.
//!
//! A refusal for a recipient or a content is the mail's own at once, if other mails passed that step since the last such
//! refusal. A server may say the same to everybody: that it knows no recipient, or takes only short messages.
//!
//! Until one or the other is seen, the mail is a suspect: it waits, and nothing is held against it. A mail that the
//! server refused first and took later shows that refusals pass by themselves. So it speaks for all other mails that
//! were refused.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{Command, SmtpError};
use trouble::{LONGEST, Trouble};

#[cfg(test)]
mod tests;
mod trouble;

/// The number of different mails, refused in a row, that make the trouble every mail's.
const ROW: usize = 3;

/// The number of suspects that are remembered. A forgotten one counts as new.
const REMEMBERED: usize = 10_000;

/// While every mail is refused: how long the server is not asked about a suspect, so that new mails come to their turn.
const SELDOM: Duration = Duration::from_secs(10);

/// A refused mail is at fault without further evidence once this many more mails were taken than refused since its
/// refusal.
const PLAIN: i64 = 5;

/// The number of mails that are found to be at fault by their first refusal, in words that can only be about them, before
/// others have to pass; and the most, however many passed before. More in a row look like the server's trouble.
const BELIEVED: i64 = 5;
const MOST_BELIEVED: i64 = 20;

/// While the server refuses recipients in a row: the number of mails that it is asked about before it gets a rest.
const ASKED_AT_ONCE: usize = 50;

/// While every suspect waits: the number that are passed over before the broker gets a rest.
const PASSED_OVER: usize = 100;

/// Identifies the event of a mail, in few bytes.
pub(super) type Event = u64;

/// The suspects, and what is known about them.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Counts answers, to know their order.
    clock: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// When a mail that was later taken last passed each step.
    passed: [u64; 4],
    /// When a mail was last found to be at fault by its first refusal; 0 if none was.
    condemned: u64,
    /// The mails that were found to be at fault so, less those that the server took since.
    surplus: i64,
    /// The mails that the server took at the first attempt, less those that it refused at the first attempt, less
    /// those that it took only later.
    balance: i64,
    rows: HashMap<Trouble, Row>,
    suspects: HashMap<Event, Suspect>,
    /// The oldest first. Some are no suspects any more.
    oldest: VecDeque<Event>,
    passed_over: usize,
    /// The refusals of recipients in a row that looked like the server's trouble.
    recipients_in_row: usize,
}

/// The latest refusals in a row, one of each mail, and the words of the last one.
#[derive(Debug, Default)]
struct Row {
    refused: VecDeque<(Event, u64)>,
    reason: String,
    /// How many suspects the server was asked about again since it took a mail, other than those above.
    asked: usize,
    /// When it was asked about one last.
    asked_last: Option<Instant>,
}

#[derive(Debug)]
struct Suspect {
    trouble: Trouble,
    /// When it was last refused.
    at: u64,
    /// The lowest balance at any of its refusals. From this balance on, it shows whether other mails fare better.
    lowest: i64,
    /// How often the server was asked about it in a row while it took no other mail.
    asked: u32,
    /// Whether it was found to be at fault once.
    judged: bool,
    not_before: Instant,
    reason: String,
}

/// When one mail passed each step.
#[derive(Debug)]
pub(super) struct StepsPassed<'a> {
    clock: &'a AtomicU64,
    at: [u64; 4],
}

/// What caused a refusal, as far as the other mails show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It is not known yet.
    Unknown,
    /// The mail is at fault.
    Mail,
    /// The server is at fault, with the reason.
    Server(String),
}

impl StepsPassed<'_> {
    /// Notes that the server accepted this step.
    pub(super) fn passed(&mut self, command: Command) {
        self.at[command as usize] = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
    }
}

impl Suspects {
    pub(super) fn steps(&self) -> StepsPassed<'_> {
        StepsPassed { clock: &self.clock, at: [0; 4] }
    }

    /// Notes that the server took the mail about this event.
    pub(super) fn taken(&self, event: Event, steps: &StepsPassed<'_>) {
        let mut known = self.known();
        known.balance += if known.suspects.remove(&event).is_some() { -1 } else { 1 };
        if steps.at[Command::Rcpt as usize] > known.condemned {
            known.surplus = (known.surplus - 1).max(BELIEVED - MOST_BELIEVED);
        }
        known.pass(steps.at);
    }

    /// What the time is among the answers.
    pub(super) fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Whether a recipient passed since then.
    pub(super) fn recipient_passed_since(&self, at: u64) -> bool {
        self.known().passed[Command::Rcpt as usize] > at
    }

    /// Notes that the server still takes another recipient. So whatever it refuses at that step is the mails' own.
    pub(super) fn recipient_passed(&self) {
        let at = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        let mut known = self.known();
        known.surplus = known.surplus.min(0);
        let Known { balance, rows, suspects, .. } = &mut *known;
        let of_recipients = rows.iter().filter(|(trouble, _)| trouble.command == Command::Rcpt);
        for (event, _) in of_recipients.flat_map(|(_, row)| &row.refused) {
            if let Some(suspect) = suspects.get_mut(event) {
                suspect.judged = true;
                suspect.lowest = suspect.lowest.min(*balance - PLAIN);
            }
        }
        let mut steps = [0; 4];
        (steps[Command::Mail as usize], steps[Command::Rcpt as usize]) = (at, at);
        known.pass(steps);
    }

    /// Whether a refusal of a recipient, which looks like the server's trouble, is the time for a rest. Bad addresses look
    /// like that too, and a good one behind them does not wait for a rest after each.
    pub(super) fn is_time_to_rest(&self) -> bool {
        let mut known = self.known();
        known.recipients_in_row += 1;
        known.recipients_in_row % ASKED_AT_ONCE == 1
    }

    /// Notes that the server did not take it. Answers whose cause is certain do not come here.
    pub(super) fn refused(&self, event: Event, error: &SmtpError) -> Cause {
        self.compared(event, error, false)
    }

    /// Compares a refused mail with the others. `alone` is a refusal in words that can only be about this mail: once the
    /// others show the same, no row of such mails is the server's trouble.
    fn compared(&self, event: Event, error: &SmtpError, alone: bool) -> Cause {
        let Some(trouble) = Trouble::of(error) else { return Cause::Unknown };
        let at = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        let mut known = self.known();
        known.passed_over = 0;
        let was_judged = known.suspects.get(&event).is_some_and(|suspect| suspect.judged);
        let is_own = known.note(event, trouble, at, error);
        if alone && is_own {
            known.rows.entry(trouble).or_default().settle();
            return Cause::Mail;
        }
        let row = known.rows.entry(trouble).or_default();
        row.reason = error.of_everybody();
        row.note(event, at, was_judged);
        if row.refused.len() >= ROW {
            return Cause::Server(row.reason.clone());
        }
        match known.suspects.get_mut(&event) {
            Some(suspect) if is_own => {
                suspect.judged = true;
                Cause::Mail
            }
            _ => Cause::Unknown,
        }
    }

    /// Notes that the server did not take it, in words that can only be about this mail. A few such refusals in a row are
    /// believed at once, and more of them where others pass in between.
    pub(super) fn refused_alone(&self, event: Event, error: &SmtpError) -> Cause {
        let Some(trouble) = Trouble::of(error) else { return Cause::Mail };
        if error.is_of_most() {
            return self.compared(event, error, true);
        }
        let mut known = self.known();
        let row = known.rows.entry(trouble).or_default();
        let others_are_refused = row.refused.iter().filter(|&&(other, _)| other != event).count() >= ROW - 1;
        if others_are_refused || known.surplus >= BELIEVED {
            drop(known);
            return self.compared(event, error, true);
        }
        known.condemned = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        known.surplus += 1;
        if known.suspects.contains_key(&event) {
            known.rows.entry(trouble).or_default().settle();
        }
        Cause::Mail
    }

    /// Whether a suspect has to wait before the server is asked about it again, and why.
    pub(super) fn has_to_wait(&self, event: Event) -> Option<(Cause, String)> {
        let mut known = self.known();
        let Known { passed, balance, rows, suspects, passed_over, .. } = &mut *known;
        let suspect = suspects.get(&event)?;
        let others_passed = passed[suspect.trouble.command as usize] > suspect.at;
        let is_plain = *balance - suspect.lowest >= PLAIN;
        let now = Instant::now();
        let row = rows.entry(suspect.trouble).or_default();
        let is_due = is_plain || others_passed || now >= suspect.not_before;
        if is_due && row.has_room(event, suspect.judged, now) {
            row.ask(event, suspect.judged, now);
            return None;
        }
        let reason = suspect.reason.clone();
        if row.refused.len() < ROW {
            return Some((Cause::Unknown, reason));
        }
        *passed_over += 1;
        if *passed_over <= PASSED_OVER {
            return Some((Cause::Unknown, reason));
        }
        *passed_over = 0;
        Some((Cause::Server(row.reason.clone()), reason))
    }

    /// Forgets a mail that cannot come again.
    pub(super) fn forget(&self, event: Event) {
        self.known().suspects.remove(&event);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    /// Whether the server may be asked about one more suspect. Suspects alone do not make a row, or a few bad addresses would pause the
    /// mails of all others again and again.
    fn has_room(&self, event: Event, judged: bool, now: Instant) -> bool {
        let not_for = |time| self.asked_last.is_none_or(|last| now - last >= time);
        if self.refused.len() >= ROW {
            return not_for(SELDOM);
        }
        let in_row = self.refused.iter().any(|&(other, _)| other == event);
        judged || in_row || self.asked < ROW - 1 || not_for(LONGEST)
    }

    /// The server is asked about a suspect again.
    fn ask(&mut self, event: Event, judged: bool, now: Instant) {
        if !judged && self.refused.iter().all(|&(other, _)| other != event) {
            self.asked += 1;
        }
        self.asked_last = Some(now);
    }

    /// One that the server was asked about again is a suspect no more.
    fn settle(&mut self) {
        self.asked = self.asked.saturating_sub(1);
    }

    /// Notes a refusal. A mail that was judged before does not make a row longer: it would be refused anyway.
    fn note(&mut self, event: Event, at: u64, was_judged: bool) {
        let before = self.refused.len();
        self.refused.retain(|&(other, _)| other != event);
        if !was_judged || self.refused.len() < before {
            self.refused.push_back((event, at));
        }
        let surplus = self.refused.len().saturating_sub(ROW);
        self.refused.drain(..surplus);
    }
}

impl Known {
    /// Notes when a mail passed each step. No row goes on across it.
    fn pass(&mut self, at: [u64; 4]) {
        self.recipients_in_row = 0;
        let Self { passed, rows, .. } = self;
        for (last, at) in passed.iter_mut().zip(at) {
            *last = at.max(*last);
        }
        rows.retain(|trouble, row| {
            row.asked = 0;
            row.refused.retain(|&(_, at)| at > passed[trouble.command as usize]);
            !row.refused.is_empty()
        });
    }

    /// Notes a refusal. True if the other mails show that this mail is at fault.
    fn note(&mut self, event: Event, trouble: Trouble, at: u64, error: &SmtpError) -> bool {
        let (now, reason) = (Instant::now(), error.to_string());
        let Some(suspect) = self.suspects.get_mut(&event) else {
            self.balance -= 1;
            let lowest = self.balance;
            self.remember(event, Suspect { trouble, at, lowest, asked: 1, judged: false, not_before: now, reason });
            return false;
        };
        let others_passed = self.passed[trouble.command as usize] > suspect.at;
        let more_passed = self.balance - suspect.lowest;
        suspect.lowest = suspect.lowest.min(self.balance);
        suspect.asked = if others_passed { 1 } else { suspect.asked + 1 };
        suspect.not_before = now + trouble.wait(suspect.asked);
        (suspect.trouble, suspect.at, suspect.reason) = (trouble, at, reason);
        more_passed >= PLAIN || (others_passed && more_passed > 0)
    }

    fn remember(&mut self, event: Event, suspect: Suspect) {
        self.oldest.push_back(event);
        self.suspects.insert(event, suspect);
        while self.oldest.len() > REMEMBERED {
            if let Some(oldest) = self.oldest.pop_front() {
                self.suspects.remove(&oldest);
            }
        }
    }
}
