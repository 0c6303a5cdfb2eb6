//! The shop's own data, as it travels between services: orders, their events, money, addresses and ids. No I/O.
//!
//! The way of an order: a body is parsed ([`NewOrder::parse`]), placed ([`NewOrder::place`]), encoded
//! ([`CloudEvent::encode`](events::CloudEvent::encode)), and decoded by each consumer
//! ([`decode`](events::decode()) as an [`OrderEvent`]). A value of one of these types is valid. Invalid input is
//! refused with a [`Fault`](events::Fault) for each field. `asyncapi.yaml` beside this crate describes the same for
//! other programs.

pub mod limits;

mod faults;
mod fields;
mod line;
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

mod order_event;
pub use order_event::OrderEvent;
