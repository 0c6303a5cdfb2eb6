//! The HTTP client of the trace exporter: one connection for each batch, on the service's runtime, with or without
//! TLS. A thread outside the runtime sends a batch every few seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use opentelemetry_http::{HttpClient, HttpError};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tracing::{info, warn};

use super::otel::Export;
use crate::authorities;
use crate::http::exchange;

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
        let tls = secured.then(|| tls_client(export.roots.clone())).transpose()?;
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

async fn send(mut request: Request<Bytes>, tls: Option<Arc<ClientConfig>>) -> Result<Response<Bytes>, HttpError> {
    let authority = request.uri().authority().ok_or("the endpoint names no host")?.clone();
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let port = authority.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
    *request.uri_mut() = request.uri().path_and_query().map_or(Ok(Uri::default()), |path| path.as_str().parse())?;
    let request = request.map(Full::new);
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| format!("{host}:{port}: {error}"))?;
    let Some(tls) = tls else { return exchange(stream, request, LONGEST_ANSWER).await };
    let stream = TlsConnector::from(tls).connect(ServerName::try_from(host)?, stream).await?;
    exchange(stream, request, LONGEST_ANSWER).await
}

/// The client side of TLS, with `roots` or the system's as authorities.
fn tls_client(roots: Option<RootCertStore>) -> Result<Arc<ClientConfig>, String> {
    let roots = roots.map_or_else(|| authorities(None), Ok)?;
    if roots.is_empty() {
        let reason = "there are no root certificates for the collector: set OTEL_EXPORTER_OTLP_CERTIFICATE";
        return Err(reason.to_owned());
    }
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let config = config.expect("ring has the default versions").with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}
