//! One SMTP session, for one mail at a time.

use std::io;

use tokio::time::{Instant, timeout_at};

use super::{
    Command, MailObject, SmtpError,
    extensions::Extensions,
    limits::{Limit, Time},
    mask::masked,
    reply::Reply,
    server::is_silence,
    suspects::StepsPassed,
    wire::{Wire, words},
};

/// The bytes of a message that are sent at once. Each piece has its own time.
const PIECE: usize = 64 * 1024;

/// A session that is ready for a mail.
pub(super) struct Session {
    wire: Wire,
    extensions: Extensions,
    /// The mails for which the server said yes to `MAIL`.
    mails: usize,
}

impl Session {
    pub(super) fn new(wire: Wire, extensions: Extensions) -> Self {
        Self { wire, extensions, mails: 0 }
    }

    /// Whether it has carried a mail already, or begun to.
    pub(super) fn is_used(&self) -> bool {
        self.mails > 0
    }

    /// Whether it has carried as many mails as the server takes in one session.
    pub(super) fn is_used_up(&self) -> bool {
        self.extensions.mails.is_some_and(|most| self.mails >= most)
    }

    /// Goes on until the server asks for the message. The answer to `MAIL` is due within `first`.
    ///
    /// # Errors
    /// What the server said, or that it said nothing. It cannot have taken the mail.
    ///
    /// # If dropped
    /// The session cannot be used any more.
    pub(super) async fn begin(
        &mut self,
        mail_object: &MailObject<'_>,
        steps: &mut StepsPassed<'_>,
        first: Limit,
        time: &Time,
    ) -> Result<(), SmtpError> {
        let MailObject { from, to, message } = *mail_object;
        let utf8 = ![from, to].iter().all(|address| address.is_ascii()) || !message.is_ascii();
        if utf8 && !self.extensions.utf8 {
            return Err(SmtpError::NeedsUtf8);
        }
        if let Some(limit) = self.extensions.size.filter(|&limit| message.len() > limit) {
            return Err(SmtpError::TooBig { size: message.len(), limit });
        }
        let mail = format!("MAIL FROM:<{from}>{}", self.extensions.parameters(message.len(), utf8));
        self.step(Command::Mail, &mail, first, steps).await?;
        self.mails += 1;
        self.step(Command::Rcpt, &format!("RCPT TO:<{to}>"), time.command(), steps).await?;
        self.step(Command::Data, "DATA", time.data(), steps).await
    }

    /// Sends the message and waits for the server to take it.
    ///
    /// # Errors
    /// What the server said, or that it said nothing. If it said nothing, it may have the mail or not.
    ///
    /// # If dropped
    /// The server may have the mail or not, and the session cannot be used any more.
    pub(super) async fn finish(
        &mut self,
        mail_object: &MailObject<'_>,
        steps: &mut StepsPassed<'_>,
        time: &Time,
    ) -> Result<(), SmtpError> {
        if let Err(error) = self.wire.nothing_unasked().await {
            return Err(broken(Command::Data, &error));
        }
        for piece in framed(mail_object.message).as_bytes().chunks(PIECE) {
            let limit = time.piece();
            limit.hold(self.wire.say(piece)).await.map_err(|error| broken(Command::Body, &error))?;
        }
        let answer = time.last().hold(self.wire.answer()).await;
        self.noted(Command::Body, answer, steps)
    }

    async fn step(
        &mut self,
        command: Command,
        line: &str,
        limit: Limit,
        steps: &mut StepsPassed<'_>,
    ) -> Result<(), SmtpError> {
        let answer = limit.hold(self.wire.ask(line)).await;
        self.noted(command, answer, steps)
    }

    fn noted(&self, command: Command, answer: io::Result<Reply>, steps: &mut StepsPassed<'_>) -> Result<(), SmtpError> {
        let answer = answer.map_err(|error| broken(command, &error))?;
        if answer.is_yes() && (command == Command::Data) == (answer.code == 354) {
            steps.passed(command);
            return Ok(());
        }
        match answer.code {
            code @ 400.. => Err(SmtpError::Answered { command, code, text: masked(&answer.to_string()) }),
            code => Err(SmtpError::Lost { command, reason: format!("an answer of {code} makes no sense there") }),
        }
    }

    /// Whether the server takes a mail to this recipient, up to where the message would follow. `None` if it gives no
    /// answer.
    pub(super) async fn takes(&mut self, from: &str, to: &str, limit: Limit) -> Option<bool> {
        for command in [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>")] {
            let answer = limit.hold(self.wire.ask(&command)).await.ok()?;
            if !answer.is_yes() {
                return Some(false);
            }
            self.mails += usize::from(command.starts_with("MAIL"));
        }
        Some(true)
    }

    /// Makes the session forget the refused mail. False if the session cannot be used again.
    pub(super) async fn reset(&mut self, by: Instant) -> bool {
        matches!(timeout_at(by, self.wire.ask("RSET")).await, Ok(Ok(answer)) if answer.code == 250)
    }

    /// Checks whether the server still answers.
    ///
    /// # Errors
    /// What the server or the network said.
    pub(super) async fn check(&mut self, limit: Limit) -> Result<(), String> {
        match limit.hold(self.wire.ask("NOOP")).await {
            Ok(answer) if answer.is_yes() => Ok(()),
            Ok(answer) => Err(format!("it answered NOOP with {}", String::from(&answer))),
            Err(error) if is_silence(&error) => Err(format!("it did not answer NOOP within {error}")),
            Err(error) => Err(words(&error)),
        }
    }

    /// Closes the session properly.
    pub(super) async fn quit(mut self, by: Instant) {
        let _ = timeout_at(by, self.wire.ask("QUIT")).await;
    }
}

fn broken(command: Command, error: &io::Error) -> SmtpError {
    match is_silence(error) {
        true => SmtpError::Silent { command, limit: error.to_string() },
        false => SmtpError::Lost { command, reason: masked(&words(error)) },
    }
}

/// The message with its end, in one piece: the kernel holds a second piece back until the server has acknowledged the
/// first.
fn framed(message: &str) -> String {
    let message = message.strip_suffix("\r\n").unwrap_or(message);
    let dot = if message.starts_with('.') { "." } else { "" };
    format!("{dot}{}\r\n.\r\n", message.replace("\r\n.", "\r\n.."))
}

#[cfg(test)]
mod tests {
    use contract::Email;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        mail,
        message::{Message, Sender},
    };

    #[test]
    fn a_line_that_is_a_dot_does_not_end_the_message() {
        assert_eq!(framed("A: b\r\n\r\n.\r\n..c\r\n"), "A: b\r\n\r\n..\r\n...c\r\n.\r\n");
        assert_eq!(framed("A: b\r\n\r\nc"), "A: b\r\n\r\nc\r\n.\r\n");
        assert_eq!(framed(".A: b"), "..A: b\r\n.\r\n");
    }

    proptest! {
        /// Servers differ in what ends a line: one may end a message where another reads on.
        #[test]
        fn no_text_ends_its_message_early_on_any_server(text in prop_oneof!["[\r\n.aé]*", "[\r\n.a]*", ".*"]) {
            let to = Email::parse("ops@example.com").unwrap();
            let sender = Sender { from: "warren@shop.example".parse().unwrap(), reply_to: None };
            let message = Message::write(&mail::Mail::Text { text: &text, to: Some(&to) }, &sender, None).unwrap();
            let sent = framed(&message.text);
            let lines: Vec<_> = sent.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            let (end, lines) = lines.split_last().unwrap();
            prop_assert_eq!(*end, ".");
            for line in lines {
                prop_assert!(!line.contains(['\r', '\n']), "{line:?}");
                prop_assert!(!line.starts_with('.') || line.starts_with(".."), "{line:?}");
            }
        }
    }
}
