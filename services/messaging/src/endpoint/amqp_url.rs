//! A broker's address, parsed as RabbitMQ's own clients do.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// `amqp://USER:PASSWORD@HOST:PORT/VHOST`, or `amqps://`. Neither `Debug` nor `Display` shows the password.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpUrl {
    /// Whether the connection is encrypted, and the broker's certificate verified.
    pub tls: bool,
    /// Who we are; `guest` if the URL names nobody.
    pub user: String,
    password: String,
    /// A name or an address; one of IPv6 without its brackets.
    pub host: String,
    /// 5672, or 5671 with TLS, if the URL has none.
    pub port: u16,
    /// `/` if the URL has none, or ends in `/`.
    pub vhost: String,
}

/// What AMQP can carry in a vhost's name, in bytes.
const LONGEST_VHOST: usize = 255;

impl AmqpUrl {
    pub(crate) fn password(&self) -> &str {
        &self.password
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
            password: guest(),
            host: "127.0.0.1".to_owned(),
            port: 5672,
            vhost: "/".to_owned(),
        }
    }
}

impl FromStr for AmqpUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (tls, rest) = match text.split_once("://") {
            Some(("amqp", rest)) => (false, rest),
            Some(("amqps", rest)) => (true, rest),
            _ => return Err(Error::Url("it must begin with amqp:// or amqps://")),
        };
        if rest.contains(['?', '#']) || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Error::Url("? and # and spaces in it must be percent-encoded; it takes no options"));
        }
        let (authority, vhost) = rest.split_once('/').unwrap_or((rest, ""));
        // The last one, because of those who do not encode an @ in their password.
        let (credentials, address) = match authority.rsplit_once('@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, authority),
        };
        let (user, password) = user_and_password(credentials)?;
        let (host, port) = host_and_port(address, if tls { 5671 } else { 5672 })?;
        Ok(Self { tls, user, password, host, port, vhost: vhost_name(vhost)? })
    }
}

fn user_and_password(credentials: Option<&str>) -> Result<(String, String), Error> {
    let Some(credentials) = credentials else { return Ok(("guest".to_owned(), "guest".to_owned())) };
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let decode = |text| percent_decoded(text).ok_or(Error::Url("its user or password is not percent-encoded UTF-8"));
    match (decode(user)?, decode(password)?) {
        (user, _) if user.is_empty() => Err(Error::Url("it has an @ but no user before it")),
        both => Ok(both),
    }
}

fn host_and_port(address: &str, default: u16) -> Result<(String, u16), Error> {
    let no_address = Error::Url("its [ ] must hold an IPv6 address");
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(no_address)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| Error::Url("its [ ] must hold an IPv6 address"))?;
        let port = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(':').ok_or(Error::Url("only :PORT may follow its ]"))?),
        };
        (host, port)
    } else {
        address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port)))
    };
    if host.is_empty() || host.contains(['[', ']', '%', ',']) {
        return Err(Error::Url("it needs one host, a name or an address (IPv6 in [ ])"));
    }
    let port = match port {
        None => default,
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(Error::Url("its port must be 1 to 65535"))?,
    };
    Ok((host.to_owned(), port))
}

fn vhost_name(encoded: &str) -> Result<String, Error> {
    if encoded.contains('/') {
        return Err(Error::Url("a / in the vhost's name must be written %2f"));
    }
    match percent_decoded(encoded).ok_or(Error::Url("its vhost is not percent-encoded UTF-8"))? {
        // The guide's trailing slash: other clients take it for the vhost named "", which nobody has.
        name if name.is_empty() => Ok("/".to_owned()),
        name if name.len() > LONGEST_VHOST => Err(Error::Url("its vhost is longer than 255 bytes")),
        name => Ok(name),
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return None };
        let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(high)? << 4 | digit(low)?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        let (user, vhost) = (percent_encoded(&self.user), percent_encoded(&self.vhost));
        write!(f, "{scheme}://{user}@{}/{vhost}", self.authority())
    }
}

impl fmt::Debug for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests;
