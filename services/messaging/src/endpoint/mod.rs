//! Says which broker to connect to, as which user, and under which name.

use std::path::{Path, PathBuf};

use crate::{Error, Setting, tls};

mod amqp_url;
pub use amqp_url::AmqpUrl;

const AMQP_URL: Setting = Setting {
    name: "AMQP_URL",
    expected: "amqp://USER:PASSWORD@HOST:PORT/VHOST or amqps://…, special characters percent-encoded; \
               ?heartbeat=SECONDS, connection_timeout=MILLISECONDS and frame_max=BYTES may follow",
    default: Some("amqp://guest:guest@127.0.0.1:5672/%2f"),
    otherwise: None,
    secret: true,
    meaning: "the broker; `amqps://` is encrypted and verified, and a trailing `/` is the vhost `/`",
    accepts: |text| text.parse::<AmqpUrl>().is_ok(),
    fault: |text| match text.parse::<AmqpUrl>() {
        Err(Error::Url(fault)) => Some(fault),
        Ok(_) | Err(_) => None,
    },
};

const AMQP_CA_FILE: Setting = Setting {
    name: "AMQP_CA_FILE",
    expected: "a readable PEM file with certificates",
    default: None,
    otherwise: Some("the system's roots"),
    secret: false,
    meaning: "certificate authorities to verify the broker with, in place of the system's",
    accepts: |text| tls::reads_authorities(Path::new(text)).is_ok(),
    fault: |text| tls::reads_authorities(Path::new(text)).err(),
};

/// A broker, and the name that the service has there.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The broker's URL, with the user.
    pub url: AmqpUrl,
    /// A PEM file of certificate authorities, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// The service's name, for the broker's list of connections and for the property `app_id`.
    pub name: String,
}

impl Endpoint {
    /// The settings of an endpoint.
    pub const SETTINGS: &'static [Setting] = &[AMQP_URL, AMQP_CA_FILE];

    /// Makes the endpoint that these texts describe. Its setting has accepted each text. The endpoint has no name
    /// yet: see [`named`](Self::named).
    pub fn from_settings(mut text: impl FnMut(&Setting) -> Option<String>) -> Self {
        Self {
            url: AMQP_URL.value(&mut text, |text| text.parse().ok()).unwrap_or_default(),
            ca_file: AMQP_CA_FILE.value(&mut text, |text| Some(PathBuf::from(text))),
            name: String::new(),
        }
    }

    /// The same endpoint for a service of this name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_is_the_guest_of_the_local_broker() {
        let endpoint = Endpoint::from_settings(|_| None).named("order");
        assert_eq!(endpoint.url, AmqpUrl::default());
        assert_eq!(endpoint.url.to_string(), "amqp://guest@127.0.0.1:5672/%2F");
        assert_eq!((endpoint.ca_file, endpoint.name.as_str()), (None, "order"));
    }

    #[test]
    fn every_default_is_accepted_by_its_own_setting() {
        for setting in Endpoint::SETTINGS {
            assert!(setting.default.is_none_or(setting.accepts), "{}", setting.name);
        }
    }
}
