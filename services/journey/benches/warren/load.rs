//! An HTTP/1.1 client that only generates load. Each worker has one keep-alive connection, and sends one request after
//! the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The figures of one round of requests.
pub(crate) struct Round {
    /// Answers a second, over all workers.
    pub(crate) rate: f64,
    /// How long each request waited for its answer.
    pub(crate) latencies: Vec<Duration>,
}

/// Sends `total` orders to `address` over `workers` connections; every answer has to be `202`.
pub(crate) async fn post_orders(address: SocketAddr, body: &str, workers: usize, total: usize) -> Round {
    let request: Arc<[u8]> = request(body, "").into();
    let left = Arc::new(AtomicUsize::new(total));
    let started = Instant::now();
    let workers: Vec<_> =
        (0..workers).map(|_| tokio::spawn(worker(address, Arc::clone(&request), Arc::clone(&left)))).collect();
    let mut latencies = Vec::with_capacity(total);
    for worker in workers {
        latencies.extend(worker.await.expect("a load worker panicked"));
    }
    let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
    Round { rate, latencies }
}

async fn worker(address: SocketAddr, request: Arc<[u8]>, left: Arc<AtomicUsize>) -> Vec<Duration> {
    let mut client = Client::connect(address).await;
    let mut latencies = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
        let started = Instant::now();
        client.post(&request).await;
        latencies.push(started.elapsed());
    }
    latencies
}

/// A `POST /orders` with this body and these further header lines, each of which ends with `\r\n`.
pub(crate) fn request(body: &str, headers: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /orders HTTP/1.1\r\nhost: order\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

/// One keep-alive connection to the order service.
pub(crate) struct Client {
    connection: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let connection = TcpStream::connect(address).await.expect("the order service accepts connections");
        connection.set_nodelay(true).expect("a fresh socket takes options");
        Self { connection, answer: Vec::with_capacity(1024) }
    }

    /// Sends one order and returns the body of its answer, which has to be `202`.
    pub(crate) async fn post(&mut self, request: &[u8]) -> &[u8] {
        self.connection.write_all(request).await.expect("the order service reads requests");
        let body = self.read_answer().await;
        assert!(self.answer.starts_with(b"HTTP/1.1 202"), "not accepted: {}", String::from_utf8_lossy(&self.answer));
        &self.answer[body..]
    }

    /// Reads one answer, and returns where its body begins. Each answer of the order service has a `content-length`.
    async fn read_answer(&mut self) -> usize {
        let answer = &mut self.answer;
        answer.clear();
        loop {
            let read = self.connection.read_buf(answer).await.expect("the order service answers");
            assert!(read > 0, "the order service closed the connection: {}", String::from_utf8_lossy(answer));
            let Some(head) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            if answer.len() >= head + 4 + content_length(&answer[..head]) {
                return head + 4;
            }
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    String::from_utf8_lossy(head)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .expect("an answer has a content-length")
}
