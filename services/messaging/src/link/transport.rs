//! The socket of a connection. Warren opens it; lapin only reads and writes it.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::{Tokio, traits::Reactor};
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::client::TlsStream;

use super::frame_sanitizer::FrameSanitizer;

/// An open socket, and the filter for the bytes that arrive on it.
pub(super) struct Transport {
    pub(super) io: Io,
    pub(super) sanitizer: FrameSanitizer,
    /// It is dropped with the socket, which shows that lapin is done with it.
    pub(super) _open: oneshot::Sender<()>,
}

pub(super) enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let handed_on = self.sanitizer.hand_on(buffer);
            if handed_on > 0 || buffer.is_empty() {
                return Poll::Ready(Ok(handed_on));
            }
            // Reads into the caller's buffer; the bytes leave it before any are passed on.
            let mut read = ReadBuf::new(buffer);
            ready!(match &mut self.io {
                Io::Plain(tcp) => Pin::new(tcp).poll_read(cx, &mut read),
                Io::Tls(tls) => Pin::new(tls).poll_read(cx, &mut read),
            })?;
            if read.filled().is_empty() {
                self.sanitizer.end();
                return Poll::Ready(Ok(self.sanitizer.hand_on(buffer)));
            }
            self.sanitizer.take(read.filled());
        }
    }
}

impl AsyncWrite for Transport {
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

/// Gives lapin the timers of the runtime. lapin gets its sockets from this crate.
#[derive(Debug, Clone)]
pub(super) struct Timers(pub(super) Tokio);

impl Reactor for Timers {
    type TcpStream = Transport;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Transport, _>(io::ErrorKind::Unsupported.into())
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
