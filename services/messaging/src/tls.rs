//! Encrypts connections, verifies certificates, and explains refused ones.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use rustls::{CertificateError, ClientConfig, crypto::ring};
use rustls_pki_types::ServerName;
use settings::authorities;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{Endpoint, Error};

/// Encrypts a connection to the endpoint's host, after it has verified the certificate for that name.
pub(crate) async fn encrypt(tcp: TcpStream, endpoint: &Endpoint) -> Result<TlsStream<TcpStream>, Error> {
    let host = &endpoint.url.host;
    let failed = |reason: String| Error::Tls { broker: endpoint.url.authority(), reason };
    let name = ServerName::try_from(host.clone()).map_err(|_| failed(format!("{host:?} is no name for a host")))?;
    let ca_file = endpoint.ca_file.clone();
    let config =
        spawn_blocking(move || client_config(ca_file.as_deref())).await.map_err(|error| failed(error.to_string()))?;
    let config = config.map_err(|reason| match &endpoint.ca_file {
        Some(path) => Error::CaFile { path: path.clone(), reason },
        None => failed(reason),
    })?;
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|error| failed(refusal(&error, host)))
}

/// When the broker's certificate expires, in seconds since 1970.
pub(crate) fn not_after(stream: &TlsStream<TcpStream>) -> Option<i64> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// Whether a file holds certificates of authorities, as far as that can be checked now.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn reads_authorities(file: &Path) -> Result<(), String> {
    client_config(Some(file)).map(drop)
}

// The file is read for each connection, so a renewed file counts without a restart.
fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let pem = ca_file.map(fs::read).transpose().map_err(|error| error.to_string())?;
    let roots = authorities(pem.as_deref())?;
    if roots.is_empty() {
        return Err("there is no certificate of an authority".to_owned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Why a handshake failed, in words that say what to mend.
fn refusal(error: &io::Error, host: &str) -> String {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => "it hung up during the handshake".to_owned(),
            _ => error.to_string(),
        };
    };
    match error {
        rustls::Error::InvalidCertificate(fault) => match fault {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("its certificate is not for {host:?}")
            }
            CertificateError::UnknownIssuer => {
                "its certificate is from an unknown authority (AMQP_CA_FILE names those to trust)".to_owned()
            }
            other => format!("its certificate is invalid: {other}"),
        },
        rustls::Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        other => other.to_string(),
    }
}
