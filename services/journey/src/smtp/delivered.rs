//! The mails that an SMTP server took.

use std::time::SystemTime;

use serde_json::Value;

/// A mail that the server took.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub(super) told: Value,
    pub(super) at: SystemTime,
}

impl Delivered {
    /// A header, decoded; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.told["headers"][name.to_lowercase()].as_str().unwrap_or_default()
    }

    /// When its server reported it.
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// The sender that the envelope names.
    pub fn sender(&self) -> &str {
        self.told["sender"].as_str().unwrap_or_default()
    }

    /// Whom the envelope names.
    pub fn recipients(&self) -> Vec<&str> {
        self.told["recipients"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The body as plain text.
    pub fn text(&self) -> &str {
        self.told["text"].as_str().unwrap_or_default()
    }

    /// The body as HTML.
    pub fn html(&self) -> &str {
        self.told["html"].as_str().unwrap_or_default()
    }

    /// Whether it came over TLS.
    pub fn was_encrypted(&self) -> bool {
        self.told["encrypted"] == true
    }

    /// Who logged in before.
    pub fn login(&self) -> Option<&str> {
        self.told["login"].as_str()
    }
}
