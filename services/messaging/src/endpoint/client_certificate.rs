//! The certificate with which a service shows a broker who it is.

use std::path::PathBuf;

use settings::{Env, Variable};

use super::amqp_url::AMQP_URL;
use crate::pem;

const AMQP_CERT_FILE: Variable = Variable::new(
    "AMQP_CERT_FILE",
    "the certificate to show to an `amqps://` broker; without a user in AMQP_URL it also names the user",
)
.otherwise("none");
const AMQP_KEY_FILE: Variable =
    Variable::new("AMQP_KEY_FILE", "the private key of the certificate in AMQP_CERT_FILE").otherwise("none");

/// A client's certificate and its private key. Both files are read at each connection, so renewed files count without a
/// restart. While only one of them is renewed, no connection can be made.
///
/// If the URL names a user, the certificate is shown, and the user logs in with the password. If it names no user, the
/// broker takes the user from the certificate (the SASL mechanism EXTERNAL). The broker needs its plugin
/// `rabbitmq_auth_mechanism_ssl`, `EXTERNAL` among its `auth_mechanisms`, and `ssl_options.verify = verify_peer`;
/// `ssl_cert_login_from` says which part of the certificate is the user's name.
///
/// ```
/// use messaging::{ClientCertificate, Endpoint};
/// # fn main() -> Result<(), messaging::Error> {
/// let endpoint = Endpoint {
///     client_certificate: Some(ClientCertificate {
///         certificate: "/etc/amqp/tls.crt".into(),
///         key: "/etc/amqp/tls.key".into(),
///     }),
///     ..Endpoint::new("amqps://rabbitmq.example.com".parse()?, "packing")
/// };
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// A PEM file: the certificate, and then those between it and its authority.
    pub certificate: PathBuf,
    /// A PEM file with the certificate's private key, without a passphrase.
    pub key: PathBuf,
}

impl ClientCertificate {
    /// Reads both variables, and notes every fault in `env`. `encrypted` says whether `AMQP_URL` is an `amqps://` one.
    pub(super) fn from_env(env: &mut Env, encrypted: bool) -> Option<Self> {
        let cert_form = "a readable PEM file with a certificate, and then those between it and its authority";
        let certificate = env.read_or_why(AMQP_CERT_FILE.expecting(cert_form), |text| {
            let path = PathBuf::from(text);
            pem::certificates(&path).map(|_| path)
        });
        let key_form = "a readable PEM file with a private key that has no passphrase";
        let key = env.read_or_why(AMQP_KEY_FILE.expecting(key_form), |text| {
            let path = PathBuf::from(text);
            pem::private_key(&path).map(|_| path)
        });
        let is_wrong = |env: &Env, name| env.faults().iter().any(|fault| fault.name() == name);
        let (certificate, key) = match (certificate, key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) if !is_wrong(env, AMQP_KEY_FILE.name) => {
                env.fault(AMQP_CERT_FILE.name, "AMQP_KEY_FILE beside it, with the key of this certificate");
                return None;
            }
            (None, Some(_)) if !is_wrong(env, AMQP_CERT_FILE.name) => {
                env.fault(AMQP_KEY_FILE.name, "AMQP_CERT_FILE beside it, with the certificate of this key");
                return None;
            }
            _ => return None,
        };
        if !encrypted && !is_wrong(env, AMQP_URL.name) {
            env.fault(AMQP_CERT_FILE.name, "an AMQP_URL that begins with amqps://: certificates are for TLS");
        }
        let files = Self { certificate, key };
        if pem::identity(&files.certificate, &files.key).is_err() {
            env.fault(AMQP_KEY_FILE.name, "the private key of the first certificate in AMQP_CERT_FILE");
        }
        Some(files)
    }
}
