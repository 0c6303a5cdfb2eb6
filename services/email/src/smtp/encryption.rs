//! Decides when a connection is encrypted, and with which certificates the server is verified.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Once, PoisonError},
};

use chassis::authorities;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{Security, SmtpUrl};

/// When and how a connection is encrypted.
#[derive(Clone)]
pub(super) struct Encryption {
    pub(super) security: Security,
    /// Whether the server has to prove who it is. If not, the connection is encrypted with any server (RFC 7435): an
    /// attacker in between could as well have removed the offer of encryption.
    verified: bool,
    authorities: Arc<Authorities>,
}

/// The certificate authorities, as far as they are known.
struct Authorities {
    /// A PEM file; `None` is the system's authorities.
    file: Option<PathBuf>,
    last: Mutex<Option<Read>>,
    /// Whether the log says already that no authority vouches for the server.
    told: Arc<Once>,
}

/// The text that was read last, and its result.
type Read = (Option<Vec<u8>>, Arc<ClientConfig>);

impl Encryption {
    /// Whether mail may go unencrypted if encryption is not possible.
    pub(super) fn is_optional(&self) -> bool {
        !self.verified
    }

    /// The encryption for `url`. The authorities in a PEM file replace the system's, and a deployment that names a
    /// file wants the server verified.
    pub(super) fn of(url: &SmtpUrl, authorities: Option<PathBuf>) -> Self {
        let verified = url.security != Security::StartTlsIfOffered || authorities.is_some();
        let authorities =
            Arc::new(Authorities { file: authorities, last: Mutex::default(), told: Arc::new(Once::new()) });
        Self { security: url.security, verified, authorities }
    }

    /// The encryption of the next connection. The file is read for each connection, so a renewed file counts without
    /// a restart.
    ///
    /// # Errors
    /// The file cannot be used.
    pub(super) async fn config(&self) -> io::Result<Arc<ClientConfig>> {
        let own = self.clone();
        spawn_blocking(move || own.read()).await.map_err(io::Error::other)?
    }

    fn read(&self) -> io::Result<Arc<ClientConfig>> {
        let Authorities { file, last, told } = &*self.authorities;
        let name = file.as_deref().unwrap_or(Path::new(""));
        let unusable = |error: String| io::Error::other(format!("SMTP_CA_FILE={name:?} cannot be used: {error}"));
        let pem = file.as_ref().map(fs::read).transpose().map_err(|error| unusable(error.to_string()))?;
        if let Some((read, config)) = &*last.lock().unwrap_or_else(PoisonError::into_inner)
            && *read == pem
        {
            return Ok(config.clone());
        }
        let roots = authorities(pem.as_deref()).map_err(unusable)?;
        let config = Arc::new(config(roots, (!self.verified).then(|| told.clone()))?);
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((pem, config.clone()));
        Ok(config)
    }
}

/// Whether a file holds certificates of authorities, as far as that can be checked now.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn reads_authorities(file: &Path) -> Result<(), String> {
    let pem = fs::read(file).map_err(|error| error.to_string())?;
    authorities(Some(&pem)).map(drop)
}

/// With `told`, any server is accepted; it remembers whether the log says so already.
fn config(roots: RootCertStore, told: Option<Arc<Once>>) -> io::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?;
    let Some(told) = told else {
        if roots.is_empty() {
            return Err(io::Error::other("this system has no certificates of authorities; SMTP_CA_FILE names others"));
        }
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    };
    // Without authorities nobody can vouch. The log says this in the same way as for a server without a valid
    // certificate.
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().ok();
    let anybody = Arc::new(Anybody { usual, provider, told });
    Ok(builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth())
}

/// Accepts any certificate, and logs once that one would not have passed.
#[derive(Debug)]
struct Anybody {
    usual: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    told: Arc<Once>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let usual = self.usual.as_ref();
        let verified = usual.map_or(Err(CertificateError::UnknownIssuer.into()), |usual| {
            usual.verify_server_cert(certificate, others, host, stapled, now)
        });
        if let Err(error) = verified {
            self.told.call_once(|| {
                warn!(
                    %error,
                    "mail goes encrypted to a server that nobody vouches for; tls=required in SMTP_URL refuses such servers, and SMTP_CA_FILE names further authorities"
                );
            });
        }
        Ok(ServerCertVerified::assertion())
    }

    // A signature binds the session to a certificate, and any certificate is accepted here.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why a handshake failed, in words that say what to mend.
pub(super) fn refusal(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    match inner {
        Some(error @ TlsError::InvalidCertificate(_)) => {
            format!(
                "{error}; SMTP_CA_FILE names authorities that may vouch for it, and ?tls= in SMTP_URL says whether it has to be verified"
            )
        }
        Some(error) => format!("no encryption: {error}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it hung up during the handshake".to_owned(),
        None => error.to_string(),
    }
}
