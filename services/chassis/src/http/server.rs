//! Accepts connections within limits, and drains them on request.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::Limits;
use super::connection::{self, Phase, draining};
use super::connections::Connections;
use super::pace::{Arriving, Pace, Paced};

/// The pause after a failed accept. Descriptors become free as connections end, and a busy loop would not help.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The time between two log lines about failed accepts. At the limit of descriptors, accepting fails and succeeds by
/// turns.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(60);

/// A running HTTP/1.1 server. Dropping it cuts every connection.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `service` on `listener` and logs `listening` with `name` and the address.
    pub fn start<S, F>(name: &'static str, listener: TcpListener, limits: Limits, service: S) -> Self
    where
        S: Fn(Request<Arriving>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let address = listener.local_addr().expect("a listener has an address");
        info!(name, addr = %address, "listening");
        let (phase, heard) = watch::channel(Phase::Open);
        let acceptor =
            Acceptor { name, limits, service, phase: heard, connections: Connections::default(), complained: None };
        Self { address, phase, task: tokio::spawn(acceptor.serve(listener)) }
    }

    /// The address on which it listens, with the port that it got if port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, each answer asks its client to close the connection, so that few connections are left when the
    /// server drains.
    pub fn close_after_answers(&self) {
        self.phase
            .send_if_modified(|phase| *phase == Phase::Open && std::mem::replace(phase, Phase::Closing) == Phase::Open);
    }

    /// Stops accepting, answers the requests that were taken in, and closes.
    /// [`Deadline::step`](crate::Deadline::step) gives it a deadline.
    ///
    /// If dropped, the remaining connections are cut.
    pub async fn drain(mut self) {
        self.phase.send_replace(Phase::Draining);
        // An aborted or panicked loop has nothing left to drain.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The accept loop and its connections.
struct Acceptor<S> {
    name: &'static str,
    limits: Limits,
    service: S,
    phase: watch::Receiver<Phase>,
    connections: Connections,
    complained: Option<Instant>,
}

impl<S, F> Acceptor<S>
where
    S: Fn(Request<Arriving>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    async fn serve(mut self, listener: TcpListener) {
        let mut phase = self.phase.clone();
        let mut waiting = None;
        loop {
            if self.has_room()
                && let Some(stream) = waiting.take()
            {
                self.admit(stream);
            }
            let crowded = waiting.is_some();
            let look_again =
                if crowded { self.connections.make_room(self.limits.crowded_time) } else { Instant::now() };
            tokio::select! {
                () = draining(&mut phase) => break,
                () = self.connections.closed() => {}
                () = sleep_until(look_again), if crowded => {}
                accepted = listener.accept(), if !crowded => match accepted {
                    Ok((stream, _)) => waiting = Some(stream),
                    Err(error) => self.refused(&error).await,
                },
            }
        }
        waiting.into_iter().for_each(|stream| self.admit(stream));
        self.admit_waiting(&listener);
        drop(listener);
        self.connections.all_closed().await;
    }

    fn admit(&mut self, stream: TcpStream) {
        // An answer is one write, so waiting for more bytes would only delay it.
        let _ = stream.set_nodelay(true);
        let pace = Pace::new();
        let socket = Paced { stream, pace: pace.clone() };
        self.connections.admit(pace, connection::drive(socket, self.limits, self.service.clone(), self.phase.clone()));
    }

    fn has_room(&self) -> bool {
        self.connections.count() < self.limits.connections
    }

    /// Accepts the clients that the kernel has already accepted, because closing the listener would reset them.
    fn admit_waiting(&mut self, listener: &TcpListener) {
        let mut context = Context::from_waker(Waker::noop());
        while self.has_room() {
            let Poll::Ready(Ok((stream, _))) = listener.poll_accept(&mut context) else { return };
            self.admit(stream);
        }
    }

    async fn refused(&mut self, error: &io::Error) {
        if is_the_clients(error) {
            return;
        }
        if self.complained.is_none_or(|at| at.elapsed() > COMPLAINT_PAUSE) {
            self.complained = Some(Instant::now());
            warn!(name = self.name, %error, "cannot accept connections, trying on");
        }
        sleep(ACCEPT_PAUSE).await;
    }
}

/// Whether only this connection broke, before it was accepted. That says nothing about the next one.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}
