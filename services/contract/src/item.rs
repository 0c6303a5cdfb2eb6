//! An item of an order.

use serde::Serialize;

use crate::fields::Fields;
use crate::limits::{MAX_NAME, MAX_QUANTITY, MAX_SKU, MAX_UNIT_PRICE, MIN_QUANTITY};
use crate::line::Line;
use crate::whole::Whole;

/// One item of an order. Prices are in the order's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    sku: Line<MAX_SKU>,
    name: Line<MAX_NAME>,
    quantity: Whole<MIN_QUANTITY, MAX_QUANTITY>,
    unit_price: Whole<0, MAX_UNIT_PRICE>,
}

impl Item {
    /// The stock keeping unit: 1 to 64 characters without control characters.
    pub fn sku(&self) -> &str {
        self.sku.as_str()
    }

    /// The name: 1 to 200 characters without control characters.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The number of pieces: 1 to 10,000.
    pub fn quantity(&self) -> u64 {
        self.quantity.value()
    }

    /// The price of one piece in minor units.
    pub fn unit_price(&self) -> u64 {
        self.unit_price.value()
    }

    /// The price of all pieces in minor units.
    pub fn price(&self) -> u64 {
        self.quantity() * self.unit_price()
    }

    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let sku = fields.required("sku");
        let name = fields.required("name");
        let quantity = fields.required("quantity");
        let unit_price = fields.required("unit_price");
        Some(Self { sku: sku?, name: name?, quantity: quantity?, unit_price: unit_price? })
    }
}
