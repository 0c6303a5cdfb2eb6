//! The HTTP client of the check: one connection for each request, unencrypted.

use std::net::SocketAddr;

use bytes::Bytes;
use chassis::exchange;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use tokio::net::TcpStream;

/// More bytes than any metrics page has.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Posts an order. The key makes a repetition the same order.
pub(super) async fn post(url: &Uri, key: &HeaderValue, body: Bytes) -> Result<Response<Bytes>, String> {
    let authority = url.authority().expect("a plan's URL names a host").as_str();
    let host = url.host().expect("a plan's URL names a host").trim_matches(['[', ']']);
    let address = (host, url.port_u16().unwrap_or(80));
    let request = Request::post(url.path())
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", key)
        .body(Full::new(body))
        .expect("the parts are valid");
    let answer = async { exchange(TcpStream::connect(address).await?, request, LONGEST_ANSWER).await };
    answer.await.map_err(|error| format!("{authority}: {error}"))
}

/// Gets the metrics page of one process.
pub(super) async fn metrics(address: SocketAddr) -> Result<String, String> {
    let request = Request::get("/metrics").header(HOST, address.to_string()).body(Full::default());
    let request = request.expect("the parts are valid");
    let answer = async { exchange(TcpStream::connect(address).await?, request, LONGEST_ANSWER).await };
    let answer = answer.await.map_err(|error| format!("{address}: {error}"))?;
    match answer.status().is_success() {
        true => Ok(text(&answer)),
        false => Err(format!("{address}: {}", describe(&answer))),
    }
}

/// An answer in one line.
pub(super) fn describe(answer: &Response<Bytes>) -> String {
    format!("{} {}", answer.status(), text(answer))
}

/// The body of an answer, as far as it is text.
pub(super) fn text(answer: &Response<Bytes>) -> String {
    String::from_utf8_lossy(answer.body()).into_owned()
}
