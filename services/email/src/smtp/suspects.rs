//! Whose trouble a refusal is: the mail's, or every mail's.
//!
//! An answer makes a suspect, not a culprit. What tells them apart is whether other mails pass, by the order in which the server
//! answers. A mail that is refused again after others passed the same step, more than are in the same trouble, is the trouble itself.
//! Different mails refused in a row at one step with none passed between are the server's trouble. Until one or the other is seen, a
//! suspect waits, and nothing is held against it.

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

#[cfg(test)]
mod tests;

/// How many different mails refused in a row make the trouble every mail's.
const ROW: usize = 3;

/// How many suspects are remembered; who is forgotten is a new one.
const REMEMBERED: usize = 10_000;

/// The longest that a suspect waits until the server is asked again, while no other mail passes.
const LONGEST: Duration = Duration::from_secs(30);

/// The same where the server may have the message, so that each time may be a copy.
const LONGEST_BETWEEN_COPIES: Duration = Duration::from_secs(15 * 60);

/// For how long after its last refusal a suspect counts among those in the same trouble; it may have gone elsewhere.
const COUNTS: Duration = Duration::from_secs(120);

/// While all are waited for: how many are passed over before the broker has a rest.
const PASSED_OVER: usize = 100;

/// A suspect that met another trouble each time, while others passed, has had its chances.
const MOST_TROUBLES: u32 = 10;

/// Which event a mail is about, as few bytes.
pub(super) type Event = u64;

/// What is known against mails.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// The order of answers.
    clock: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// When a mail that was taken passed each step last.
    passed: [u64; 4],
    taken: u64,
    rows: HashMap<Trouble, Row>,
    suspects: HashMap<Event, Suspect>,
    /// The oldest first, some of them no suspects any more.
    oldest: VecDeque<Event>,
    passed_over: usize,
}

/// The latest refusals in a row, one of each mail, and what the last one said.
#[derive(Debug, Default)]
struct Row {
    refused: VecDeque<(Event, u64)>,
    reason: String,
}

/// By which refusals are the same: where, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Trouble {
    command: Command,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Refused,
    Deferred,
    Lost,
    Silent,
}

#[derive(Debug)]
struct Suspect {
    trouble: Trouble,
    at: u64,
    when: Instant,
    /// How many mails had been taken by its first refusal.
    taken: u64,
    /// How often the server was asked.
    asked: u32,
    /// How often it met another trouble although others passed.
    others: u32,
    /// Others passed, and it did not.
    is_culprit: bool,
    not_before: Instant,
    reason: String,
}

/// When one mail passed each step.
#[derive(Debug)]
pub(super) struct Passage<'a> {
    clock: &'a AtomicU64,
    at: [u64; 4],
}

/// Whose trouble it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not known yet.
    Open,
    /// The mail's.
    Own,
    /// Every mail's, in words.
    Everybodys(String),
}

impl Passage<'_> {
    /// The server said yes to this step.
    pub(super) fn passed(&mut self, command: Command) {
        self.at[command as usize] = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
    }
}

impl Suspects {
    pub(super) fn passage(&self) -> Passage<'_> {
        Passage { clock: &self.clock, at: [0; 4] }
    }

    /// The server took the mail about this event.
    pub(super) fn taken(&self, event: Event, passage: &Passage<'_>) {
        let mut known = self.known();
        known.suspects.remove(&event);
        known.taken += 1;
        let Known { passed, rows, .. } = &mut *known;
        for (last, at) in passed.iter_mut().zip(passage.at) {
            *last = at.max(*last);
        }
        rows.retain(|trouble, row| {
            row.refused.retain(|&(_, at)| at > passed[trouble.command as usize]);
            !row.refused.is_empty()
        });
    }

    /// The server did not take it. Answers that are sure are none of this.
    pub(super) fn refused(&self, event: Event, error: &SmtpError) -> Verdict {
        let Some(trouble) = Trouble::of(error) else { return Verdict::Open };
        let at = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        let mut known = self.known();
        known.passed_over = 0;
        let is_culprit = known.note(event, trouble, at, error);
        let row = known.rows.entry(trouble).or_default();
        row.reason = error.of_everybody();
        row.refused.retain(|&(other, _)| other != event);
        if !is_culprit {
            row.refused.push_back((event, at));
            let surplus = row.refused.len().saturating_sub(ROW);
            row.refused.drain(..surplus);
        }
        match () {
            () if row.refused.len() >= ROW => Verdict::Everybodys(row.reason.clone()),
            () if is_culprit => Verdict::Own,
            () => Verdict::Open,
        }
    }

    /// Whether a suspect has to wait before the server is asked about it again, and why.
    pub(super) fn has_to_wait(&self, event: Event) -> Option<(Verdict, String)> {
        let mut known = self.known();
        let Known { passed, rows, suspects, passed_over, .. } = &mut *known;
        let suspect = suspects.get(&event)?;
        let others_passed = passed[suspect.trouble.command as usize] > suspect.at;
        if suspect.is_culprit || others_passed || Instant::now() >= suspect.not_before {
            return None;
        }
        let reason = suspect.reason.clone();
        let Some(row) = rows.get(&suspect.trouble).filter(|row| row.refused.len() >= ROW) else {
            return Some((Verdict::Open, reason));
        };
        *passed_over += 1;
        if *passed_over <= PASSED_OVER {
            return Some((Verdict::Open, reason));
        }
        *passed_over = 0;
        Some((Verdict::Everybodys(row.reason.clone()), reason))
    }

    /// Nothing more can come of it.
    pub(super) fn forget(&self, event: Event) {
        self.known().suspects.remove(&event);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Notes a refusal; true if it is the event's own trouble.
    fn note(&mut self, event: Event, trouble: Trouble, at: u64, error: &SmtpError) -> bool {
        let when = Instant::now();
        let is_culprit = self.is_culprit(event, trouble, when);
        let reason = error.to_string();
        let Some(suspect) = self.suspects.get_mut(&event) else {
            let (taken, not_before) = (self.taken, when);
            let suspect =
                Suspect { trouble, at, when, taken, asked: 1, others: 0, is_culprit: false, not_before, reason };
            self.remember(event, suspect);
            return false;
        };
        let others_passed = self.passed[suspect.trouble.command as usize] > suspect.at;
        if suspect.trouble != trouble {
            suspect.others += u32::from(others_passed);
            suspect.taken = self.taken;
        }
        suspect.is_culprit = is_culprit || suspect.others > MOST_TROUBLES;
        suspect.asked = if others_passed { 1 } else { suspect.asked + 1 };
        suspect.not_before = when + trouble.wait(suspect.asked);
        (suspect.trouble, suspect.at, suspect.when, suspect.reason) = (trouble, at, when, reason);
        suspect.is_culprit
    }

    /// Whether a suspect that is refused once more is the culprit, or was found to be before.
    fn is_culprit(&self, event: Event, trouble: Trouble, now: Instant) -> bool {
        let Some(suspect) = self.suspects.get(&event).filter(|suspect| suspect.trouble == trouble) else {
            return false;
        };
        let others_passed = self.passed[trouble.command as usize] > suspect.at;
        suspect.is_culprit || (others_passed && self.taken - suspect.taken > self.alike(event, trouble, now))
    }

    /// How many others are in the same trouble, and no culprits.
    fn alike(&self, event: Event, trouble: Trouble, now: Instant) -> u64 {
        let is_alike = |(other, suspect): &(&Event, &Suspect)| {
            **other != event && suspect.trouble == trouble && !suspect.is_culprit && now - suspect.when < COUNTS
        };
        self.suspects.iter().filter(is_alike).count() as u64
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

impl Trouble {
    /// How long a suspect waits that was asked about so often.
    fn wait(self, asked: u32) -> Duration {
        let may_be_copied = self.command == Command::Body && matches!(self.kind, Kind::Lost | Kind::Silent);
        let longest = if may_be_copied { LONGEST_BETWEEN_COPIES } else { LONGEST };
        match asked {
            0 | 1 => Duration::ZERO,
            asked => Duration::from_secs(1 << asked.min(12)).min(longest),
        }
    }

    fn of(error: &SmtpError) -> Option<Self> {
        let (command, kind) = match error {
            SmtpError::Answered { command, code, .. } if *code < 500 => (*command, Kind::Deferred),
            SmtpError::Answered { command, .. } => (*command, Kind::Refused),
            SmtpError::Lost { command, .. } => (*command, Kind::Lost),
            SmtpError::Silent { command, .. } => (*command, Kind::Silent),
            SmtpError::NoSession { .. }
            | SmtpError::NoFurtherSession { .. }
            | SmtpError::NeedsUtf8
            | SmtpError::TooBig { .. }
            | SmtpError::Queued
            | SmtpError::Stopping => return None,
        };
        Some(Self { command, kind })
    }
}
