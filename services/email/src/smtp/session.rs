//! One SMTP session: opened, and used for one mail at a time.

use std::{fmt, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use lettre::{
    address::Envelope,
    transport::smtp::{
        Error as LettreError,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Noop, Quit, Rcpt, Rset},
        extension::ClientId,
    },
};
use tokio::time::{Instant, timeout, timeout_at};

use super::encryption::Encryption;
use super::error::{Command, SmtpError, reason_with_code};

/// How long a politeness (`QUIT`, `RSET`) may take before the connection is just closed.
const COURTESY: Duration = Duration::from_secs(1);

/// The server that sessions are opened with.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) login: Option<Credentials>,
    pub(super) hello: ClientId,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Server {
    /// Connects, greets, encrypts and logs in, all within `limit`.
    ///
    /// # Errors
    /// [`SmtpError::NoSession`] with what the server or the network said.
    pub(super) async fn open(&self, limit: Duration) -> Result<Session, SmtpError> {
        self.opened(limit, self.dial(limit)).await
    }

    /// The session that dialling leads to within `limit`.
    ///
    /// # Errors
    /// [`SmtpError::NoSession`] with what the server or the network said.
    pub(super) async fn opened(
        &self,
        limit: Duration,
        dialling: impl Future<Output = Result<AsyncSmtpConnection, LettreError>>,
    ) -> Result<Session, SmtpError> {
        let reason = match timeout(limit, AssertUnwindSafe(dialling).catch_unwind()).await {
            Ok(Ok(Ok(connection))) => return Ok(Session { connection }),
            Ok(Ok(Err(error))) => reason_with_code(&error),
            // It does over a line of white space alone in the answer to EHLO: the server's trouble, and no mail's.
            Ok(Err(_)) => "lettre panicked over what it answered".to_owned(),
            Err(_) => format!("it was not ready for mail within {limit:?}"),
        };
        Err(SmtpError::NoSession { server: self.to_string(), reason })
    }

    async fn dial(&self, limit: Duration) -> Result<AsyncSmtpConnection, LettreError> {
        let tls = match &self.encryption {
            Encryption::FromTheStart(tls) => Some(tls.clone()),
            Encryption::StartTls { .. } | Encryption::Never => None,
        };
        let address = (self.host.as_str(), self.port);
        // A name can have several addresses: one that drops packets leaves time for the next.
        let connecting = Some(limit / 3);
        let connection = AsyncSmtpConnection::connect_tokio1(address, connecting, &self.hello, tls, None).await?;
        self.introduced(connection).await
    }

    /// Encrypts and logs in, once the server has answered the greeting.
    pub(super) async fn introduced(
        &self,
        mut connection: AsyncSmtpConnection,
    ) -> Result<AsyncSmtpConnection, LettreError> {
        if let Encryption::StartTls { tls, required } = &self.encryption
            && (*required || connection.can_starttls())
        {
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, login).await?;
        }
        Ok(connection)
    }
}

/// A session that is ready for a mail.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
}

impl Session {
    /// Hands over one mail by `deadline`; the answer to `MAIL` comes within `patience` or is not waited for.
    ///
    /// # Errors
    /// Any but [`SmtpError::NoSession`].
    ///
    /// # If dropped
    /// The server may have the mail or not, and the session is of no use any more.
    pub(super) async fn transfer(
        &mut self,
        envelope: &Envelope,
        message: &str,
        patience: Duration,
        deadline: Instant,
    ) -> Result<(), SmtpError> {
        // No parameters: addresses are ASCII (`contract::Email`), and so is every encoded body.
        let mail = Mail::new(envelope.from().cloned(), vec![]);
        let first = deadline.min(Instant::now() + patience);
        answer(Command::Mail, first, self.connection.command(mail)).await?;
        for recipient in envelope.to() {
            let rcpt = Rcpt::new(recipient.clone(), vec![]);
            answer(Command::Rcpt, deadline, self.connection.command(rcpt)).await?;
        }
        answer(Command::Data, deadline, self.connection.command(Data)).await?;
        answer(Command::Body, deadline, self.connection.command(framed(message))).await
    }

    /// Makes the session forget the mail that was refused; false if it cannot be used again.
    pub(super) async fn reset(&mut self) -> bool {
        matches!(timeout(COURTESY, self.connection.command(Rset)).await, Ok(Ok(_)))
    }

    /// Asks for a sign of life within `limit`.
    ///
    /// # Errors
    /// What the server or the network said.
    pub(super) async fn check(&mut self, limit: Duration) -> Result<(), String> {
        match timeout(limit, self.connection.command(Noop)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(reason_with_code(&error)),
            Err(_) => Err(format!("it did not answer NOOP within {limit:?}")),
        }
    }

    /// Takes leave of the server.
    pub(super) async fn quit(mut self) {
        let _ = timeout(COURTESY, self.connection.command(Quit)).await;
    }
}

/// The message with its end, in one piece: lettre writes them apart, and the kernel holds the second back until the
/// server has acknowledged the first, which takes it 40 ms.
fn framed(message: &str) -> String {
    let message = message.strip_suffix("\r\n").unwrap_or(message);
    format!("{}\r\n.\r\n", message.replace("\r\n.", "\r\n.."))
}

async fn answer<T>(
    command: Command,
    deadline: Instant,
    reply: impl Future<Output = Result<T, LettreError>>,
) -> Result<(), SmtpError> {
    let begun = Instant::now();
    match timeout_at(deadline, reply).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(SmtpError::at(command, &error)),
        Err(_) => Err(SmtpError::Silent { command, waited: begun.elapsed() }),
    }
}

#[cfg(test)]
mod tests {
    use contract::Email;
    use proptest::prelude::*;

    use super::*;
    use crate::{letter::Letter, mail};

    #[test]
    fn a_line_that_is_a_dot_does_not_end_the_message() {
        assert_eq!(framed("A: b\r\n\r\n.\r\n..c\r\n"), "A: b\r\n\r\n..\r\n...c\r\n.\r\n");
        assert_eq!(framed("A: b\r\n\r\nc"), "A: b\r\n\r\nc\r\n.\r\n");
    }

    proptest! {
        /// Servers differ in what ends a line, so that one may end a message where another one reads on.
        #[test]
        fn no_text_ends_its_message_early_on_any_server(text in prop_oneof!["[\r\n.aé]*", "[\r\n.a]*", ".*"]) {
            let to = Email::parse("ops@example.com").unwrap();
            let from = "warren@shop.example".parse().unwrap();
            let letter = Letter::write(&mail::Mail::Text { text: &text, to: Some(&to) }, &from, None).unwrap();
            let sent = framed(&letter.message);
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
