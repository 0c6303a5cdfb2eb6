//! The customer of an order.

use serde::Serialize;

use crate::Email;
use crate::fields::Fields;
use crate::limits::MAX_NAME;
use crate::line::Line;

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Customer {
    name: Line<MAX_NAME>,
    email: Email,
}

impl Customer {
    /// The name: 1 to 200 characters without control characters.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The address for the confirmation.
    pub fn email(&self) -> &Email {
        &self.email
    }

    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let name = fields.required("name");
        let email = fields.required("email");
        Some(Self { name: name?, email: email? })
    }
}
