//! Email addresses.

use std::borrow::Cow;
use std::fmt;

use events::json::Value;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Serialize, Serializer};

use crate::fields::Scalar;
use crate::limits::{MAX_EMAIL, MAX_LOCAL_PART};

/// The most bytes of one label of a domain (RFC 1035).
const MAX_LABEL: usize = 63;

/// An email address, without a display name, and not an address literal.
///
/// It accepts the addresses that a browser's `<input type=email>` accepts (with dots anywhere), within the lengths of
/// RFC 5321. It also accepts a quoted local part without spaces, and other scripts on both sides of the `@` (RFC
/// 6531). The local part stays as it was given, because only its own server knows which local parts are the same. A
/// domain in another script becomes its A-labels (`xn--…`, UTS 46). `Display` and `Debug` mask the address,
/// `a***@example.com`, so it is safe in a log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// What is wrong with an address: the character, or the rule. It never repeats the local part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EmailFault(Cow<'static, str>);

impl Email {
    /// Parses an address that is the whole of `text`.
    ///
    /// # Errors
    /// The first thing that is wrong with the address.
    pub fn parse(text: &str) -> Result<Self, EmailFault> {
        let too_long = || fault(format!("longer than {MAX_EMAIL} bytes"));
        if text.len() > MAX_EMAIL {
            return Err(too_long());
        }
        let (local, domain) = text.rsplit_once('@').ok_or_else(|| fault("no @"))?;
        check_local(local)?;
        let domain = ascii(domain)?;
        domain.split('.').try_for_each(check_label)?;
        let address = format!("{local}@{domain}");
        if address.len() > MAX_EMAIL { Err(too_long()) } else { Ok(Self(address)) }
    }

    /// The whole address. It is personal data: use it for the mail itself, and never in a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The local part, and the domain in ASCII.
    pub fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').expect("an address has an @")
    }

    /// Whether it is ASCII, which every mail server takes. Any other address needs SMTPUTF8 (RFC 6531) on its way.
    pub fn is_ascii(&self) -> bool {
        self.0.is_ascii()
    }
}

fn fault(rule: impl Into<Cow<'static, str>>) -> EmailFault {
    EmailFault(rule.into())
}

fn not_allowed(found: char, side: &str) -> EmailFault {
    fault(format!("{:?} is not allowed {side} the @", String::from(found)))
}

fn check_local(local: &str) -> Result<(), EmailFault> {
    if local.is_empty() {
        return Err(fault("nothing before the @"));
    }
    if local.len() > MAX_LOCAL_PART {
        return Err(fault(format!("longer than {MAX_LOCAL_PART} bytes before the @")));
    }
    if let Some(after_quote) = local.strip_prefix('"') {
        return check_quoted(after_quote);
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c) || is_visible_beyond_ascii(c);
    local.chars().find(|&c| !fits(c)).map_or(Ok(()), |c| Err(not_allowed(c, "before")))
}

/// The rest of a quoted local part: visible characters, quotes and backslashes behind a backslash, and the last
/// quote.
fn check_quoted(text: &str) -> Result<(), EmailFault> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let shown = match c {
            '"' if chars.as_str().is_empty() && text.len() > 1 => return Ok(()),
            '"' if text.len() == 1 => return Err(fault("nothing between the quotes before the @")),
            '"' => return Err(fault("a quote before the @ that neither begins nor ends it, and has no backslash")),
            '\\' => chars.next(),
            c => Some(c),
        };
        if let Some(c) = shown.filter(|&c| !c.is_ascii_graphic() && !is_visible_beyond_ascii(c)) {
            return Err(not_allowed(c, "before"));
        }
    }
    Err(fault("a quote before the @ that is not closed"))
}

/// Whether a character is no control character, no space, not invisible, and does not turn the direction of the text.
/// Such a character would be a mistake of the customer's, or deceive the reader of the address.
fn is_visible_beyond_ascii(c: char) -> bool {
    let deceives = matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_ascii() && !c.is_control() && !c.is_whitespace() && !deceives
}

/// The domain as it is sent. A domain in ASCII stays as it is: a browser takes it whatever its labels decode to.
fn ascii(domain: &str) -> Result<Cow<'_, str>, EmailFault> {
    if domain.is_empty() {
        return Err(fault("nothing after the @"));
    }
    let wrong = |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '-' && c != '.';
    if let Some(c) = domain.chars().find(|&c| wrong(c)) {
        return Err(not_allowed(c, "after"));
    }
    if domain.is_ascii() {
        return Ok(domain.into());
    }
    let to_ascii = |text| Uts46::new().to_ascii(text, AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Ignore).ok();
    to_ascii(domain.as_bytes()).ok_or_else(|| {
        let label = domain.split('.').find(|label| to_ascii(label.as_bytes()).is_none()).unwrap_or(domain);
        fault(format!("the domain's label {label:?} cannot be an internationalized name (UTS 46)"))
    })
}

fn check_label(label: &str) -> Result<(), EmailFault> {
    let rule = match label {
        "" => return Err(fault("the domain has an empty label: two dots in a row, or one at its beginning or end")),
        _ if label.starts_with('-') => "begins with a hyphen",
        _ if label.ends_with('-') => "ends with a hyphen",
        _ if label.len() > MAX_LABEL => "is longer than 63 bytes",
        _ => return Ok(()),
    };
    Err(fault(format!("the domain's label {label:?} {rule}")))
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, domain) = self.parts();
        local.chars().take(1).try_for_each(|first| write!(f, "{first}"))?;
        write!(f, "***@{domain}")
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
        format!("an email address of at most {MAX_EMAIL} bytes")
    }

    fn read(value: &Value<'_>) -> Option<Self> {
        Self::parse(value.as_text()?).ok()
    }

    fn rule(value: &Value<'_>) -> Option<String> {
        Self::parse(value.as_text()?).err().map(|fault| fault.to_string())
    }
}

#[cfg(test)]
mod tests;
