//! An HTTP/1.1 client that only generates load: one keep-alive connection a worker, one request after the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What one round of requests took.
pub(crate) struct Round {
    /// Answers a second, over all workers.
    pub(crate) rate: f64,
    /// Every request's latency, shortest first.
    latencies: Vec<Duration>,
}

impl Round {
    /// The latency that `share` (0 to 1) of the requests did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len() - 1;
        self.latencies[(last as f64 * share).round() as usize]
    }
}

/// Sends `total` orders to `address` over `workers` connections; every answer has to be `202`.
pub(crate) async fn post_orders(address: SocketAddr, body: &str, workers: usize, total: usize) -> Round {
    let request: Arc<[u8]> = format!(
        "POST /orders HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
    .into();
    let left = Arc::new(AtomicUsize::new(total));
    let started = Instant::now();
    let workers: Vec<_> =
        (0..workers).map(|_| tokio::spawn(worker(address, Arc::clone(&request), Arc::clone(&left)))).collect();
    let mut latencies = Vec::with_capacity(total);
    for worker in workers {
        latencies.extend(worker.await.expect("a load worker panicked"));
    }
    let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Round { rate, latencies }
}

async fn worker(address: SocketAddr, request: Arc<[u8]>, left: Arc<AtomicUsize>) -> Vec<Duration> {
    let mut connection = TcpStream::connect(address).await.expect("the order service accepts connections");
    connection.set_nodelay(true).expect("a fresh socket takes options");
    let mut answer = Vec::with_capacity(1024);
    let mut latencies = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
        let started = Instant::now();
        connection.write_all(&request).await.expect("the order service reads requests");
        read_answer(&mut connection, &mut answer).await;
        assert!(answer.starts_with(b"HTTP/1.1 202"), "not accepted: {}", String::from_utf8_lossy(&answer));
        latencies.push(started.elapsed());
    }
    latencies
}

/// Reads one answer with a `content-length`, which is all the order service sends.
async fn read_answer(connection: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    loop {
        let read = connection.read_buf(answer).await.expect("the order service answers");
        assert!(read > 0, "the order service closed the connection: {}", String::from_utf8_lossy(answer));
        let Some(head) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        if answer.len() >= head + 4 + content_length(&answer[..head]) {
            return;
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
