//! Parses the URL of an SMTP server.

use std::str::FromStr;

use chassis::Secret;
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use url::Url;

/// The parts of `SMTP_URL`.
#[derive(Debug)]
pub struct SmtpUrl {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// 587 if a `smtp://` URL names none, 465 for `smtps://`.
    pub port: u16,
    /// When the connection is encrypted.
    pub security: Security,
    /// The login, if there is one.
    pub login: Option<Login>,
}

/// Percent-decoded user and password. `Debug` shows neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user, often an address.
    pub user: Secret<String>,
    /// The password for `AUTH`.
    pub password: Secret<String>,
}

/// When an SMTP connection is encrypted. The server's certificate is verified, unless encryption is only used if
/// offered and no file of authorities is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte: `smtps://`.
    Tls,
    /// STARTTLS or no session: `tls=required`, and the default with a user.
    StartTls,
    /// STARTTLS where the server offers it: `tls=opportunistic`, and the default without a user.
    StartTlsIfOffered,
    /// In the clear: `tls=none`.
    Clear,
}

/// Why a text is not an SMTP URL. The error never quotes the text, because it may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpUrlError {
    /// It does not parse.
    #[error("it is not a URL")]
    NotAUrl,
    /// It names another protocol.
    #[error("its scheme is neither smtp nor smtps")]
    Scheme,
    /// It has no host, or none that can be verified.
    #[error("it needs a host name or an IP address")]
    Host,
    /// It names port 0.
    #[error("port 0 cannot be dialled")]
    Port,
    /// It contains more than a server.
    #[error("it has a path or a fragment")]
    Path,
    /// It has an option that does not exist, or not with this protocol.
    #[error("its only parameter is tls=required, opportunistic or none, for smtp alone")]
    Parameter,
    /// It has half a login, or one that cannot be sent.
    #[error("user and password come together, percent-encoded UTF-8 without control characters")]
    Login,
    /// Its password could be read on the way.
    #[error("a password needs tls=required, or tls=none to send it in the clear")]
    OpenPassword,
}

impl FromStr for SmtpUrl {
    type Err = SmtpUrlError;

    fn from_str(text: &str) -> Result<Self, SmtpUrlError> {
        let url = Url::parse(text).map_err(|_| SmtpUrlError::NotAUrl)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(SmtpUrlError::Path);
        }
        let login = login(&url)?;
        let (security, default_port) = match url.scheme() {
            "smtp" => (start_tls(&url, login.is_some())?, 587),
            "smtps" if url.query().is_none() => (Security::Tls, 465),
            "smtps" => return Err(SmtpUrlError::Parameter),
            _ => return Err(SmtpUrlError::Scheme),
        };
        let port = match url.port() {
            Some(0) => return Err(SmtpUrlError::Port),
            port => port.unwrap_or(default_port),
        };
        Ok(Self { host: host(&url)?, port, security, login })
    }
}

fn host(url: &Url) -> Result<String, SmtpUrlError> {
    let host = url.host_str().ok_or(SmtpUrlError::Host)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // Every host that can be connected to can also be verified: names in certificates are names of hosts.
    ServerName::try_from(host).map_err(|_| SmtpUrlError::Host)?;
    Ok(host.to_owned())
}

fn start_tls(url: &Url, has_login: bool) -> Result<Security, SmtpUrlError> {
    match (url.query(), has_login) {
        (None | Some("tls=required"), true) | (Some("tls=required"), false) => Ok(Security::StartTls),
        (Some("tls=none"), _) => Ok(Security::Clear),
        (None | Some("tls=opportunistic"), false) => Ok(Security::StartTlsIfOffered),
        // An attacker in between could remove the server's offer and read the password.
        (Some("tls=opportunistic"), true) => Err(SmtpUrlError::OpenPassword),
        (Some(_), _) => Err(SmtpUrlError::Parameter),
    }
}

fn login(url: &Url) -> Result<Option<Login>, SmtpUrlError> {
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None | Some("")) => Err(SmtpUrlError::Login),
        (user, Some(password)) => {
            Ok(Some(Login { user: Secret::new(decoded(user)?), password: Secret::new(decoded(password)?) }))
        }
    }
}

fn decoded(text: &str) -> Result<String, SmtpUrlError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| SmtpUrlError::Login)?;
    // AUTH PLAIN separates its parts by NUL.
    if text.chars().any(char::is_control) {
        return Err(SmtpUrlError::Login);
    }
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> SmtpUrl {
        text.parse().unwrap()
    }

    fn fault(text: &str) -> SmtpUrlError {
        text.parse::<SmtpUrl>().unwrap_err()
    }

    #[test]
    fn a_url_without_a_port_means_the_port_of_submission() {
        let url = parsed("smtp://mail.example.com");
        assert_eq!((url.host.as_str(), url.port), ("mail.example.com", 587));
        assert_eq!(parsed("smtps://mail.example.com/").port, 465);
        assert_eq!(parsed("smtp://[::1]:2525").host, "::1");
        assert_eq!(parsed("smtp://127.0.0.1:2525").port, 2525);
    }

    #[test]
    fn a_password_travels_encrypted_unless_the_url_says_otherwise() {
        assert_eq!(parsed("smtp://ada:pw@host").security, Security::StartTls);
        assert_eq!(parsed("smtps://ada:pw@host").security, Security::Tls);
        assert_eq!(parsed("smtp://ada:pw@host?tls=none").security, Security::Clear);
        assert_eq!(fault("smtp://ada:pw@host?tls=opportunistic"), SmtpUrlError::OpenPassword);
    }

    #[test]
    fn without_a_password_encryption_is_used_where_it_is_offered() {
        assert_eq!(parsed("smtp://host").security, Security::StartTlsIfOffered);
        assert_eq!(parsed("smtp://host?tls=opportunistic").security, Security::StartTlsIfOffered);
        assert_eq!(parsed("smtp://host?tls=required").security, Security::StartTls);
        assert_eq!(parsed("smtp://host?tls=none").security, Security::Clear);
    }

    #[test]
    fn user_and_password_are_percent_decoded() {
        let login = parsed("smtps://ada%40example.com:p%3A%2F%C3%A4%25@host").login.unwrap();
        assert_eq!((login.user.expose().as_str(), login.password.expose().as_str()), ("ada@example.com", "p:/ä%"));
    }

    #[test]
    fn each_fault_has_its_name() {
        let faults = [
            ("mail.example.com", SmtpUrlError::NotAUrl),
            ("http://host", SmtpUrlError::Scheme),
            ("smtp:host", SmtpUrlError::Path),
            ("smtp://", SmtpUrlError::Host),
            ("smtp://ho st", SmtpUrlError::NotAUrl),
            ("smtp://a..b", SmtpUrlError::Host),
            ("smtp://host:0", SmtpUrlError::Port),
            ("smtp://host:65536", SmtpUrlError::NotAUrl),
            ("smtp://host/inbox", SmtpUrlError::Path),
            ("smtp://host#inbox", SmtpUrlError::Path),
            ("smtp://host?tls=maybe", SmtpUrlError::Parameter),
            ("smtp://host?", SmtpUrlError::Parameter),
            ("smtps://host?tls=none", SmtpUrlError::Parameter),
            ("smtp://ada@host", SmtpUrlError::Login),
            ("smtp://ada:@host", SmtpUrlError::Login),
            ("smtp://:pw@host", SmtpUrlError::Login),
            ("smtp://ada:p%00w@host", SmtpUrlError::Login),
            ("smtp://ada:p%ffw@host", SmtpUrlError::Login),
        ];
        for (text, expected) in faults {
            assert_eq!(text.parse::<SmtpUrl>().err(), Some(expected), "{text}");
        }
    }

    #[test]
    fn nothing_of_a_login_is_shown() {
        let shown = format!("{:?}", parsed("smtp://ada:secret@host"));
        assert!(!shown.contains("ada") && !shown.contains("secret"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_text_panics_the_parser(text in ".*", rest in "\\PC*") {
            let _ = text.parse::<SmtpUrl>();
            let _ = format!("smtp://{rest}").parse::<SmtpUrl>();
        }
    }
}
