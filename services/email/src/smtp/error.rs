//! The errors between a mail and its server, and whose trouble each answer can be.

use std::fmt;

use super::reply::status;

/// A step of the SMTP transaction that carries one mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`.
    Data,
    /// The message itself. Once it is on its way, nobody knows whether the server has it.
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

/// Why a mail was not sent. No error contains a whole address: addresses that a server quotes are masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpError {
    /// Connection, greeting, EHLO, STARTTLS, certificate or AUTH failed.
    #[error("SMTP server {server} gives no session: {reason}")]
    NoSession {
        /// Host and port.
        server: String,
        /// What the server or the network said.
        reason: String,
        /// Whether the server said so itself, and only for now.
        for_now: bool,
    },
    /// The same, while other sessions with the server work.
    #[error("SMTP server {server} gives no further session: {reason}")]
    NoFurtherSession {
        /// Host and port.
        server: String,
        /// What the server or the network said.
        reason: String,
    },
    /// The server refused a command.
    #[error("SMTP server answered {command} with {code} {text}")]
    Answered {
        /// The command.
        command: Command,
        /// The code of the answer, three digits.
        code: u16,
        /// The words of the answer.
        text: String,
    },
    /// The connection broke, or the answer was not SMTP.
    #[error("SMTP session was lost at {command}: {reason}")]
    Lost {
        /// The command.
        command: Command,
        /// What the network said, or what was read.
        reason: String,
    },
    /// No answer came in time.
    #[error("SMTP server did not answer {command} within {limit}")]
    Silent {
        /// The command.
        command: Command,
        /// How long the client waited, and which variable sets that.
        limit: String,
    },
    /// An address has characters that this server does not take.
    #[error("SMTP server does not offer SMTPUTF8, which an address beyond ASCII needs")]
    NeedsUtf8,
    /// The message is larger than the server takes.
    #[error("the message has {size} bytes, and the SMTP server takes {limit}")]
    TooBig {
        /// The size of the message in bytes.
        size: usize,
        /// The largest size that the server takes, in bytes.
        limit: usize,
    },
    /// Other mails are being sent, and no session became free in time.
    #[error(
        "no session with the SMTP server came free in time: it takes fewer at once, or slower, than there are mails"
    )]
    Queued,
    /// The service is stopping.
    #[error("the service stops before this mail was under way")]
    Stopping,
}

/// Whose trouble a failure can be, as far as the failure alone shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The server's, or the service's with the server: no mail could be sent.
    Server,
    /// There are too many sessions at once.
    Sessions,
    /// Mails come too fast.
    Rate,
    /// This mail's: its recipient or its content.
    Mail,
    /// Unknown: it depends on whether other mails pass.
    Unknown,
    /// Nobody's: the server was not asked.
    Nobody,
}

impl SmtpError {
    /// Whose trouble it can be.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NoSession { .. } => Blame::Server,
            Self::NoFurtherSession { .. } => Blame::Sessions,
            Self::NeedsUtf8 | Self::TooBig { .. } => Blame::Mail,
            Self::Lost { .. } | Self::Silent { .. } => Blame::Unknown,
            Self::Queued | Self::Stopping => Blame::Nobody,
            Self::Answered { command, code, text } if is_the_mails(*command, *code, text) => Blame::Mail,
            // Postfix's limit of recipients in a time, in its own words alone.
            Self::Answered { command: Command::Rcpt, code: 450, text }
                if text.starts_with("4.7.1 Error: too many recipients from ") =>
            {
                Blame::Rate
            }
            // The words about a recipient may come from the recipient's own server, and so from anybody.
            Self::Answered { command: Command::Rcpt, .. } => Blame::Unknown,
            Self::Answered { code, text, .. } => too_much(*code, text).unwrap_or(Blame::Unknown),
        }
    }

    /// Whether another session may succeed at once, and the mail cannot be doubled by trying. `parked` is a session
    /// that was idle before, and `used` one that has carried a mail.
    pub(super) fn asks_for_another_session(&self, parked: bool, used: bool) -> bool {
        match self {
            Self::Answered { command: Command::Body, .. } => false,
            Self::Answered { code: 421, .. } if self.blame() == Blame::Unknown => true,
            // The server took a mail in this session. It may take no second one in any session, whatever it says.
            Self::Answered { command, code, .. } => {
                used && self.blame() != Blame::Mail && (*command != Command::Rcpt || *code == 503)
            }
            Self::Lost { command, .. } => *command != Command::Body,
            // An idle session may be dead without a sign.
            Self::Silent { command, .. } => parked && *command == Command::Mail,
            _ => false,
        }
    }

    /// What the failure is if every mail meets it.
    pub(super) fn of_everybody(&self) -> String {
        match self {
            Self::Answered { code, text, .. } if *code < 500 => {
                format!("SMTP server defers every mail, with {code} {text}")
            }
            Self::Answered { command, code, text } => {
                format!("SMTP server refuses every mail, at {command} with {code} {text}")
            }
            Self::Lost { command, reason } => format!("SMTP session is lost with every mail, at {command}: {reason}"),
            Self::Silent { command, limit } => {
                format!("SMTP server leaves every mail without an answer to {command}, within {limit}")
            }
            other => other.to_string(),
        }
    }
}

/// The words for too many sessions, and for too many mails in a time. SMTP has no code of its own for either.
const SESSIONS: [&str; 4] = ["concurren", "connections", "sessions", "sender thread"];
const RATE: [&str; 17] = [
    "throttl",
    "rate limit",
    "ratelimit",
    "sending rate",
    "rate exceeded",
    "too many messages",
    "too many mails",
    "too many transactions",
    "too many recipients",
    "too much mail",
    "too fast",
    "quota",
    "sending limit",
    "daily",
    "hourly",
    "per hour",
    "per day",
];

/// In which way the server says that it is asked for too much.
fn too_much(code: u16, text: &str) -> Option<Blame> {
    let text = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match () {
        () if code == 432 || says(&SESSIONS) => Some(Blame::Sessions),
        () if says(&RATE) || matches!(status(&text), Some((7, 28) | (4, 5))) => Some(Blame::Rate),
        () => None,
    }
}

/// Whether a refusal can only be about the recipient or the content (RFC 3463, 5321, 6531, 7504, 7505). A status code
/// about a mailbox is not enough if the words are about the sender.
fn is_the_mails(command: Command, code: u16, text: &str) -> bool {
    let words = text.to_ascii_lowercase();
    let says = |any: &[&str]| any.iter().any(|word| words.contains(word));
    if code < 500 || says(&["sender", "sending", "submission", "daily", "hour", "your account", "plan", "per day"]) {
        return false;
    }
    match (command, status(text)) {
        // The announced size.
        (_, Some((3, 4))) => true,
        (Command::Mail, _) => false,
        // Unknown, badly written, moved, or without any mail server; content.
        (_, Some((1, 1..=3 | 6 | 10) | (6, _))) => true,
        // Disabled, full, or for shorter messages. After the message, a quota may be the sender's.
        (Command::Rcpt, Some((2, 1..=3))) => true,
        (_, Some((2, 1..=3))) => !says(&["quota", "limit"]),
        (_, Some(_)) => false,
        (Command::Rcpt, None) => code == 556,
        (Command::Data | Command::Body, None) => code == 552 && says(&["size", "too big", "too large", "too long"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(command: Command, answer: &str) -> SmtpError {
        let (code, text) = answer.split_once(' ').unwrap();
        SmtpError::Answered { command, code: code.parse().unwrap(), text: text.to_owned() }
    }

    #[test]
    fn what_only_a_recipient_or_a_content_can_be_refused_for_is_the_mails_own() {
        for (command, answer) in [
            (
                Command::Rcpt,
                "550 5.1.1 <a***@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
            ),
            (Command::Rcpt, "550 5.1.2 bad destination system"),
            (Command::Rcpt, "501 5.1.3 Bad recipient address syntax"),
            (Command::Rcpt, "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found"),
            (Command::Rcpt, "556 5.1.10 the domain takes no mail"),
            (Command::Rcpt, "556 no mail here"),
            (Command::Rcpt, "552 5.2.2 mailbox full"),
            (Command::Mail, "552 5.3.4 Message size exceeds fixed limit"),
            (Command::Body, "552 5.3.4 Error: message file too big"),
            (Command::Body, "552 message size exceeds maximum permitted"),
            (Command::Body, "554 5.6.0 Message content not accepted"),
            (Command::Rcpt, "553 5.6.7 address requires SMTPUTF8"),
        ] {
            assert_eq!(answered(command, answer).blame(), Blame::Mail, "{command} {answer}");
        }
    }

    #[test]
    fn any_other_no_is_a_suspicion() {
        for (command, answer) in [
            (Command::Rcpt, "553 5.7.1 Sender address rejected: not owned by user"),
            (
                Command::Rcpt,
                "550 5.1.0 <a***@example.com>: Sender address rejected: User unknown in local recipient table",
            ),
            (Command::Rcpt, "550 5.1.1 Sender unknown"),
            (Command::Mail, "550 5.1.1 unknown"),
            (Command::Mail, "550 5.1.8 Access denied, bad outbound sender"),
            (Command::Body, "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException"),
            (Command::Body, "554 Message rejected: Email address is not verified"),
            (Command::Rcpt, "554 5.7.1 Relay access denied"),
            (Command::Rcpt, "550 relay not permitted"),
            (Command::Rcpt, "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname"),
            (Command::Rcpt, "454 4.7.1 Relay access denied"),
            (Command::Rcpt, "530 5.7.0 Must issue a STARTTLS command first"),
            (Command::Rcpt, "421 4.7.0 try again later"),
            (Command::Rcpt, "450 4.2.0 Greylisted"),
            (Command::Rcpt, "452 4.2.2 mailbox full"),
            (Command::Data, "535 5.7.8 log in again"),
            (Command::Body, "552 5.2.2 limit of this server reached"),
            (Command::Body, "552 no"),
            // Exchange and Postfix say this about one mailbox, in the words of its own server.
            (Command::Rcpt, "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded"),
            (Command::Rcpt, "450 4.1.1 unverified address: host mx.example said: 421 too many connections"),
        ] {
            assert_eq!(answered(command, answer).blame(), Blame::Unknown, "{command} {answer}");
        }
    }

    #[test]
    fn too_much_at_once_is_nobodys_mail() {
        for answer in [
            "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending",
            "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
            "421 4.7.0 mail.test Error: too many connections from 192.0.2.1",
            "421 Too many concurrent SMTP connections; please try again later.",
        ] {
            assert_eq!(answered(Command::Mail, answer).blame(), Blame::Sessions, "{answer}");
        }
        for answer in [
            "454 Throttling failure: Maximum sending rate exceeded.",
            "450 4.7.1 Error: too much mail from 192.0.2.1",
            "421 4.7.28 our system has detected an unusual amount of mail",
            "451 4.7.1 Rate limit exceeded",
            "550 5.4.5 Daily user sending limit exceeded",
            "552 5.2.2 over quota",
            "552 5.2.2 quota of your plan exceeded",
            "552 Hourly message quota exceeded",
            "554 Daily message quota exceeded",
        ] {
            assert_eq!(answered(Command::Body, answer).blame(), Blame::Rate, "{answer}");
        }
        let limit = answered(Command::Rcpt, "450 4.7.1 Error: too many recipients from 192.0.2.1");
        assert_eq!(limit.blame(), Blame::Rate);
    }

    #[test]
    fn a_mail_under_way_is_never_sent_again_at_once() {
        let lost = |command| SmtpError::Lost { command, reason: String::new() };
        let silent = |command| SmtpError::Silent { command, limit: String::new() };
        assert!(lost(Command::Data).asks_for_another_session(false, false));
        assert!(!lost(Command::Body).asks_for_another_session(true, true));
        assert!(silent(Command::Mail).asks_for_another_session(true, false));
        assert!(!silent(Command::Mail).asks_for_another_session(false, false));
        assert!(!silent(Command::Body).asks_for_another_session(true, true));
        assert!(answered(Command::Mail, "421 4.3.2 shutting down").asks_for_another_session(false, false));
        assert!(!answered(Command::Body, "421 4.3.2 shutting down").asks_for_another_session(true, true));
    }

    #[test]
    fn a_second_mail_that_a_session_does_not_take_may_go_in_another_one() {
        for answer in [
            "451 4.3.0 Only one transaction in a session",
            "452 4.5.3 Too many messages sent",
            "503 5.5.1 Only one transaction in a session",
            "550 5.7.1 no more mail in this session",
            "421 too many messages in this connection",
        ] {
            let no = answered(Command::Mail, answer);
            assert!(no.asks_for_another_session(true, true), "{answer}");
            let first = answer.starts_with("421") && no.blame() == Blame::Unknown;
            assert_eq!(no.asks_for_another_session(true, false), first, "{answer}");
        }
        assert!(answered(Command::Rcpt, "503 5.5.1 need MAIL").asks_for_another_session(true, true));
        assert!(!answered(Command::Rcpt, "450 4.2.0 Greylisted").asks_for_another_session(true, true));
        assert!(!answered(Command::Mail, "552 5.3.4 too big").asks_for_another_session(true, true));
        assert!(!answered(Command::Body, "503 5.5.1 no").asks_for_another_session(true, true));
    }
}
