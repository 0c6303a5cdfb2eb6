//! A server that a test can hold in the middle of an answer, and a plain client for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use chassis::{Limits, Server, listen};
use http_body_util::{BodyExt, Full};
use hyper::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::fixture::PATIENCE;

/// Counts the requests that began, and lets `/held` end only when the test says so.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) began: Arc<Semaphore>,
    pub(crate) open: Arc<Semaphore>,
    /// Requests in the service: now, and the most so far.
    inside: Arc<(AtomicUsize, AtomicUsize)>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { began: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)), inside: Arc::default() }
    }

    /// The most requests that were in the service at a time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.inside.1.load(Ordering::SeqCst)
    }

    async fn pass(&self, held: bool) {
        let inside = self.inside.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.inside.1.fetch_max(inside, Ordering::SeqCst);
        self.began.add_permits(1);
        if held {
            self.open.acquire().await.unwrap().forget();
        }
        self.inside.0.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until one more request is in the service.
    pub(crate) async fn entered(&self) {
        timeout(PATIENCE, self.began.acquire()).await.expect("a request begins").unwrap().forget();
    }
}

/// A server on a free port: `/held` waits at the gate, `/body` for the whole body, everything else is answered at once.
pub(crate) async fn start(limits: Limits) -> (Server, Gate) {
    let gate = Gate::new();
    let listener = listen("HTTP_ADDR", "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let server = serve(listener, limits, gate.clone());
    (server, gate)
}

pub(crate) fn serve(listener: tokio::net::TcpListener, limits: Limits, gate: Gate) -> Server {
    Server::start("http", listener, limits, move |request| {
        let (gate, held) = (gate.clone(), request.uri().path() == "/held");
        let wanted = (request.uri().path() == "/body").then(|| request.into_body());
        async move {
            gate.pass(held).await;
            if let Some(body) = wanted {
                // One that breaks off is answered, too, if anybody listens.
                let _ = body.collect().await;
            }
            Response::new(Full::new(Bytes::from_static(b"answer")))
        }
    })
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

pub(crate) async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Everything that comes until the server closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is a close, too: the server left bytes unread.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes");
    String::from_utf8(bytes).unwrap()
}

/// One answer with the body `answer`, on a connection that may stay open.
pub(crate) async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"answer") {
        let read = timeout(PATIENCE, stream.read_buf(&mut bytes)).await.expect("an answer comes").unwrap();
        assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
    }
    String::from_utf8(bytes).unwrap()
}

/// The whole answer to one request.
pub(crate) async fn fetch(address: SocketAddr, request_line: &str) -> String {
    let mut stream = connect(address).await;
    send(&mut stream, &format!("{request_line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
    rest(&mut stream).await
}
