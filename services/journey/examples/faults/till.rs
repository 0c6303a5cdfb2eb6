//! A client of the order service: one keep-alive connection, which is made again when it fails.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::StatusCode;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ledger::Wish;

/// How long a customer waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The client of one customer.
pub(crate) struct Till {
    port: u16,
    connection: Option<SendRequest<Full<Bytes>>>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Till {
    /// A client of the service that listens on this port of 127.0.0.1, now or later.
    pub(crate) fn at(port: u16) -> Self {
        Self { port, connection: None }
    }

    /// Sends an order. Returns nothing if no answer came.
    pub(crate) async fn order(&mut self, wish: &Wish) -> Option<(StatusCode, Bytes)> {
        let mut connection = self.connection.take();
        let answer = timeout(PATIENCE, exchange(self.port, &mut connection, wish)).await;
        let answer = answer.ok()?.ok()?;
        self.connection = connection;
        Some(answer)
    }
}

async fn exchange(
    port: u16,
    connection: &mut Option<SendRequest<Full<Bytes>>>,
    wish: &Wish,
) -> Result<(StatusCode, Bytes), Failure> {
    let mut open = match connection.take() {
        Some(open) if !open.is_closed() => open,
        _ => dial(port).await?,
    };
    open.ready().await?;
    let request = hyper::Request::post("/orders").header("host", "localhost");
    let request = request.header("content-type", "application/json").header("idempotency-key", &wish.key);
    let (head, body) = open.send_request(request.body(Full::new(wish.body.clone()))?).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    *connection = Some(open);
    Ok((head.status, body))
}

async fn dial(port: u16) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
