//! Encrypts connections, verifies and shows certificates, and explains refused ones.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use rustls::crypto::ring;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, CertificateError, ClientConfig, InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use settings::authorities;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{ClientCertificate, Endpoint, Error};

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

/// Whether a file holds certificates of authorities, as far as that can be checked now.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn reads_authorities(file: &Path) -> Result<(), String> {
    trusted(Some(file)).map(drop)
}

/// The certificates in a file.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = fs::read(file).map_err(|error| error.to_string())?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    match certificates.iter().all(|certificate| x509_parser::parse_x509_certificate(certificate).is_ok()) {
        true => Ok(certificates),
        false => Err("one of its certificates is malformed".to_owned()),
    }
}

/// The private key in a file.
///
/// # Errors
/// What is wrong with the file. Nothing of the key is repeated.
pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = fs::read(file).map_err(|error| error.to_string())?;
    if String::from_utf8_lossy(&text).contains("ENCRYPTED") {
        return Err("its private key has a passphrase".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => "there is no private key in it",
        _ => "it is no PEM file",
    })?;
    match ring::default_provider().key_provider.load_private_key(key.clone_key()) {
        Ok(_) => Ok(key),
        Err(_) => {
            Err("its private key is none of RSA with 2048 to 8192 bits, ECDSA P-256 or P-384, and Ed25519".to_owned())
        }
    }
}

/// The certificate that the service shows, with its key.
///
/// # Errors
/// [`Error::ClientCertificate`] names the file that cannot be used.
pub(crate) fn identity(files: &ClientCertificate) -> Result<CertifiedKey, Error> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |reason: String| Error::ClientCertificate { path, reason }
    };
    let certificates = certificates(&files.certificate).map_err(unusable(&files.certificate))?;
    let key = private_key(&files.key).map_err(unusable(&files.key))?;
    let identity = CertifiedKey::from_der(certificates, key, &ring::default_provider());
    let reason = |error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            format!("it is not the key of the certificate in {:?}", files.certificate)
        }
        other => other.to_string(),
    };
    identity.map_err(|error| unusable(&files.key)(reason(error)))
}

/// The subject of the first certificate in a file, if it can be read.
pub(crate) fn subject(file: &Path) -> Option<String> {
    let certificates = certificates(file).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(certificates.first()?).ok()?;
    Some(certificate.subject().to_string())
}

// The files are read for each connection, so a renewed file counts without a restart.
fn client_config(endpoint: &Endpoint) -> Result<ClientConfig, Error> {
    let failed = |reason: String| Error::Tls { broker: endpoint.url.authority(), reason };
    let roots = trusted(endpoint.ca_file.as_deref()).map_err(|reason| match &endpoint.ca_file {
        Some(path) => Error::CaFile { path: path.clone(), reason },
        None => failed(reason),
    })?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots);
    Ok(match &endpoint.client_certificate {
        Some(files) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity(files)?))),
        None => config.with_no_client_auth(),
    })
}

/// The authorities in this file, or the system's.
fn trusted(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let pem = ca_file.map(fs::read).transpose().map_err(|error| error.to_string())?;
    let roots = authorities(pem.as_deref())?;
    if roots.is_empty() { Err("there is no certificate of an authority".to_owned()) } else { Ok(roots) }
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
