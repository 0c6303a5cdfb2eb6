//! The socket beneath a connection, ours from the first byte: lapin reads and writes it, and dials nothing.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::{Tokio, traits::Reactor};
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::client::TlsStream;

use super::greeting::{Greeting, Version, farewell};
use super::inlet::Inlet;

/// An open socket. What the broker says of itself on it is overheard, because lapin keeps it to itself.
pub(super) struct Wire {
    pub(super) io: Io,
    pub(super) inlet: Inlet,
    pub(super) greeting: Option<Greeting>,
    pub(super) heard: Arc<Heard>,
    /// Dropped with the wire, and so tells that lapin is done with it.
    pub(super) _open: oneshot::Sender<()>,
}

pub(super) enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What the broker said of itself.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) version: OnceLock<Version>,
    pub(super) farewell: OnceLock<String>,
    /// How many messages came back, by channel: counted before lapin hears of it.
    returns: [AtomicU64; COUNTERS],
}

/// So many channels have a counter of their own. The lowest free number is a channel's, and publishers have fewer; where two share one, each only asks
/// once too often.
const COUNTERS: usize = 64;

impl Heard {
    /// How many messages came back on a channel so far.
    pub(super) fn returns(&self, channel: u16) -> u64 {
        self.returns[usize::from(channel) % COUNTERS].load(Ordering::Acquire)
    }

    /// Another message came back on a channel.
    pub(super) fn returned(&self, channel: u16) {
        self.returns[usize::from(channel) % COUNTERS].fetch_add(1, Ordering::Release);
    }
}

impl Default for Heard {
    fn default() -> Self {
        let returns = std::array::from_fn(|_| AtomicU64::new(0));
        Self { version: OnceLock::new(), farewell: OnceLock::new(), returns }
    }
}

impl Wire {
    fn overhear(&mut self, read: &[u8]) {
        if let Some(greeting) = &mut self.greeting
            && greeting.complete(read)
        {
            greeting.version().map(|version| self.heard.version.set(version));
            self.greeting = None;
        }
        if let Some(words) = farewell(read) {
            let _ = self.heard.farewell.set(words);
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let handed_on = self.inlet.hand_on(buffer);
            if handed_on > 0 || buffer.is_empty() {
                return Poll::Ready(Ok(handed_on));
            }
            // The caller's own room serves for reading: what was read leaves it before anything is handed on.
            let mut read = ReadBuf::new(buffer);
            ready!(match &mut self.io {
                Io::Plain(tcp) => Pin::new(tcp).poll_read(cx, &mut read),
                Io::Tls(tls) => Pin::new(tls).poll_read(cx, &mut read),
            })?;
            if read.filled().is_empty() {
                self.inlet.end();
                return Poll::Ready(Ok(self.inlet.hand_on(buffer)));
            }
            self.overhear(read.filled());
            self.inlet.take(read.filled());
            let Self { inlet, heard, .. } = &mut *self;
            inlet.returned().for_each(|channel| heard.returned(channel));
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write(cx, buffer),
            Io::Tls(tls) => Pin::new(tls).poll_write(cx, buffer),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, buffers),
            Io::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, buffers),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// What lapin asks of a runtime besides tasks: time. Sockets it gets from us.
#[derive(Debug, Clone)]
pub(super) struct Timers(pub(super) Tokio);

impl Reactor for Timers {
    type TcpStream = Wire;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Wire, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        _address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}
