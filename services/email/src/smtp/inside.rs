//! A door for fuzzing: a server that says what it is told to say, whatever it hears.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{
        authentication::Credentials,
        client::{AsyncSmtpConnection, AsyncTokioStream},
        extension::ClientId,
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Builder,
    time::Instant,
};

use super::{
    SmtpError,
    encryption::Encryption,
    session::{Server, Session},
};

const LIMIT: Duration = Duration::from_secs(1);

/// What becomes of each of two mails, handed over in one session if the first leaves it usable, where all that the
/// server says is `said`, which comes in pieces of this length. With `login` the client logs in.
///
/// # Errors
/// Why there is no session.
///
/// # Panics
/// If `piece` is 0.
pub fn answered(said: &[u8], piece: usize, login: bool) -> Result<Vec<Result<(), SmtpError>>, SmtpError> {
    assert!(piece > 0, "nothing would ever come");
    let server = Server {
        host: "mail.example".to_owned(),
        port: 25,
        encryption: Encryption::Never,
        login: login.then(|| Credentials::new("shop".to_owned(), "secret".to_owned())),
        hello: ClientId::Domain("warren".to_owned()),
    };
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without sockets can be made");
    runtime.block_on(async {
        let voice = Box::new(Voice { said: said.to_vec(), at: 0, piece });
        let dialling =
            async { server.introduced(AsyncSmtpConnection::connect_with_transport(voice, &server.hello).await?).await };
        Ok(hand_over(server.opened(LIMIT, dialling).await?).await)
    })
}

async fn hand_over(mut session: Session) -> Vec<Result<(), SmtpError>> {
    let address = |text: &str| text.parse::<Address>().expect("it is an address");
    let envelope = Envelope::new(Some(address("shop@example.com")), vec![address("ada@example.com")]);
    let envelope = envelope.expect("there is a recipient");
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let outcome = session.transfer(&envelope, "A: b\r\n\r\nc\r\n", LIMIT, Instant::now() + LIMIT).await;
        let usable = match &outcome {
            Ok(()) => session.check(LIMIT).await.is_ok(),
            Err(_) => session.reset().await,
        };
        outcomes.push(outcome);
        if !usable {
            break;
        }
    }
    session.quit().await;
    outcomes
}

/// The server's half of a connection.
#[derive(Debug)]
struct Voice {
    said: Vec<u8>,
    at: usize,
    piece: usize,
}

impl AsyncRead for Voice {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.piece.min(into.remaining()).min(self.said.len() - self.at);
        into.put_slice(&self.said[self.at..self.at + length]);
        self.at += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Voice {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncTokioStream for Voice {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(([127, 0, 0, 1], 25).into())
    }
}
