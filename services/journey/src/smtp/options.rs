//! The options of an SMTP server.

use crate::Identity;

/// The encryption of a server.
#[derive(Clone, Debug, Default)]
pub struct SmtpOptions {
    pub(super) tls: Option<(&'static str, Identity)>,
    pub(super) login: Option<(String, String)>,
    pub(super) brief: bool,
    pub(super) most: Option<u32>,
    pub(super) rate: Option<u32>,
    pub(super) utf8: bool,
}

impl SmtpOptions {
    /// It takes mail unencrypted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes no mail before STARTTLS.
    pub fn starttls(self, identity: &Identity) -> Self {
        Self { tls: Some(("start", identity.clone())), ..self }
    }

    /// Speaks TLS from the first byte.
    pub fn tls(self, identity: &Identity) -> Self {
        Self { tls: Some(("always", identity.clone())), ..self }
    }

    /// It reports only the envelope and the `Message-ID` of each mail, which makes it several times faster.
    pub fn brief(self) -> Self {
        Self { brief: true, ..self }
    }

    /// Takes mail from this user alone.
    pub fn login(self, user: &str, password: &str) -> Self {
        Self { login: Some((user.to_owned(), password.to_owned())), ..self }
    }

    /// Takes so many sessions at once, and greets further ones with 421.
    pub fn sessions(self, most: u32) -> Self {
        Self { most: Some(most), ..self }
    }

    /// Takes so many mails a second, and answers further ones with 454.
    pub fn rate(self, a_second: u32) -> Self {
        Self { rate: Some(a_second), ..self }
    }

    /// Offers SMTPUTF8.
    pub fn utf8(self) -> Self {
        Self { utf8: true, ..self }
    }
}
