//! One HTTP/1.1 connection, from its acceptance to its close.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use nix::sys::socket::{MsgFlags, recv};
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::Limits;
use super::pace::{Arriving, Pace, Paced, Stage};

/// The answer to a client whose request took too long. hyper itself would only close the connection.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The stages of a server that stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The server serves.
    Open,
    /// The server serves, and asks each client to close its connection.
    Closing,
    /// The server accepts nothing, and answers the requests that it took in.
    Draining,
}

/// Waits until a server should drain. A server that is gone has drained.
pub(super) async fn draining(phase: &mut watch::Receiver<Phase>) {
    let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
}

/// hyper's side of a connection.
type Connection<S> = http1::Connection<TokioIo<Paced>, S>;

/// How a connection ended.
enum End {
    Closed,
    Late,
}

/// Answers requests until the client goes, is too slow, or is asked to go, or until the server has drained.
///
/// If dropped, the connection is cut.
pub(super) async fn drive<S, F>(socket: Paced, limits: Limits, service: S, mut phase: watch::Receiver<Phase>)
where
    S: Fn(Request<Arriving>) -> F,
    F: Future<Output = Response<Full<Bytes>>>,
{
    let pace = socket.pace.clone();
    let descriptor = socket.stream.as_raw_fd();
    let has_bytes =
        || recv(descriptor, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT).is_ok_and(|read| read > 0);
    let closing = phase.clone();
    let answer = service_fn(|request: Request<Incoming>| {
        pace.request_began();
        let answer = service(request.map(|body| Arriving::new(body, pace.clone())));
        let (pace, closing) = (&pace, &closing);
        async move {
            let mut response = answer.await;
            pace.request_ended();
            if *closing.borrow() != Phase::Open {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = http1::Builder::new()
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(MINIMUM_BUFFER))
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(socket), answer);
    let end = end(&mut connection, &pace, &limits, &mut phase, has_bytes).await;
    if let End::Late = end
        && matches!(pace.stage(), Stage::Headers | Stage::Body)
    {
        let socket = connection.into_parts().io.into_inner();
        // Best effort: the client may be gone, and nothing waits for this.
        let _ = socket.stream.try_write(TOO_SLOW);
    }
}

/// Drives a connection until it closes, its client is too slow, or another client needs its place.
///
/// `has_bytes` says whether the kernel has more bytes from the client that the runtime may not have seen yet.
async fn end<S>(
    connection: &mut Connection<S>,
    pace: &Pace,
    limits: &Limits,
    phase: &mut watch::Receiver<Phase>,
    has_bytes: impl Fn() -> bool,
) -> End
where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible>,
{
    let mut timer = pin!(sleep_until(pace.deadline(limits, false).expect("a fresh connection has a deadline")));
    let mut draining = pin!(draining(phase));
    let mut asked_to_close = pin!(pace.asked_to_close());
    let mut told = false;
    poll_fn(|cx| {
        if Pin::new(&mut *connection).poll(cx).is_ready() {
            return Poll::Ready(End::Closed);
        }
        // After the poll, so that no client goes whose request has arrived by now. Between requests nothing may be
        // read before the answer is read, so bytes are no excuse there.
        while asked_to_close.as_mut().poll(cx).is_ready() {
            if pace.waiting().is_some_and(|(_, stage)| stage == Stage::Idle || !has_bytes()) {
                return Poll::Ready(End::Late);
            }
            asked_to_close.set(pace.asked_to_close());
        }
        // After the poll, so that a request whose bytes have arrived is answered and not cut.
        if !told && draining.as_mut().poll(cx).is_ready() {
            told = true;
            Pin::new(&mut *connection).graceful_shutdown();
            if Pin::new(&mut *connection).poll(cx).is_ready() {
                return Poll::Ready(End::Closed);
            }
        }
        while let Some(deadline) = pace.deadline(limits, told) {
            // Each request postpones the deadline. The timer follows only once it has elapsed, not for every request.
            if timer.is_elapsed() || timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() == deadline {
                return Poll::Ready(End::Late);
            }
        }
        Poll::Pending
    })
    .await
}

/// hyper's smallest buffer for a connection, in bytes.
const MINIMUM_BUFFER: usize = 8 * 1024;
