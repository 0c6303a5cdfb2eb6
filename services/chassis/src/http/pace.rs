//! How long a connection has waited, and for what. Its socket and the bodies of its requests note it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::Limits;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its first request's first byte.
    Fresh,
    /// The rest of a request's headers.
    Headers,
    /// The service.
    Service,
    /// The next bytes of a body for which the service asks.
    Body,
    /// The first byte of the next request, or the client's reading of the answer.
    Idle,
}

/// The stage of one connection, and since when it is in it. Its socket and its service write it. Its driver reads it,
/// and so does the server when another client needs a place.
#[derive(Clone, Debug)]
pub(super) struct Pace(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<(Stage, Instant)>,
    place_is_needed: Notify,
}

impl Pace {
    pub(super) fn new() -> Self {
        let state = Mutex::new((Stage::Fresh, Instant::now()));
        Self(Arc::new(Shared { state, place_is_needed: Notify::new() }))
    }

    pub(super) fn stage(&self) -> Stage {
        self.lock().0
    }

    /// When this connection has waited too long; never while the service works. A connection that is `leaving` has
    /// little time.
    pub(super) fn deadline(&self, limits: &Limits, leaving: bool) -> Option<Instant> {
        let (stage, since) = *self.lock();
        let time = match stage {
            Stage::Fresh | Stage::Headers => limits.header_time,
            // Only the service knows how long a body may take.
            Stage::Service | Stage::Body => return None,
            Stage::Idle => limits.idle_time,
        };
        Some(since + if leaving { time.min(limits.leave_time) } else { time })
    }

    /// Since when it waits for its client, if it does, and for what. It waits for a request from its first byte to
    /// its last: the bytes between gain no time.
    pub(super) fn waiting(&self) -> Option<(Instant, Stage)> {
        let (stage, since) = *self.lock();
        (stage != Stage::Service).then_some((since, stage))
    }

    /// Asks the connection to close. It does not close if it no longer waits for its client when it sees this.
    pub(super) fn ask_to_close(&self) {
        self.0.place_is_needed.notify_one();
    }

    /// Waits until the connection is asked to close.
    pub(super) fn asked_to_close(&self) -> Notified<'_> {
        self.0.place_is_needed.notified()
    }

    pub(super) fn request_began(&self) {
        self.lock().0 = Stage::Service;
    }

    pub(super) fn request_ended(&self) {
        *self.lock() = (Stage::Idle, Instant::now());
    }

    /// Whether the service waits for more of the body.
    pub(super) fn body_is_awaited(&self, awaited: bool) {
        let mut state = self.lock();
        match state.0 {
            Stage::Service if awaited => state.0 = Stage::Body,
            Stage::Body if !awaited => state.0 = Stage::Service,
            _ => {}
        }
    }

    fn bytes_came(&self) {
        let mut state = self.lock();
        match state.0 {
            // The time of the first request counts from the connection, not from its first byte.
            Stage::Fresh => state.0 = Stage::Headers,
            Stage::Idle => *state = (Stage::Headers, Instant::now()),
            Stage::Headers | Stage::Service | Stage::Body => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Stage, Instant)> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that notes in the pace when bytes arrive.
#[derive(Debug)]
pub(super) struct Paced {
    pub(super) stream: TcpStream,
    pub(super) pace: Pace,
}

impl AsyncRead for Paced {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pace.bytes_came();
        }
        outcome
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The body of a request. While its reader waits for bytes, the connection counts as one that waits for its client.
#[derive(Debug)]
pub struct Arriving {
    body: Incoming,
    pace: Pace,
}

impl Arriving {
    pub(super) fn new(body: Incoming, pace: Pace) -> Self {
        Self { body, pace }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let outcome = Pin::new(&mut self.body).poll_frame(cx);
        self.pace.body_is_awaited(outcome.is_pending());
        outcome
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A reader that is dropped no longer waits.
impl Drop for Arriving {
    fn drop(&mut self) {
        self.pace.body_is_awaited(false);
    }
}
