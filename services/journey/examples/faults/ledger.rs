//! The customers' record of their orders.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use contract::{IdempotencyKey, NewOrder, OrderEvent};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

/// Every order whose number is a multiple of this has an address that the mail server may refuse.
const ODD_ADDRESSES: usize = 20;
/// The beginning of such an address.
pub(crate) const ODD: &str = "nobody-";
/// The answer with which the mail server refuses such an address.
pub(crate) const REFUSED: &str = "550 5.1.1 nobody of that name";

/// The address of the customer of the order with this number.
pub(crate) fn address(number: usize) -> String {
    let name = if number.is_multiple_of(ODD_ADDRESSES) { ODD } else { "ada-" };
    format!("{name}{number}@example.com")
}

/// All orders, by their number.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    entries: Vec<Entry>,
    round: usize,
    otherwise: BTreeMap<(usize, String), usize>,
    odd: Vec<String>,
}

/// One order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The id of its event.
    pub(crate) event: Uuid,
    /// The number of the fault during which the customer began it.
    pub(crate) round: usize,
    /// Whether some answer, or a missing one, left it open whether a queue holds the event.
    pub(crate) in_doubt: bool,
    /// When the customer sent it first.
    pub(crate) first_sent: SystemTime,
    /// When the customer sent it last.
    pub(crate) last_sent: SystemTime,
    /// When the `202` came.
    pub(crate) accepted: Option<SystemTime>,
}

/// An order that a customer places.
pub(crate) struct Wish {
    pub(crate) number: usize,
    pub(crate) key: String,
    pub(crate) body: Bytes,
    /// The id that the order will have.
    pub(crate) order: String,
}

impl Ledger {
    /// Makes the next order. Its ids are derived from its key and content, so they are known before it is sent.
    pub(crate) fn begin(&self, seed: u64) -> Wish {
        let now = SystemTime::now();
        let mut pages = self.pages();
        let number = pages.entries.len();
        let body = json!({
            "customer": {"name": "Ada Lovelace", "email": address(number)},
            "items": [{"sku": "TEA-1", "name": "Earl Grey", "quantity": 2, "unit_price": 450}],
        });
        let (key, body) = (format!("faults-{seed}-{number}"), body.to_string());
        let parsed: IdempotencyKey = key.parse().expect("a valid key");
        let event = NewOrder::parse(body.as_bytes()).expect("a valid order").place(Some(&parsed), Timestamp::now());
        let OrderEvent::Placed(order) = &event.data else { unreachable!("it was placed") };
        let event = event.id.parse().expect("an event's id is a UUID");
        let round = pages.round;
        pages.entries.push(Entry { event, round, in_doubt: false, first_sent: now, last_sent: now, accepted: None });
        Wish { number, key, body: body.into(), order: order.id().to_string() }
    }

    /// Notes that the fault with this number begins.
    pub(crate) fn begin_round(&self, round: usize) {
        self.pages().round = round;
    }

    /// The number of the fault that is played now.
    pub(crate) fn round(&self) -> usize {
        self.pages().round
    }

    /// Notes that the order is about to be sent.
    pub(crate) fn sent(&self, number: usize) {
        self.pages().entries[number].last_sent = SystemTime::now();
    }

    /// Notes that the order was answered `202`.
    pub(crate) fn accepted(&self, number: usize) {
        self.pages().entries[number].accepted = Some(SystemTime::now());
    }

    /// Notes that the order was not answered `202`, or not at all.
    pub(crate) fn otherwise(&self, number: usize, how: String) {
        let mut pages = self.pages();
        let round = pages.round;
        if ["unanswered", "unconfirmed", "rejected-by-broker"].contains(&&*how) {
            pages.entries[number].in_doubt = true;
        }
        *pages.otherwise.entry((round, how)).or_default() += 1;
    }

    /// Notes something that must not happen, for the books.
    pub(crate) fn odd(&self, what: String) {
        self.pages().odd.push(what);
    }

    /// A copy of all entries.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.pages().entries.clone()
    }

    /// How often orders were answered otherwise during each fault, and how.
    pub(crate) fn answered_otherwise(&self) -> BTreeMap<(usize, String), usize> {
        self.pages().otherwise.clone()
    }

    /// All that was noted by [`Ledger::odd`].
    pub(crate) fn oddities(&self) -> Vec<String> {
        self.pages().odd.clone()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
