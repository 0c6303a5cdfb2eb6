//! The HTTP client of the trace exporter: one connection for each batch, on the service's runtime, with or without
//! TLS.
//!
//! A thread outside the runtime sends a batch every few seconds. Ready-made clients bring a pool of connections,
//! HTTP/2, redirects and proxies, which would be most of the binary and of no use here.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tracing::{info, warn};

use super::otel::Export;
use super::tls;

/// More bytes than any answer of a collector has.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How to reach the collector.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
    troubled: AtomicBool,
}

impl Collector {
    pub(super) fn new(export: &Export, runtime: &Handle) -> Result<Self, String> {
        let secured = export.endpoint.scheme_str() == Some("https");
        let tls = secured.then(|| tls::client(export.roots.as_ref())).transpose()?;
        Ok(Self { runtime: runtime.clone(), tls, timeout: export.timeout, troubled: AtomicBool::new(false) })
    }

    /// Logs one line for each trouble, not for each batch.
    fn note(&self, outcome: &Result<Response<Bytes>, HttpError>) {
        let trouble = match outcome {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the collector answers {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        match (trouble, self.troubled.load(Ordering::Relaxed)) {
            (Some(error), false) => warn!(error, "traces cannot be sent and are lost until they can"),
            (None, true) => info!("traces are sent again"),
            (Some(_), true) | (None, false) => return,
        }
        self.troubled.fetch_xor(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (limit, tls) = (self.timeout, self.tls.clone());
        // The caller's thread is outside the runtime, where there are neither sockets nor timers.
        let exchange = self.runtime.spawn(async move { timeout(limit, send(request, tls)).await });
        let outcome = match exchange.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(format!("no answer within {limit:?}").into()),
            Err(stopped) => Err(stopped.into()),
        };
        self.note(&outcome);
        outcome
    }
}

async fn send(request: Request<Bytes>, tls: Option<Arc<ClientConfig>>) -> Result<Response<Bytes>, HttpError> {
    let host = request.uri().host().ok_or("the endpoint names no host")?.trim_matches(['[', ']']).to_owned();
    let port = request.uri().port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| format!("{host}:{port}: {error}"))?;
    let Some(tls) = tls else { return exchange(stream, request).await };
    let stream = TlsConnector::from(tls).connect(ServerName::try_from(host)?, stream).await?;
    exchange(stream, request).await
}

async fn exchange<S>(stream: S, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender, at the end of this exchange.
    tokio::spawn(connection);
    let authority = request.uri().authority().ok_or("the endpoint names no host")?.to_string();
    request.headers_mut().insert(HOST, HeaderValue::from_str(&authority)?);
    *request.uri_mut() = request.uri().path_and_query().map_or(Ok(Uri::default()), |path| path.as_str().parse())?;
    let (head, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
    let body =
        Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error: Box<dyn StdError + Send + Sync>| error)?;
    Ok(Response::from_parts(head, body.to_bytes()))
}
