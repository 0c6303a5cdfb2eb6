//! An order that was placed.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::fields::Fields;
use crate::limits::{ITEMS, MAX_QUANTITY, MAX_UNIT_PRICE};
use crate::whole::Whole;
use crate::{Currency, Customer, Item, Money, NewOrder, OrderId};

/// An order, as `order.placed` carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    id: OrderId,
    content: NewOrder,
}

impl Order {
    pub(crate) fn new(id: OrderId, content: NewOrder) -> Self {
        Self { id, content }
    }

    /// The order's id, the same everywhere.
    pub fn id(&self) -> OrderId {
        self.id
    }

    /// The customer.
    pub fn customer(&self) -> &Customer {
        self.content.customer()
    }

    /// The currency of all its prices.
    pub fn currency(&self) -> Currency {
        self.content.currency()
    }

    /// 1 to 100 items.
    pub fn items(&self) -> &[Item] {
        self.content.items()
    }

    /// The sum of the items; the limits keep it below 2^53.
    pub fn total(&self) -> Money {
        self.content.total()
    }

    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        type Total = Whole<0, { *ITEMS.end() as u64 * MAX_QUANTITY * MAX_UNIT_PRICE }>;
        let id = fields.required("id");
        let currency = fields.required("currency");
        let content = NewOrder::read(fields, currency);
        let total: Option<Total> = fields.required("total");
        let order = Self { id: id?, content: content? };
        // A consumer that adds up the items and one that trusts the total must see the same order.
        let (told, sum) = (total?.value(), order.total().minor_units());
        if told != sum {
            fields.fault("total", format!("expected {sum}, the sum of the items, found {told}"));
        }
        Some(order)
    }
}

impl Serialize for Order {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut order = serializer.serialize_struct("Order", 5)?;
        order.serialize_field("id", &self.id)?;
        order.serialize_field("customer", self.customer())?;
        order.serialize_field("currency", &self.currency())?;
        order.serialize_field("items", self.items())?;
        order.serialize_field("total", &self.total().minor_units())?;
        order.end()
    }
}
