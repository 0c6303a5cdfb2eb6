//! A small HTTP/1.1 client, and one that sends any bytes.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::eventually::PATIENCE;

/// A request to a port of 127.0.0.1, on a connection of its own.
#[derive(Debug, Clone)]
pub struct Request {
    port: u16,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// The answer.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Request {
    /// Any method and path.
    pub fn new(port: u16, method: &str, path: &str) -> Self {
        let method = method.parse().expect("a method");
        Self { port, method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    /// A GET.
    pub fn get(port: u16, path: &str) -> Self {
        Self::new(port, "GET", path)
    }

    /// A POST of JSON.
    pub fn post(port: u16, path: &str, body: &serde_json::Value) -> Self {
        Self::new(port, "POST", path).json(body)
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The body as it is, with no media type.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// A JSON body and its media type.
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sends it and reads the whole answer, or says why there is none.
    pub async fn try_send(self) -> Result<Answer, String> {
        let described = format!("{} {} on port {}", self.method, self.path, self.port);
        match timeout(PATIENCE, self.exchange()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("{described}: {error}")),
            Err(_) => Err(format!("{described}: no answer within {PATIENCE:?}")),
        }
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Panics
    /// Without an answer.
    pub async fn send(self) -> Answer {
        self.try_send().await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn exchange(self) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = hyper::Request::builder().method(self.method).uri(self.path).header("host", "localhost");
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let (head, body) = sender.send_request(request.body(Full::new(self.body))?).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        connection.abort();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON: {error}: {self:?}"))
    }

    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("headers are ASCII"))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

/// Sends bytes to a port of 127.0.0.1 and returns everything until the other side closes.
///
/// # Panics
/// When it is silent for `silence` and keeps the connection.
pub async fn raw(port: u16, bytes: &[u8], silence: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the port listens");
    // The other side may close before everything is sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = timeout(silence, stream.read(&mut chunk)).await;
        match read.unwrap_or_else(|_| panic!("not closed: {}", String::from_utf8_lossy(&answer))) {
            Ok(length @ 1..) => answer.extend_from_slice(&chunk[..length]),
            // A reset closes it too.
            Ok(0) | Err(_) => return answer,
        }
    }
}
