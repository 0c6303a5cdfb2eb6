//! The client's side: one request over a connection of its own.
//!
//! Ready-made clients bring a pool of connections, HTTP/2, redirects and proxies. They would be most of the binary and
//! of no use here.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Sends one request over a fresh connection, and returns the whole answer. The request has its `Host` already, and its
/// URI is a path. Time limits are the caller's.
///
/// # Errors
/// The connection broke, the answer is not HTTP/1.1, or its body has more than `most` bytes.
pub async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender, at the end of this exchange.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, most).collect().await?;
    Ok(Response::from_parts(head, body.to_bytes()))
}
