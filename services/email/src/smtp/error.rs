//! The errors between a mail and its server, and whose trouble each answer can be.

use std::fmt;

use super::reply::status;

#[cfg(test)]
mod tests;

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
    /// The server takes long over this recipient, and over those of half of the sessions.
    #[error("the SMTP server takes long over this recipient, and the other mails do not wait for it")]
    HeldUp,
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
    /// This mail's: its recipient or its content, unless every mail meets it.
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
            Self::Queued | Self::HeldUp | Self::Stopping => Blame::Nobody,
            Self::Answered { command, code, text } if is_the_mails(*command, *code, text) => Blame::Mail,
            // Postfix's limit of recipients in a time, in its own words alone.
            Self::Answered { command: Command::Rcpt, code: 450, text }
                if text.starts_with("4.7.1 Error: too many recipients from ") =>
            {
                Blame::Rate
            }
            // The words about a recipient may come from the recipient's own server, and so from anybody.
            Self::Answered { command: Command::Rcpt, .. } => Blame::Unknown,
            Self::Answered { command, code, text } => too_much(*command, *code, text).unwrap_or(Blame::Unknown),
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

    /// Whether it can be the trouble of one recipient, although others in a row met the same. A policy is not: a server
    /// that relays for nobody may still take the recipients of its own domain.
    pub(super) fn may_be_the_recipients(&self) -> bool {
        match self {
            Self::Lost { command, .. } | Self::Silent { command, .. } => *command == Command::Rcpt,
            Self::Answered { command: Command::Rcpt, text, .. } => {
                let words = own_words(text);
                let is_policy = matches!(status(text), Some((7, _)))
                    || OF_THE_SENDER.iter().chain(&OF_THE_RELAY).any(|word| words.contains(word));
                !is_policy
            }
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
            Self::TooBig { size, limit } => {
                format!("SMTP server takes only {limit} bytes, and every message has more: the last one has {size}")
            }
            other => other.to_string(),
        }
    }

    /// Whether most mails would meet it: the server takes shorter messages than every server has to.
    pub(super) fn is_of_most(&self) -> bool {
        matches!(self, Self::TooBig { limit, .. } if *limit < SHORTEST_LIMIT)
    }
}

/// The length of a message that every server takes, in bytes (RFC 5321, 4.5.3.1.7).
const SHORTEST_LIMIT: usize = 64 * 1024;

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

/// The words about the sender or its account, and about whom the server relays for.
const OF_THE_SENDER: [&str; 8] =
    ["sender", "sending", "submission", "daily", "hour", "your account", "plan", "per day"];
const OF_THE_RELAY: [&str; 3] = ["relay", "rcpthosts", "authenticat"];

/// In which way the server says that it is asked for too much. For good it says so of an account, or of the mailbox of
/// one recipient, and only the next mails show which. Of a mailbox or an address it says so in the status code, or it
/// quotes the address.
fn too_much(command: Command, code: u16, text: &str) -> Option<Blame> {
    let status = status(text);
    if matches!(status, Some((7, 28) | (4, 5))) {
        return Some(Blame::Rate);
    }
    let quotes = command != Command::Mail && text.contains('@');
    if code >= 500 || quotes || matches!(status, Some((1 | 2, _))) {
        return None;
    }
    let text = own_words(text);
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match () {
        () if says(&["recipient thread"]) => None,
        () if code == 432 || says(&SESSIONS) => Some(Blame::Sessions),
        () if says(&RATE) => Some(Blame::Rate),
        () => None,
    }
}

/// The words without the addresses, domains and URLs among them, which others have chosen.
fn own_words(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let is_edge = |c: char| c.is_whitespace() || "<>()[]\"',".contains(c);
    let is_name = |word: &str| {
        let word = word.trim_end_matches(['.', ':', ';']);
        word.contains('@')
            || word.contains("://")
            || (word.contains('.') && word.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c)))
    };
    text.split(is_edge).filter(|word| !is_name(word)).collect::<Vec<_>>().join(" ")
}

/// Whether a refusal can only be about the recipient or the content (RFC 3463, 5321, 6531, 7504, 7505). A status code
/// about a mailbox is not enough if the words are about the sender.
fn is_the_mails(command: Command, code: u16, text: &str) -> bool {
    let words = own_words(text);
    let says = |any: &[&str]| any.iter().any(|word| words.contains(word));
    if code < 500 || says(&OF_THE_SENDER) {
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
