//! When a connection is encrypted, and with which certificates the server is verified.

use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters, TlsParametersBuilder};

use super::{Security, SmtpUrl};

/// When and how a connection is encrypted.
pub(super) enum Encryption {
    FromTheStart(TlsParameters),
    StartTls { tls: TlsParameters, required: bool },
    Never,
}

/// The certificates to verify the server with cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("certificates to verify the SMTP server with cannot be used: {0}")]
pub struct SmtpSetupError(#[from] lettre::transport::smtp::Error);

impl Encryption {
    /// What `url` asks for; `authorities` (PEM) stand in for the system's roots.
    ///
    /// # Errors
    /// If the certificates cannot be used.
    pub(super) fn of(url: &SmtpUrl, authorities: Option<&[u8]>) -> Result<Self, SmtpSetupError> {
        Ok(match url.security {
            Security::Tls => Self::FromTheStart(tls(url, authorities)?),
            Security::StartTls => Self::StartTls { tls: tls(url, authorities)?, required: true },
            Security::StartTlsIfOffered => Self::StartTls { tls: tls(url, authorities)?, required: false },
            Security::Clear => Self::Never,
        })
    }
}

fn tls(url: &SmtpUrl, authorities: Option<&[u8]>) -> Result<TlsParameters, SmtpSetupError> {
    let mut builder = TlsParametersBuilder::new(url.host.clone());
    if let Some(pem) = authorities {
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(Certificate::from_pem(pem)?);
    }
    Ok(builder.build_rustls()?)
}
