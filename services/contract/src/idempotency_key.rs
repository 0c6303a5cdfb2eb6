//! The client's name for a request, so that its repetition has the same ids: the same order, and the same event.

use std::str::FromStr;

use uuid::{Uuid, uuid};

use crate::limits::MAX_IDEMPOTENCY_KEY;
use crate::{Fault, NewOrder, OrderId};

/// Ids that follow from a key live in a namespace of their own (RFC 9562, section 5.5). It can never change.
const NAMESPACE: Uuid = uuid!("6f1a0f5e-6c1b-4a52-9d0f-2f6f0a3c7e41");

/// The value of an `Idempotency-Key` header: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The order that this key and this content are, every time.
    ///
    /// It follows from what was parsed, so that white space or the order of the fields make no other order of it.
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
