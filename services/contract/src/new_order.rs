//! An order before it has an id.

use events::CloudEvent;
use jiff::Timestamp;
use serde::Serialize;

use crate::fields::Fields;
use crate::limits::ITEMS;
use crate::order_id::uuid_v7;
use crate::parse_error::parse_body;
use crate::{Currency, Customer, IdempotencyKey, Item, Money, Order, OrderEvent, OrderId, ParseError};

/// A valid order that is not placed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewOrder {
    customer: Customer,
    currency: Currency,
    items: Vec<Item>,
}

impl NewOrder {
    /// Parses the body of `POST /orders`.
    ///
    /// # Errors
    /// The body is not UTF-8 or not JSON, or the error lists all the faults of the order at once, including unknown
    /// fields.
    pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
        parse_body(body, |fields| {
            let currency = fields.optional("currency").unwrap_or_default();
            Self::read(fields, Some(currency))
        })
    }

    /// Gives the order its id, and makes the event that it was placed at `now`.
    ///
    /// With a key, the ids of the order and of the event follow from the key and the order's content. So the same
    /// request is the same event, and each consumer process handles it once while it remembers it. Without a key,
    /// each call is another order.
    pub fn place(self, key: Option<&IdempotencyKey>, now: Timestamp) -> CloudEvent<OrderEvent> {
        let (order_id, event_id) = match key {
            Some(key) => {
                let order_id = key.order_id(&self);
                (order_id, order_id.event_id(OrderEvent::PLACED))
            }
            None => (OrderId::new(now), uuid_v7(now)),
        };
        CloudEvent {
            id: event_id.to_string(),
            source: OrderEvent::SOURCE.into(),
            time: now,
            correlation_id: None,
            causation_id: None,
            data: OrderEvent::Placed(Order::new(order_id, self)),
        }
    }

    /// The customer.
    pub fn customer(&self) -> &Customer {
        &self.customer
    }

    /// The currency of all its prices.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// 1 to 100 items.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The sum of the items; the limits keep it below 2^53.
    pub fn total(&self) -> Money {
        Money::new(self.items.iter().map(Item::price).sum(), self.currency)
    }

    /// Reads the rest of an order. Only an HTTP body may leave out the currency.
    pub(crate) fn read(fields: &mut Fields<'_, '_>, currency: Option<Currency>) -> Option<Self> {
        let customer = fields.object("customer", Customer::read);
        let items = fields.list("items", ITEMS, Item::read);
        Some(Self { customer: customer?, currency: currency?, items: items? })
    }
}
