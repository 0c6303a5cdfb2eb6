//! Encrypts connections, verifies and shows certificates, and explains why one was refused.

use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{Endpoint, Error, pem};

/// Encrypts a connection to the endpoint's host, after it has verified the certificate for that name.
pub(crate) async fn encrypt(tcp: TcpStream, endpoint: &Endpoint) -> Result<TlsStream<TcpStream>, Error> {
    let host = &endpoint.url.host;
    let failed = |reason: String| Error::Tls { broker: endpoint.url.authority(), reason };
    let name = ServerName::try_from(host.clone()).map_err(|_| failed(format!("{host:?} is no name for a host")))?;
    let files = endpoint.clone();
    let config = spawn_blocking(move || client_config(&files)).await.map_err(|error| failed(error.to_string()))??;
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|error| failed(refusal(&error, host)))
}

/// When the broker's certificate expires, in seconds since 1970.
pub(crate) fn not_after(stream: &TlsStream<TcpStream>) -> Option<i64> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

// The files are read for each connection, so a renewed file counts without a restart.
fn client_config(endpoint: &Endpoint) -> Result<ClientConfig, Error> {
    let failed = |reason: String| Error::Tls { broker: endpoint.url.authority(), reason };
    let roots = pem::trusted(endpoint.ca_file.as_deref()).map_err(|reason| match &endpoint.ca_file {
        Some(path) => Error::CaFile { path: path.clone(), reason },
        None => failed(reason),
    })?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots);
    Ok(match &endpoint.client_certificate {
        Some(files) => {
            let identity = pem::identity(&files.certificate, &files.key)?;
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
        None => config.with_no_client_auth(),
    })
}

/// Why a handshake failed, in words that say what to mend.
fn refusal(error: &io::Error, host: &str) -> String {
    if let Some(reason) = refused_certificate(error) {
        return reason;
    }
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

/// Why the broker refuses the certificate of this client, or the lack of one, if that is what the error says. With
/// TLS 1.3 it says so only after the handshake.
pub(crate) fn refused_certificate(error: &io::Error) -> Option<String> {
    use AlertDescription::*;
    let rustls::Error::AlertReceived(alert) = error.get_ref()?.downcast_ref::<rustls::Error>()? else { return None };
    let why = match alert {
        CertificateRequired | NoCertificate => {
            return Some(
                "it asks for a certificate of this client (AMQP_CERT_FILE and AMQP_KEY_FILE name it)".to_owned(),
            );
        }
        CertificateExpired => "has expired",
        CertificateRevoked => "was revoked",
        UnknownCA => "is from an authority that it does not trust",
        BadCertificate | UnsupportedCertificate | CertificateUnknown => "is not accepted; its log says why",
        _ => return None,
    };
    Some(format!("it says that this client's certificate {why}"))
}
