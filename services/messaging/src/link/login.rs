//! Logs in to a broker, by password or by certificate, and explains why a broker refuses that.

use std::io;
use std::sync::Mutex;

use async_rs::{Runtime, Tokio, util::RuntimeParts};
use lapin::tcp::AsyncTcpStream;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};
use lapin::{Connection, ConnectionProperties};

use super::greeting::Heard;
use super::transport::{Timers, Transport};
use crate::error::reply;
use crate::{Endpoint, Error, pem, tls};

/// The most characters of a service's name that the broker is told.
const LONGEST_NAME: usize = 100;

/// Logs in over an open socket.
pub(super) async fn login(endpoint: &Endpoint, role: &str, transport: Transport) -> lapin::Result<Connection> {
    let name: String = endpoint.name.chars().take(LONGEST_NAME).collect();
    let properties = ConnectionProperties::default().with_connection_name(format!("{name}:{role}").into());
    let tokio = Tokio::current();
    let runtime = Runtime::new(RuntimeParts::new(tokio.clone(), Timers(tokio)));
    // lapin asks once, because it does not dial a second time.
    let transport = Mutex::new(Some(transport));
    let take = async move |_, _| {
        let transport = transport.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        transport.map(AsyncTcpStream::Plain).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    };
    Connection::connector(uri(endpoint), runtime, take, properties).await
}

fn uri(endpoint: &Endpoint) -> AMQPUri {
    let url = &endpoint.url;
    AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: url.user.clone(), password: url.password().to_owned() },
            host: url.host.clone(),
            port: url.port,
        },
        vhost: url.vhost.clone(),
        query: AMQPQueryString {
            frame_max: Some(url.frame_max()),
            heartbeat: Some(url.heartbeat_seconds()),
            auth_mechanism: Some(mechanism(endpoint)),
            ..AMQPQueryString::default()
        },
    }
}

/// The error that a failed login means.
pub(super) fn refusal(error: &lapin::Error, endpoint: &Endpoint) -> Error {
    let url = &endpoint.url;
    let broker = url.authority();
    match reply(error) {
        Some((403, words)) => Error::CredentialsRefused { broker, user: user(endpoint), reason: words.to_owned() },
        Some((530, words)) => Error::VhostRefused { broker, vhost: url.vhost.clone(), reason: words.to_owned() },
        Some((_, words)) => Error::Unreachable { broker, reason: words.to_owned() },
        None => match refused_certificate(error) {
            Some(reason) => Error::Tls { broker, reason },
            None => Error::Unreachable { broker, reason: format!("no AMQP login: {error}") },
        },
    }
}

fn refused_certificate(error: &lapin::Error) -> Option<String> {
    match error.kind() {
        lapin::ErrorKind::IOError(error) => tls::refused_certificate(error),
        _ => None,
    }
}

/// How the user logs in: by password, or by the client's certificate.
fn mechanism(endpoint: &Endpoint) -> SASLMechanism {
    if endpoint.login_certificate().is_some() { SASLMechanism::External } else { SASLMechanism::Plain }
}

/// The user, or the subject of the certificate that names the user.
fn user(endpoint: &Endpoint) -> String {
    let subject = endpoint.login_certificate().and_then(|files| pem::subject(&files.certificate));
    subject.unwrap_or_else(|| endpoint.url.user.clone())
}

/// The error if the broker lets nobody log in as the endpoint says.
pub(super) fn not_offered(heard: &Heard, endpoint: &Endpoint) -> Option<Error> {
    let (offered, mechanism) = (heard.mechanisms.get()?, mechanism(endpoint));
    if offered.split(' ').any(|offered| offered == mechanism.name()) {
        return None;
    }
    let advice = match mechanism {
        SASLMechanism::External => {
            "enable its plugin rabbitmq_auth_mechanism_ssl and add EXTERNAL to its auth_mechanisms, or name a user in the URL"
        }
        _ => "with EXTERNAL, leave the user out of the URL and name the files of a certificate",
    };
    let reason = format!("it takes no login by {}, but by {offered}; {advice}", mechanism.name());
    Some(Error::CredentialsRefused { broker: endpoint.url.authority(), user: user(endpoint), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientCertificate;

    #[test]
    fn a_mechanism_that_the_broker_does_not_take_is_named_with_what_to_do() {
        let by_password = Endpoint::new("amqps://ada:s3cret@h".parse().unwrap(), "test");
        let files = ClientCertificate { certificate: "/nowhere/tls.crt".into(), key: "/nowhere/tls.key".into() };
        let client_certificate = Some(files);
        let by_certificate = Endpoint {
            client_certificate: client_certificate.clone(),
            ..Endpoint::new("amqps://h".parse().unwrap(), "t")
        };
        let both = Endpoint { client_certificate: client_certificate.clone(), ..by_password.clone() };
        let in_plain = Endpoint { client_certificate, ..Endpoint::new("amqp://h".parse().unwrap(), "t") };
        let cases = [
            (&by_password, "PLAIN AMQPLAIN", None),
            (&both, "PLAIN", None),
            (&in_plain, "PLAIN", None),
            (&by_certificate, "PLAIN EXTERNAL", None),
            (&by_certificate, "PLAIN AMQPLAIN", Some("no login by EXTERNAL, but by PLAIN AMQPLAIN; enable its plugin")),
            (&by_password, "EXTERNAL", Some("no login by PLAIN, but by EXTERNAL; with EXTERNAL, leave the user out")),
        ];
        for (endpoint, offered, told) in cases {
            let heard = Heard::default();
            assert!(not_offered(&heard, endpoint).is_none(), "the broker has said nothing yet");
            heard.mechanisms.set(offered.to_owned()).unwrap();
            let error = not_offered(&heard, endpoint).map(|error| error.to_string());
            match told {
                None => assert_eq!(error, None, "{offered}"),
                Some(told) => {
                    let error = error.unwrap();
                    assert!(error.contains(told) && !error.contains("s3cret"), "{error}");
                }
            }
        }
    }
}
