//! The shop's own data, as it travels between services: orders, events, CloudEvents 1.0 in structured JSON mode,
//! money and ids. No I/O.
//!
//! The way of an order: a body is parsed ([`NewOrder::parse`]), placed ([`NewOrder::place`]), encoded
//! ([`CloudEvent::encode`]), and decoded by each consumer ([`decode()`]). A value of one of these types is valid.
//! Invalid input is refused with a [`Fault`] for each field. `asyncapi.yaml` beside this crate describes the same for
//! other programs.

pub mod limits;

mod fault;
pub use fault::Fault;
mod fields;
mod json;
mod line;
mod unicode;
mod whole;

mod currency;
pub use currency::Currency;
mod money;
pub use money::Money;
mod email;
pub use email::{Email, EmailFault};
mod customer;
pub use customer::Customer;
mod item;
pub use item::Item;

mod parse_error;
pub use parse_error::ParseError;
mod new_order;
pub use new_order::NewOrder;
mod idempotency_key;
pub use idempotency_key::IdempotencyKey;
mod order_id;
pub use order_id::OrderId;
mod order;
pub use order::Order;
mod cancellation;
pub use cancellation::Cancellation;

mod event;
pub use event::Event;
mod order_event;
pub use order_event::OrderEvent;
mod cloud_event;
pub use cloud_event::{CONTENT_TYPE, CloudEvent, Encoded};
mod decode_error;
pub use decode_error::DecodeError;
mod decode;
mod envelope;
pub use decode::{Decoded, Raw, decode};
