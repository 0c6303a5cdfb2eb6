//! Lets fuzzing reach the client: a server that says a given text, whatever it hears.

use std::{
    io,
    pin::Pin,
    sync::Once,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Builder,
};

use super::{
    MailObject, SmtpError, SmtpLimits, SmtpUrl, encryption::Encryption, server::Server, session::Session,
    suspects::Suspects, wire::Wire,
};

const LIMIT: Duration = Duration::from_secs(1);

/// The outcome of each of two mails. They are sent in one session, if the first leaves it usable. `said` is
/// everything that the server says, and comes in pieces of this length. With `login` the client logs in.
///
/// # Errors
/// Why there is no session.
///
/// # Panics
/// If `piece` is 0.
pub fn answered(said: &[u8], piece: usize, login: bool) -> Result<Vec<Result<(), SmtpError>>, SmtpError> {
    assert!(piece > 0, "nothing would ever come");
    let url = if login { "smtp://shop:secret@mail.example:25?tls=none" } else { "smtp://mail.example:25?tls=none" };
    let url: SmtpUrl = url.parse().expect("it is a URL");
    let encryption = Encryption::of(&url, None);
    let SmtpUrl { host, port, login, .. } = url;
    let server = Server { host, port, encryption, login, hello: Some("warren".to_owned()), told_clear: Once::new() };
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without sockets can be made");
    runtime.block_on(async {
        let voice = Voice { said: said.to_vec(), at: 0, line: 0, piece, was_asked: true };
        let limits = SmtpLimits { connect: LIMIT, command: LIMIT, data: LIMIT, last: LIMIT, whole: LIMIT * 5 };
        let session = server.open_over(Wire::over(voice), &limits.begin()).await?;
        Ok(hand_over(session, limits).await)
    })
}

async fn hand_over(mut session: Session, limits: SmtpLimits) -> Vec<Result<(), SmtpError>> {
    let suspects = Suspects::default();
    let mail_object = MailObject { from: "shop@example.com", to: "ada@example.com", message: "A: b\r\n\r\nc\r\n" };
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let (time, mut steps) = (limits.begin(), suspects.steps());
        let outcome = match session.begin(&mail_object, &mut steps, time.command(), &time).await {
            Ok(()) => session.finish(&mail_object, &mut steps, &time).await,
            Err(error) => Err(error),
        };
        let usable = match &outcome {
            Ok(()) => session.check(time.command()).await.is_ok(),
            Err(_) => session.reset(time.courtesy()).await,
        };
        outcomes.push(outcome);
        if !usable {
            break;
        }
    }
    session.quit(limits.begin().courtesy()).await;
    outcomes
}

/// The server's half of a connection, which says one answer each time that it was asked.
#[derive(Debug)]
struct Voice {
    said: Vec<u8>,
    at: usize,
    /// Where the line at `at` begins.
    line: usize,
    piece: usize,
    was_asked: bool,
}

impl AsyncRead for Voice {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.was_asked {
            return Poll::Pending;
        }
        let rest = &self.said[self.at..];
        let line = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |end| end + 1);
        let length = self.piece.min(into.remaining()).min(line);
        into.put_slice(&rest[..length]);
        self.at += length;
        if length == line && length > 0 {
            self.was_asked = self.said.get(self.line + 3) == Some(&b'-');
            self.line = self.at;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Voice {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.was_asked = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
