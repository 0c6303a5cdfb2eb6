//! Says which broker to connect to, as which user, and under which name.

use std::path::PathBuf;

use settings::{Env, Variable};

use crate::{Error, pem};

mod amqp_url;
pub use amqp_url::AmqpUrl;
use amqp_url::{AMQP_URL, URL_FORM};
mod client_certificate;
pub use client_certificate::ClientCertificate;

const AMQP_CA_FILE: Variable =
    Variable::new("AMQP_CA_FILE", "certificate authorities to verify the broker with, in place of the system's")
        .otherwise("the system's roots");

/// A broker, and the name that the service has there.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The broker's URL, with the user.
    pub url: AmqpUrl,
    /// A PEM file of certificate authorities, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificate that the service shows to an `amqps://` broker.
    pub client_certificate: Option<ClientCertificate>,
    /// The service's name, for the broker's list of connections and for the property `app_id`.
    pub name: String,
}

impl Endpoint {
    /// The broker of this URL, for a service of this name. It trusts the system's authorities and shows no certificate.
    ///
    /// ```
    /// use messaging::{AmqpUrl, Endpoint};
    /// let endpoint = Endpoint::new(AmqpUrl::default(), "packing");
    /// assert_eq!(endpoint.url.to_string(), "amqp://guest@127.0.0.1:5672/%2F");
    /// ```
    pub fn new(url: AmqpUrl, name: impl Into<String>) -> Self {
        Self { url, ca_file: None, client_certificate: None, name: name.into() }
    }

    /// Reads the endpoint, and notes every fault in `env`. The endpoint has no name yet: see
    /// [`named`](Self::named).
    pub fn from_env(env: &mut Env) -> Self {
        let url: Option<AmqpUrl> = env.read_or_why(AMQP_URL.expecting(URL_FORM), |text| {
            text.parse().map_err(|error| match error {
                Error::Url(fault) => fault,
                other => other.to_string(),
            })
        });
        let ca_file = env.read_or_why(AMQP_CA_FILE.expecting("a readable PEM file with certificates"), |text| {
            let path = PathBuf::from(text);
            pem::reads_authorities(&path).map(|()| path)
        });
        let client_certificate = ClientCertificate::from_env(env, url.as_ref().is_some_and(|url| url.tls));
        Self { ca_file, client_certificate, ..Self::new(url.unwrap_or_default(), "") }
    }

    /// The same endpoint for a service of this name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The files of the certificate that names the user, if the broker is to take the user from it.
    pub(crate) fn login_certificate(&self) -> Option<&ClientCertificate> {
        self.client_certificate.as_ref().filter(|_| self.url.tls && !self.url.names_user())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_is_the_guest_of_the_local_broker() {
        let endpoint = Endpoint::from_env(&mut Env::default()).named("order");
        assert_eq!(endpoint.url, AmqpUrl::default());
        assert_eq!(endpoint.url.to_string(), "amqp://guest@127.0.0.1:5672/%2F");
        assert_eq!((endpoint.ca_file, endpoint.name.as_str()), (None, "order"));
    }
}
