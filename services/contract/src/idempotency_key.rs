//! The client's name for a request. It gives a repetition the same ids, and so makes it the same order and the same
//! event.

use std::str::FromStr;

use events::Fault;
use uuid::{Uuid, uuid};

use crate::limits::MAX_IDEMPOTENCY_KEY;
use crate::{NewOrder, OrderId};

/// The namespace of ids that follow from a key (RFC 9562, section 5.5). It can never change.
const NAMESPACE: Uuid = uuid!("6f1a0f5e-6c1b-4a52-9d0f-2f6f0a3c7e41");

/// The value of an `Idempotency-Key` header: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The id of the order with this key and this content, the same every time.
    ///
    /// It follows from the parsed order, so white space and the sequence of the fields make no difference.
    pub(crate) fn order_id(&self, order: &NewOrder) -> OrderId {
        let mut name = self.0.clone().into_bytes();
        name.push(0); // No key contains it, so no two pairs of key and order run together.
        serde_json::to_writer(&mut name, order).expect("strings and whole numbers are JSON");
        OrderId::from(Uuid::new_v5(&NAMESPACE, &name))
    }
}

impl FromStr for IdempotencyKey {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=MAX_IDEMPOTENCY_KEY).contains(&text.len()) {
            return Ok(Self(text.to_owned()));
        }
        let detail = format!("expected 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters");
        Err(Fault { pointer: String::new(), detail })
    }
}
