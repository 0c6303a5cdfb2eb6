//! One SMTP server. Opens sessions with it.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Once,
    time::Duration,
};

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tracing::warn;

use super::{
    Login, Security, SmtpError,
    authentication::log_in,
    encryption::{Encryption, refusal},
    extensions::Extensions,
    limits::{Limit, Time},
    mask::masked,
    reply::Reply,
    session::Session,
    wire::{Wire, words},
};

/// After how long without a byte the kernel asks the server's kernel whether it still knows the connection. A busy server whose queue of
/// new connections is full can forget one that the client takes for open, and then nobody says a word until the limits of RFC 5321 end.
const UNHEARD: Duration = Duration::from_secs(15);

/// The server with which sessions are opened.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) login: Option<Login>,
    /// The name in the client's `EHLO`. `None` is the address from which it connects (RFC 5321, 4.1.3), which every
    /// server takes.
    pub(super) hello: Option<String>,
    /// Whether the log says already that mail goes unencrypted.
    pub(super) told_clear: Once,
}

/// Why there is no session.
pub(super) struct Unready {
    pub(super) reason: String,
    /// The server offers an encryption that fails.
    pub(super) by_encryption: bool,
    /// Whether the server said so itself, and only for now.
    pub(super) for_now: bool,
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
    /// Connects, sends `EHLO`, encrypts and logs in.
    ///
    /// # Errors
    /// [`SmtpError::NoSession`] with what the server or the network said.
    pub(super) async fn open(&self, time: &Time) -> Result<Session, SmtpError> {
        let first = self.dial(time, self.encryption.security).await;
        let outcome = match first {
            Err(Unready { reason, by_encryption: true, .. }) if self.encryption.is_optional() => {
                self.told_clear
                    .call_once(|| warn!(reason, "mail goes unencrypted, because the offered encryption fails"));
                self.dial(time, Security::Clear).await
            }
            first => first,
        };
        outcome.map_err(|unready| self.no_session(unready))
    }

    fn no_session(&self, Unready { reason, for_now, .. }: Unready) -> SmtpError {
        SmtpError::NoSession { server: self.to_string(), reason, for_now }
    }

    async fn dial(&self, time: &Time, security: Security) -> Result<Session, Unready> {
        let tcp = self.connect(time).await.map_err(|error| Unready::from(words(&error)))?;
        let local = tcp.local_addr().map_or(IpAddr::from([127, 0, 0, 1]), |address: SocketAddr| address.ip());
        let mut wire = Wire::over(tcp);
        if security == Security::Tls {
            wire = self.encrypted(wire, time.connect()).await?;
        }
        self.introduced(wire, local, security, time).await
    }

    /// A name can have several addresses. An address that drops packets leaves time for the next one.
    async fn connect(&self, time: &Time) -> io::Result<TcpStream> {
        let addresses = time.connect().hold(lookup_host((self.host.as_str(), self.port))).await?;
        let addresses: Vec<_> = addresses.collect();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
        for (index, address) in addresses.iter().enumerate() {
            let limit = time.connect_one_of(addresses.len() - index);
            match limit.hold(TcpStream::connect(address)).await {
                Ok(tcp) => {
                    tcp.set_nodelay(true)?;
                    SockRef::from(&tcp).set_tcp_keepalive(&TcpKeepalive::new().with_time(UNHEARD))?;
                    return Ok(tcp);
                }
                Err(error) if is_silence(&error) => {
                    last =
                        io::Error::new(error.kind(), format!("{address} did not take the connection within {error}"));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn encrypted(&self, wire: Wire, limit: Limit) -> Result<Wire, Unready> {
        let host = ServerName::try_from(self.host.clone()).map_err(|error| Unready::from(error.to_string()))?;
        let config = self.encryption.config().await.map_err(|error| Unready::from(error.to_string()))?;
        let encrypted = limit.hold(wire.encrypt(host, config)).await;
        encrypted.map_err(|error| Unready { by_encryption: true, ..refusal(&error).into() })
    }

    /// Sends `EHLO`, encrypts and logs in, on a connection from `local`.
    async fn introduced(
        &self,
        mut wire: Wire,
        local: IpAddr,
        security: Security,
        time: &Time,
    ) -> Result<Session, Unready> {
        let greeting = heard(time.command(), "greet", wire.answer()).await?;
        if greeting.code != 220 {
            return Err(said("it greets with", &greeting));
        }
        let name = self.hello.clone().unwrap_or_else(|| literal(local));
        let mut extensions = hello(&mut wire, &name, time).await?;
        let wanted = matches!(security, Security::StartTls | Security::StartTlsIfOffered);
        if security == Security::StartTls && !extensions.starttls {
            return Err("STARTTLS is not supported by it; ?tls= in SMTP_URL says whether it has to be"
                .to_owned()
                .into());
        }
        if wanted && extensions.starttls {
            let answer = heard(time.command(), "answer STARTTLS", wire.ask("STARTTLS")).await?;
            if answer.code != 220 {
                return Err(Unready { by_encryption: true, ..said("it answered STARTTLS with", &answer) });
            }
            wire = self.encrypted(wire, time.connect()).await?;
            extensions = hello(&mut wire, &name, time).await?;
        }
        if let Some(login) = &self.login {
            log_in(&mut wire, login, &extensions, time).await?;
        }
        Ok(Session::new(wire, extensions))
    }

    /// Opens a session on an existing connection.
    ///
    /// # Errors
    /// As [`Server::open`].
    #[cfg(feature = "inside")]
    pub(super) async fn open_over(&self, wire: Wire, time: &Time) -> Result<Session, SmtpError> {
        let local = IpAddr::from([127, 0, 0, 1]);
        let session = self.introduced(wire, local, self.encryption.security, time).await;
        session.map_err(|unready| self.no_session(unready))
    }
}

impl From<String> for Unready {
    fn from(reason: String) -> Self {
        Self { reason, by_encryption: false, for_now: false }
    }
}

/// Nobody answered: the error is the service's own, and no network's.
pub(super) fn is_silence(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
}

/// The answer, or why there is none: `what` it did not do in time, or how the connection broke.
pub(super) async fn heard(
    limit: Limit,
    what: &str,
    answer: impl Future<Output = io::Result<Reply>>,
) -> Result<Reply, Unready> {
    let broken = |error| match is_silence(&error) {
        true => format!("it was not ready for mail: it did not {what} within {error}"),
        false => words(&error),
    };
    limit.hold(answer).await.map_err(|error| broken(error).into())
}

impl From<&Reply> for String {
    fn from(reply: &Reply) -> Self {
        format!("{} {}", reply.code, masked(&reply.to_string()))
    }
}

/// There is no session because the server gave this answer.
pub(super) fn said(how: &str, reply: &Reply) -> Unready {
    let reason = format!("{how} {}", String::from(reply));
    Unready { reason, by_encryption: false, for_now: (400..500).contains(&reply.code) }
}

/// The `EHLO` of a client without a name (RFC 5321, 4.1.3).
fn literal(local: IpAddr) -> String {
    match local.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

async fn hello(wire: &mut Wire, name: &str, time: &Time) -> Result<Extensions, Unready> {
    let answer = heard(time.command(), "answer EHLO", wire.ask(&format!("EHLO {name}"))).await?;
    match answer.code {
        250 => Ok(Extensions::of(&answer)),
        // It does not know extensions (RFC 5321, 3.2).
        500 | 502 => {
            let answer = heard(time.command(), "answer HELO", wire.ask(&format!("HELO {name}"))).await?;
            match answer.code {
                250 => Ok(Extensions::default()),
                _ => Err(said(&format!("it answered HELO {name} with"), &answer)),
            }
        }
        500.. => {
            let unready = said(&format!("it answered EHLO {name} with"), &answer);
            Err(Unready { reason: format!("{}; SMTP_HELO sets the name", unready.reason), ..unready })
        }
        _ => Err(said("it answered EHLO with", &answer)),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
    };

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::smtp::SmtpLimits;

    #[test]
    fn a_client_without_a_name_calls_itself_by_its_address() {
        assert_eq!(literal("192.0.2.1".parse().unwrap()), "[192.0.2.1]");
        assert_eq!(literal("::ffff:192.0.2.1".parse().unwrap()), "[192.0.2.1]");
        assert_eq!(literal("2001:db8::1".parse().unwrap()), "[IPv6:2001:db8::1]");
    }

    /// Where it is told to wait for data, the kernel takes no connection at once, and forgets those that wait with their listener.
    const FORGETFUL: &str = "
import socket, sys
listener = socket.create_server(('127.0.0.1', 0))
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 600)
print(listener.getsockname()[1], flush=True)
sys.stdin.read()";

    #[tokio::test]
    async fn a_connection_that_the_server_has_forgotten_is_lost_long_before_the_limit() {
        let mut python = Command::new("/usr/bin/python3");
        let mut python = python.args(["-c", FORGETFUL]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(python.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let server = Server {
            host: "127.0.0.1".to_owned(),
            port: port.trim().parse().unwrap(),
            encryption: Encryption::of(&format!("smtp://127.0.0.1:{}", port.trim()).parse().unwrap(), None),
            login: None,
            hello: None,
            told_clear: Once::new(),
        };
        let long = Duration::from_secs(300);
        let limits = SmtpLimits { connect: long, command: long, data: long, last: long, whole: 4 * long };
        let mut connection = server.connect(&limits.begin()).await.unwrap();
        drop(python.stdin.take());
        python.wait().unwrap();
        let heard = tokio::time::timeout(4 * UNHEARD, connection.read_u8()).await.expect("it is lost in time");
        assert_eq!(heard.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
