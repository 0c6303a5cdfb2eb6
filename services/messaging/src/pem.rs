//! Reads certificates and private keys from PEM files.

use std::fs;
use std::path::Path;

use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use settings::authorities;

use crate::Error;

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

/// A certificate, with its private key from the other file.
///
/// # Errors
/// [`Error::ClientCertificate`] names the file that cannot be used.
pub(crate) fn identity(certificate: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |reason: String| Error::ClientCertificate { path, reason }
    };
    let certificates = certificates(certificate).map_err(unusable(certificate))?;
    let private_key = private_key(key).map_err(unusable(key))?;
    let identity = CertifiedKey::from_der(certificates, private_key, &ring::default_provider());
    let reason = |error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            format!("it is not the key of the certificate in {certificate:?}")
        }
        other => other.to_string(),
    };
    identity.map_err(|error| unusable(key)(reason(error)))
}

/// The subject of the first certificate in a file, if it can be read.
pub(crate) fn subject(file: &Path) -> Option<String> {
    let certificates = certificates(file).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(certificates.first()?).ok()?;
    Some(certificate.subject().to_string())
}

/// The authorities in this file, or the system's.
///
/// # Errors
/// What is wrong with the file, or with the system's authorities.
pub(crate) fn trusted(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let pem = ca_file.map(fs::read).transpose().map_err(|error| error.to_string())?;
    let roots = authorities(pem.as_deref())?;
    if roots.is_empty() { Err("there is no certificate of an authority".to_owned()) } else { Ok(roots) }
}
