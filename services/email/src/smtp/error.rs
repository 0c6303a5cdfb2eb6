//! What can go wrong between a mail and its server, and whose trouble each is.

use std::{error::Error as _, fmt, time::Duration};

use lettre::transport::smtp::Error as LettreError;

/// A step of the SMTP transaction that carries one mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`.
    Data,
    /// The message itself: once it is under way, nobody knows whether the server has it.
    Body,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Body => "the message",
        })
    }
}

/// Why a mail was not handed over. No message holds a whole address: those that a server quotes are masked.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// Connection, greeting, EHLO, STARTTLS, certificate or AUTH failed.
    #[error("SMTP server {server} gives no session: {reason}")]
    NoSession {
        /// Host and port.
        server: String,
        /// What the server or the network said.
        reason: String,
    },
    /// The server said no.
    #[error("SMTP server answered {command} with {code} {text}")]
    Answered {
        /// To what.
        command: Command,
        /// Three digits.
        code: u16,
        /// Its words.
        text: String,
    },
    /// The server says the same no to one mail after the other.
    #[error("SMTP server defers every mail, with {code} {text}")]
    DefersAll {
        /// Three digits.
        code: u16,
        /// Its latest words.
        text: String,
    },
    /// The connection broke, or what came back was not SMTP.
    #[error("SMTP session was lost at {command}: {reason}")]
    Lost {
        /// At what.
        command: Command,
        /// What the network said, or what was read.
        reason: String,
    },
    /// No answer in time.
    #[error("SMTP server did not answer {command} within {waited:.1?}")]
    Silent {
        /// To what.
        command: Command,
        /// How long it was waited for.
        waited: Duration,
    },
}

/// What a failure means for the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The server is the trouble: wait for it, and blame no mail.
    Outage,
    /// It may work later.
    Later,
    /// It never will.
    ForGood,
}

impl SmtpError {
    /// Whose trouble it is, and whether it passes.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::NoSession { .. } | Self::DefersAll { .. } => Disposition::Outage,
            Self::Answered { code, .. } => match code {
                // Closing, no TLS, no or a wrong login: said of the session, at whichever step.
                421 | 454 | 530 | 534 | 535 | 538 => Disposition::Outage,
                500.. => Disposition::ForGood,
                ..500 => Disposition::Later,
            },
            Self::Lost { .. } | Self::Silent { .. } => Disposition::Later,
        }
    }

    /// True if another session may fare better at once, and the mail cannot be doubled by trying.
    pub(super) fn asks_for_another_session(&self) -> bool {
        match self {
            Self::Answered { code, .. } => *code == 421,
            Self::Lost { command, .. } => *command != Command::Body,
            // A session that was parked can be dead without a word. A new one gets all the time there is for its MAIL.
            Self::Silent { command, .. } => *command == Command::Mail,
            Self::NoSession { .. } | Self::DefersAll { .. } => false,
        }
    }

    /// What lettre says went wrong at `command`.
    pub(super) fn at(command: Command, error: &LettreError) -> Self {
        match error.status() {
            Some(code) => Self::Answered { command, code: code.into(), text: reason(error) },
            None => Self::Lost { command, reason: reason(error) },
        }
    }
}

/// The innermost cause, with the code where the server gave one.
pub(super) fn reason_with_code(error: &LettreError) -> String {
    match error.status() {
        Some(code) => format!("{code} {}", reason(error)),
        None => reason(error),
    }
}

/// The innermost cause: what lettre wraps around it repeats itself.
fn reason(error: &LettreError) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let innermost = masked(&causes.last().map_or_else(|| error.to_string(), ToString::to_string));
    match error.is_response() {
        true => format!("the answer broke off or was not SMTP ({innermost})"),
        false => innermost,
    }
}

/// A server's words for a log line: addresses masked, since servers quote them; one line, at most 200 characters.
fn masked(text: &str) -> String {
    // A server that talks without end is not read without end.
    let text: String = text.chars().take(2000).collect();
    let mut line = String::new();
    let mut rest = text.as_str();
    // From the end: what a quoted part holds, an `@` among it, is known only by the quote that closes it.
    while let Some((before, after)) = rest.rsplit_once('@') {
        let (left, user) = before.split_at(start_of_user(before));
        let first = user.chars().find(|c| c.is_alphanumeric());
        line = first.into_iter().chain("***@".chars()).chain(after.chars()).chain(line.chars()).collect();
        rest = left;
    }
    line.insert_str(0, rest);
    let tame = |c: char| if c.is_control() { ' ' } else { c };
    line.chars().map(tame).take(200).collect()
}

/// Where the part of an address before its `@` begins, in a text that ends with that part. A quoted one has any characters,
/// its own quotes behind backslashes; another one has an apostrophe, but none of these.
fn start_of_user(text: &str) -> usize {
    if let Some(quoted) = text.strip_suffix('"') {
        let mut quotes = quoted.rmatch_indices('"').map(|(at, _)| at);
        if let Some(begin) = quotes.find(|&at| !quoted[..at].ends_with('\\')) {
            return begin;
        }
    }
    let is_edge = |c: char| c.is_whitespace() || c.is_control() || "<>()[]\",;:".contains(c);
    text.rfind(is_edge).map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{quoted_email, usual_email};

    fn answered(code: u16) -> SmtpError {
        SmtpError::Answered { command: Command::Rcpt, code, text: String::new() }
    }

    #[test]
    fn codes_about_the_session_blame_no_mail() {
        for code in [421, 454, 530, 534, 535, 538] {
            assert_eq!(answered(code).disposition(), Disposition::Outage, "{code}");
        }
    }

    #[test]
    fn other_codes_are_about_the_mail() {
        for code in [400, 420, 422, 450, 451, 452, 453, 455, 499] {
            assert_eq!(answered(code).disposition(), Disposition::Later, "{code}");
        }
        for code in [500, 529, 531, 536, 537, 539, 550, 553, 554, 559] {
            assert_eq!(answered(code).disposition(), Disposition::ForGood, "{code}");
        }
    }

    #[test]
    fn a_mail_under_way_is_never_sent_again_at_once() {
        let reason = String::new;
        let lost = |command| SmtpError::Lost { command, reason: reason() };
        let silent = |command| SmtpError::Silent { command, waited: Duration::ZERO };
        assert!(lost(Command::Data).asks_for_another_session());
        assert!(!lost(Command::Body).asks_for_another_session());
        assert!(!silent(Command::Body).asks_for_another_session());
        assert!(answered(421).asks_for_another_session());
        assert!(!answered(451).asks_for_another_session());
    }

    #[test]
    fn addresses_that_a_server_quotes_are_masked() {
        assert_eq!(
            masked("5.1.1 <ada@example.com>: user \"ada@example.com\" unknown\r\nto=bob@example.org"),
            "5.1.1 <a***@example.com>: user \"a***@example.com\" unknown  t***@example.org"
        );
        assert_eq!(masked("<\"ada\"@example.com> <o'hara@example.com>"), "<a***@example.com> <o***@example.com>");
        assert_eq!(masked("no \"ada \\\"l\"@example.com"), "no a***@example.com");
        assert_eq!(masked(&"é".repeat(300)).chars().count(), 200);
    }

    proptest! {
        #[test]
        fn no_valid_address_survives_however_a_server_quotes_it(
            email in prop_oneof![usual_email(), quoted_email()],
            around in prop::sample::select(vec![("<", ">"), ("\"", "\""), ("'", "'"), ("user ", " unknown"), ("to=", ":"), ("", "")]),
        ) {
            let (_, domain) = email.as_str().rsplit_once('@').unwrap();
            let said = masked(&format!("550 5.1.1 {}{}{}", around.0, email.as_str(), around.1));
            let (before, after) = said.rsplit_once("***@").unwrap();
            prop_assert_eq!(after, format!("{domain}{}", around.1));
            let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
            prop_assert!(letters(before) <= letters("550 5.1.1") + letters(around.0) + 1, "{said}");
        }
    }
}
