//! The limits of what is accepted. Documents and messages take them from here.

use std::ops::RangeInclusive;

/// The most bytes of an HTTP body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Items of an order.
pub const ITEMS: RangeInclusive<usize> = 1..=100;
/// Pieces of one item.
pub const MIN_QUANTITY: u64 = 1;
/// Pieces of one item.
pub const MAX_QUANTITY: u64 = 10_000;
/// Minor units of the currency, for one piece.
pub const MAX_UNIT_PRICE: u64 = 1_000_000_000;
/// Characters of a customer's or an item's name.
pub const MAX_NAME: usize = 200;
/// Characters of a stock keeping unit.
pub const MAX_SKU: usize = 64;
/// Characters of the reason for a cancellation.
pub const MAX_REASON: usize = 500;
/// Bytes of an email address (RFC 5321).
pub const MAX_EMAIL: usize = 254;
/// Bytes of its local part (RFC 5321).
pub const MAX_LOCAL_PART: usize = 64;
/// Visible characters of an `Idempotency-Key`.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;
/// The most faults that are reported for one document. Further ones are left out, so that a refusal is not far longer
/// than the document.
pub const MAX_FAULTS: usize = 1_000;

// The total of the largest order is exact even for a reader that keeps numbers as doubles.
const _: () = assert!(*ITEMS.end() as u64 * MAX_QUANTITY * MAX_UNIT_PRICE < 1 << 53);
