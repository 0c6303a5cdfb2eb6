//! The URL of a broker, parsed as RabbitMQ's own clients parse it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use settings::Variable;

use crate::Error;

mod parameters;
use parameters::Parameters;

pub(super) const AMQP_URL: Variable =
    Variable::new("AMQP_URL", "the broker; `amqps://` is encrypted and verified, and a trailing `/` is the vhost `/`")
        .or("amqp://guest:guest@127.0.0.1:5672/%2f")
        .secret();

pub(super) const URL_FORM: &str = "amqp://USER:PASSWORD@HOST:PORT/VHOST or amqps://…, special characters percent-encoded; \
                        ?heartbeat=SECONDS, connection_timeout=MILLISECONDS and frame_max=BYTES may follow";

/// The URL of a broker: `amqp://USER:PASSWORD@HOST:PORT/VHOST` or `amqps://…`, and `?NAME=VALUE&…`. Neither `Debug`
/// nor `Display` shows the password.
///
/// | parameter | what it sets | from | to | default |
/// |---|---|---|---|---|
/// | `heartbeat` | seconds between heartbeats; a silent peer is given up after 2 to 2.5 times as long | 1 | 600 | 10 |
/// | `connection_timeout` | milliseconds to reach the broker and encrypt, and as many again for its greeting and the login | 100 | 60000 | 5000 |
/// | `frame_max` | bytes of the largest frame; the broker may ask for less | 131072 | 1048576 | 131072 |
///
/// The names and units are those of RabbitMQ's clients. If the broker asks for smaller frames, copies for delay and dead
/// queues keep only those foreign headers that fit in one.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpUrl {
    /// Whether the connection is encrypted and the broker's certificate verified.
    pub tls: bool,
    /// The user; `guest` if the URL names nobody.
    pub user: String,
    names_user: bool,
    password: String,
    /// A name or an address. An IPv6 address has no brackets here.
    pub host: String,
    /// 5672, or 5671 with TLS, if the URL has none.
    pub port: u16,
    /// `/` if the URL has none, or ends in `/`.
    pub vhost: String,
    parameters: Parameters,
}

/// The longest name of a vhost that AMQP can carry, in bytes.
const LONGEST_VHOST: usize = 255;

const ONE_HOST: &str = "one host only: a Service or DNS name stands for several";

impl AmqpUrl {
    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// Whether the URL says who logs in.
    pub(crate) fn names_user(&self) -> bool {
        self.names_user
    }

    /// The heartbeat, in seconds.
    pub(crate) fn heartbeat_seconds(&self) -> u16 {
        self.parameters.heartbeat_seconds
    }

    /// How long it may take to reach the broker, and as long again to get its greeting and log in.
    pub(crate) fn connection_timeout(&self) -> Duration {
        self.parameters.connection_timeout
    }

    /// The largest frame, in bytes.
    pub(crate) fn frame_max(&self) -> u32 {
        self.parameters.frame_max
    }

    /// Host and port, for errors and logs.
    pub(crate) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl Default for AmqpUrl {
    fn default() -> Self {
        let guest = || "guest".to_owned();
        Self {
            tls: false,
            user: guest(),
            names_user: true,
            password: guest(),
            host: "127.0.0.1".to_owned(),
            port: 5672,
            vhost: "/".to_owned(),
            parameters: Parameters::default(),
        }
    }
}

impl FromStr for AmqpUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // A file or a Secret often ends with a line break, and so does a password that Kubernetes puts into the middle of a URL.
        let text = text.trim().replace(['\r', '\n'], "");
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("amqp") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("amqps") => (true, rest),
            _ => return Err(fault("it must begin with amqp:// or amqps://")),
        };
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(fault("white space within it must be percent-encoded, a space as %20"));
        }
        if rest.contains("://") {
            return Err(fault(ONE_HOST));
        }
        if rest.contains('#') {
            return Err(fault("a # in it must be written %23"));
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        if query.contains('@') {
            return Err(fault("a ? in its user or password must be written %3f"));
        }
        let (authority, vhost) = place.split_once('/').unwrap_or((place, ""));
        // Splits at the last `@`, because some people do not encode an `@` in their password.
        let (credentials, address) = match authority.rsplit_once('@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, authority),
        };
        let (user, password) = user_and_password(credentials)?;
        let (host, port) =
            host_and_port(address, if tls { 5671 } else { 5672 }).map_err(|error| match credentials {
                None if vhost.contains('@') => fault("a / in its user or password must be written %2f"),
                _ => error,
            })?;
        let (names_user, vhost, parameters) = (credentials.is_some(), vhost_name(vhost)?, Parameters::parse(query)?);
        Ok(Self { tls, user, names_user, password, host, port, vhost, parameters })
    }
}

fn fault(words: &str) -> Error {
    Error::Url(words.to_owned())
}

fn user_and_password(credentials: Option<&str>) -> Result<(String, String), Error> {
    let Some(credentials) = credentials else { return Ok(("guest".to_owned(), "guest".to_owned())) };
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let decode = |text| {
        percent_decoded(text)
            .ok_or_else(|| fault("its user or password is not percent-encoded UTF-8: a % in it must be written %25"))
    };
    match (decode(user)?, decode(password)?) {
        (user, _) if user.is_empty() => Err(fault("it has an @ but no user before it")),
        both => Ok(both),
    }
}

fn host_and_port(address: &str, default: u16) -> Result<(String, u16), Error> {
    let no_address = || fault("its [ ] must hold an IPv6 address");
    if address.contains([',', ';']) {
        return Err(fault(ONE_HOST));
    }
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(no_address)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| no_address())?;
        let port = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(':').ok_or_else(|| fault("only :PORT may follow its ]"))?),
        };
        (host, port)
    } else {
        address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port)))
    };
    if host.is_empty() || host.contains(['[', ']', '%']) {
        return Err(fault("it needs one host, a name or an address (IPv6 in [ ])"));
    }
    let port = match port {
        None => default,
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| fault("its port must be 1 to 65535"))?,
    };
    Ok((host.to_owned(), port))
}

fn vhost_name(encoded: &str) -> Result<String, Error> {
    if encoded.contains('/') {
        return Err(fault("a / in the vhost's name must be written %2f"));
    }
    match percent_decoded(encoded).ok_or_else(|| fault("its vhost is not percent-encoded UTF-8"))? {
        // A trailing slash, as RabbitMQ's guides write it, means the vhost `/`. Other clients read it as the vhost
        // named "", which does not exist.
        name if name.is_empty() => Ok("/".to_owned()),
        name if name.len() > LONGEST_VHOST => Err(fault("its vhost is longer than 255 bytes")),
        name => Ok(name),
    }
}

/// What a part of the URL cannot contain as it is: everything but the unreserved characters of RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn percent_decoded(text: &str) -> Option<String> {
    // The library leaves a % as it is that begins no code.
    let begins_with_code =
        |text: &str| text.as_bytes().get(..2).is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(begins_with_code) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

fn percent_encoded(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        let (user, at) = if self.names_user { (self.user.as_str(), "@") } else { ("", "") };
        let (user, vhost) = (percent_encoded(user), percent_encoded(&self.vhost));
        write!(f, "{scheme}://{user}{at}{}/{vhost}", self.authority())
    }
}

impl fmt::Debug for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests;
