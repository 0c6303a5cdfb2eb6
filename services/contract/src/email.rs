//! Email addresses.

use std::fmt;

use email_address::EmailAddress;
use serde::{Serialize, Serializer};

use crate::fields::Scalar;
use crate::json::Value;
use crate::limits::MAX_EMAIL;

/// An email address: visible ASCII alone, at most 254 bytes, neither a display name nor an address literal.
///
/// A name in another script needs its domain's ASCII form (`xn--…`); a local part beyond ASCII is refused, since not
/// every server takes it. `Display` and `Debug` mask it, `a***@example.com`: it is safe in a log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// The address in `text`, if it is one and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let valid = text.len() <= MAX_EMAIL
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && EmailAddress::is_valid_local_part(local)
            && EmailAddress::is_valid_domain(domain)
            && !domain.starts_with('[');
        valid.then(|| Self(text.to_owned()))
    }

    /// The whole address. It is personal: for the mail itself, not for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, domain) = self.0.rsplit_once('@').expect("an address has an @");
        write!(f, "{}***@{domain}", &local[..1])
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Email {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Scalar for Email {
    fn expected() -> String {
        format!("an email address of at most {MAX_EMAIL} ASCII characters")
    }

    fn read(value: &Value<'_>) -> Option<Self> {
        Self::parse(value.as_text()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_address_and_nothing_else() {
        for accepted in ["ada@example.com", "a.b+c@sub.example.co", "o'hara@example.com", "\"a@b\"@example.com", "a@b"]
        {
            assert!(Email::parse(accepted).is_some(), "{accepted:?}");
        }
        let long = format!("ada@{}.com", vec!["a".repeat(60); 5].join("."));
        for refused in [
            "",
            "ada",
            "@",
            "ada@",
            "@example.com",
            "ada@@example.com",
            "ada@example..com",
            "<ada@example.com>",
            "ada @example.com",
            "Ada<ada@example.com>",
            "ada@example.com\r\nBcc: eve@example.com",
            "\"a\tb\"@example.com",
            "ada@[127.0.0.1]",
            "ádá@example.com",
            "ada@exämple.com",
            "ada@example.com,eve@example.com",
            &long,
        ] {
            assert!(Email::parse(refused).is_none(), "{refused:?}");
        }
    }

    #[test]
    fn an_address_is_masked_wherever_it_is_shown() {
        let email = Email::parse("ada@example.com").unwrap();
        assert_eq!(format!("{email} {email:?}"), "a***@example.com a***@example.com");
    }
}
