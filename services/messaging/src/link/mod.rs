//! One connection to the broker. It ends when it fails, and its owner dials again.

use std::io;
use std::net::{Shutdown, TcpStream as StdTcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use lapin::{Channel, Connection, ErrorKind, Event};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

use crate::error::reply;
use crate::metrics::Role;
use crate::{Endpoint, Error, tls};

mod channel;
pub(crate) use channel::OpenChannel;
mod greeting;
#[cfg(test)]
mod tests;
use greeting::Heard;
pub(crate) use greeting::Version;
mod frame_sanitizer;
#[cfg(feature = "inside")]
pub(crate) mod inside;
use frame_sanitizer::FrameSanitizer;
mod login;
mod oversize;
mod payload;
mod reach;
use reach::reach;
mod shared;
pub(crate) use shared::{Hold, SharedLink};
mod transport;
use transport::{Io, Transport};

/// How long each answer of the broker may take, after the login.
pub(crate) const STEP: Duration = Duration::from_secs(5);
/// The smallest `frame_max` that a URL can ask for, which leaves room for foreign headers. The broker may ask for less.
/// With lapin's default, an idle connection costs 7 MB of memory.
pub(crate) const FRAME_MAX_BYTES: u32 = 131_072;
/// The codes with which a broker closes a channel and not its connection.
const SOFT: [u16; 6] = [311, 313, 403, 404, 405, 406];

/// The number of connections that this process has opened.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// A connection without lapin's own recovery: when it is lost, everything on it fails at once. Dropping it closes its
/// socket, so that no thread and no socket stays behind, whatever the peer does.
pub(crate) struct Link {
    connection: Connection,
    endpoint: Endpoint,
    broker: String,
    /// The channels that the broker has closed. lapin never uses their numbers again.
    refused: AtomicU16,
    heard: Arc<Heard>,
    condition: watch::Receiver<Condition>,
    observer: JoinHandle<()>,
    /// Its number in this process; the first is 1.
    number: u64,
    opened: Instant,
    /// When the certificate of the broker expires, in seconds since 1970; none without TLS.
    not_after: Option<i64>,
    /// Something was settled on it.
    proven: AtomicBool,
    /// No number was left for another channel.
    exhausted: AtomicBool,
    _hangup: Hangup,
}

/// The condition of a connection.
#[derive(Debug, Clone, Default)]
struct Condition {
    blocked: bool,
    lost: Option<String>,
}

/// A duplicate of the socket. Shutting it down ends lapin's thread, which nothing else can stop while it waits for a
/// silent peer.
struct Hangup(StdTcpStream);

impl Drop for Hangup {
    fn drop(&mut self) {
        // If the peer was faster, nothing is left to shut down.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Link {
    /// Connects, encrypts if the endpoint says so, and logs in, within the endpoint's times.
    async fn dial(endpoint: &Endpoint, role: Role) -> Result<Self, Error> {
        Self::open(endpoint, role.name()).await
    }

    /// Connects to the same broker once more, for questions that would use up this connection's channels.
    pub(crate) async fn another(&self) -> Result<Self, Error> {
        Self::open(&self.endpoint, "topology").await
    }

    async fn open(endpoint: &Endpoint, role: &str) -> Result<Self, Error> {
        let broker = endpoint.url.authority();
        let within = endpoint.url.connection_timeout();
        let silent = || Error::Silent { broker: broker.clone(), within };
        let (io, hangup) = timeout(within, connect(endpoint)).await.map_err(|_| silent())??;
        let not_after = match &io {
            Io::Plain(_) => None,
            Io::Tls(tls) => tls::not_after(tls),
        };
        let heard = Arc::<Heard>::default();
        let (open, closed) = oneshot::channel();
        let transport =
            Transport { io, sanitizer: FrameSanitizer::new(Arc::clone(&heard), endpoint.url.frame_max()), _open: open };
        let connection = match timeout(within, login::login(endpoint, role, transport)).await {
            Ok(Ok(connection)) => connection,
            // The broker says nothing of a mechanism that it does not take. It only hangs up, after some seconds.
            Ok(Err(error)) => {
                return Err(login::not_offered(&heard, endpoint).unwrap_or_else(|| login::refusal(&error, endpoint)));
            }
            Err(_) => return Err(login::not_offered(&heard, endpoint).unwrap_or_else(silent)),
        };
        let (sender, condition) = watch::channel(Condition::default());
        let observer = tokio::spawn(observe(connection.events_listener(), closed, Arc::clone(&heard), sender));
        Ok(Self {
            connection,
            endpoint: endpoint.clone(),
            broker,
            refused: AtomicU16::new(0),
            heard,
            condition,
            observer,
            number: OPENED.fetch_add(1, Ordering::Relaxed) + 1,
            opened: Instant::now(),
            not_after,
            proven: AtomicBool::new(false),
            exhausted: AtomicBool::new(false),
            _hangup: hangup,
        })
    }

    /// Opens a channel within [`STEP`]. On a blocked connection this never succeeds.
    pub(crate) async fn channel(&self) -> Result<OpenChannel, Error> {
        for _ in 0..=self.connection.configuration().channel_max() {
            match self.within(self.connection.create_channel()).await? {
                Ok(channel) => return Ok(OpenChannel::new(channel)),
                // lapin remembers why the broker once closed a channel, and fails the next with its number. After that
                // it leaves the number alone.
                Err(error) if reply(&error).is_some_and(|(code, _)| SOFT.contains(&code)) && self.is_connected() => {}
                Err(error) => {
                    if matches!(error.kind(), ErrorKind::ChannelsLimitReached) {
                        self.exhausted.store(true, Ordering::Relaxed);
                    }
                    return Err(Error::lost(error));
                }
            }
        }
        self.exhausted.store(true, Ordering::Relaxed);
        Err(Error::Lost { reason: "no channel is left".to_owned() })
    }

    /// Notes that the broker closed a channel.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the broker may close another channel, and enough are left for the work.
    pub(crate) fn has_channels_left(&self) -> bool {
        self.refused.load(Ordering::Relaxed) < self.connection.configuration().channel_max() / 2
    }

    /// Waits for the broker's answer, for [`STEP`] at most.
    pub(crate) async fn step<T>(&self, answer: impl Future<Output = lapin::Result<T>>) -> Result<T, Error> {
        self.within(answer).await?.map_err(Error::lost)
    }

    /// The same, and leaves lapin's own error to the caller.
    pub(crate) async fn within<T>(&self, answer: impl Future<Output = T>) -> Result<T, Error> {
        self.patiently(STEP, answer).await
    }

    /// The same, for an answer that may take the broker longer.
    pub(crate) async fn patiently<T>(&self, within: Duration, answer: impl Future<Output = T>) -> Result<T, Error> {
        let silent = |_| Error::Silent { broker: self.broker.clone(), within };
        timeout(within, answer).await.map_err(silent)
    }

    /// The bytes of the largest frame that the broker and this client agreed on.
    pub(crate) fn frame_max(&self) -> usize {
        usize::try_from(self.connection.configuration().frame_max()).unwrap_or(usize::MAX)
    }

    /// The broker's version, if the broker said it.
    pub(crate) fn server_version(&self) -> Option<Version> {
        self.heard.version.get().copied()
    }

    /// The number of messages that came back on a channel so far. A return counts before the confirm of its message
    /// is heard.
    pub(crate) fn returns(&self, channel: &Channel) -> u64 {
        self.heard.returns(channel.id())
    }

    /// Whether an alarm holds back everything that is written. The broker says so only after a publish on this
    /// connection.
    pub(crate) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Whether the connection is open, as far as is known.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.status().connected() && self.condition.borrow().lost.is_none()
    }

    /// Resolves when the connection becomes blocked, or unblocked, as `blocked` says. It never resolves if the
    /// connection is lost before.
    pub(crate) async fn until_blocked(&self, blocked: bool) {
        let mut condition = self.condition.clone();
        if condition.wait_for(|condition| condition.blocked == blocked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Resolves once no alarm holds back what is written.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) async fn unblocked(&self) -> Result<(), Error> {
        while self.is_blocked() {
            tokio::select! {
                lost = self.lost() => return Err(lost),
                () = self.until_blocked(false) => {}
            }
            // lapin knows of an alarm a little earlier than this connection's condition does.
            yield_now().await;
        }
        Ok(())
    }

    /// Notes that something was settled over this connection.
    pub(crate) fn works(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    /// Resolves once the connection is lost, with the reason.
    pub(crate) async fn lost(&self) -> Error {
        let mut condition = self.condition.clone();
        let lost = condition.wait_for(|condition| condition.lost.is_some()).await;
        let reason = lost.ok().and_then(|condition| condition.lost.clone());
        Error::Lost { reason: reason.unwrap_or_else(|| "it was closed".to_owned()) }
    }

    /// Closes the connection properly, within a second at most.
    async fn close(&self) {
        let _ = timeout(Duration::from_secs(1), self.connection.close(200, "bye".into())).await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.observer.abort();
    }
}

async fn connect(endpoint: &Endpoint) -> Result<(Io, Hangup), Error> {
    let unreachable =
        |error: io::Error| Error::Unreachable { broker: endpoint.url.authority(), reason: error.to_string() };
    let url = &endpoint.url;
    let tcp = reach(&url.host, url.port, url.connection_timeout()).await.map_err(unreachable)?;
    // Otherwise a small batch would wait until the batch before it is acknowledged.
    tcp.set_nodelay(true).map_err(unreachable)?;
    let hangup = Hangup(tcp.as_fd().try_clone_to_owned().map_err(unreachable)?.into());
    match endpoint.url.tls {
        false => Ok((Io::Plain(tcp), hangup)),
        true => Ok((Io::Tls(Box::new(tls::encrypt(tcp, endpoint).await?)), hangup)),
    }
}

/// Updates the condition until the connection is lost.
async fn observe(
    events: impl Stream<Item = Event>,
    closed: oneshot::Receiver<()>,
    heard: Arc<Heard>,
    condition: watch::Sender<Condition>,
) {
    tokio::pin!(events, closed);
    let mut latest = None;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = &mut closed => break,
        };
        let blocked = match event {
            Some(Event::ConnectionBlocked(_)) => true,
            Some(Event::ConnectionUnblocked) => false,
            // The error of a channel comes in the same way. Only the socket says that the connection is gone.
            Some(Event::Error(error)) => {
                if !reply(&error).is_some_and(|(code, _)| SOFT.contains(&code)) {
                    latest = Some((Instant::now(), error));
                }
                continue;
            }
            Some(_) => continue,
            None => break,
        };
        condition.send_modify(|condition| condition.blocked = blocked);
    }
    let words = farewell(events, latest, &heard).await;
    condition.send_modify(|condition| condition.lost = Some(words));
}

/// Why a connection was lost: in the broker's own words, or else in lapin's, or else unknown.
async fn farewell(
    mut events: Pin<&mut impl Stream<Item = Event>>,
    latest: Option<(Instant, lapin::Error)>,
    heard: &Heard,
) -> String {
    let mut reason = latest.filter(|(at, _)| at.elapsed() < STEP).map(|(_, error)| Error::lost(error));
    if reason.is_none() && heard.farewell.get().is_none() {
        // The socket ends first. lapin gives the reason a moment later, if it knows one.
        let late = timeout(Duration::from_millis(100), events.next()).await;
        reason = late.ok().flatten().and_then(|event| match event {
            Event::Error(error) => Some(Error::lost(error)),
            _ => None,
        });
    }
    match (heard.farewell.get(), reason) {
        (Some(words), _) => words.clone(),
        (None, Some(Error::Lost { reason })) => reason,
        (None, _) => "the broker hung up".to_owned(),
    }
}
