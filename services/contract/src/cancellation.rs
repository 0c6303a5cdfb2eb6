//! A request to cancel an order.

use events::{CloudEvent, unicode};
use jiff::Timestamp;
use serde::Serialize;

use crate::fields::Fields;
use crate::limits::MAX_REASON;
use crate::line::Line;
use crate::parse_error::parse_body;
use crate::{OrderEvent, OrderId, ParseError};

/// A cancellation, as `order.cancelled` carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cancellation {
    id: OrderId,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Line<MAX_REASON>>,
}

impl Cancellation {
    /// Parses the body of `POST /orders/{id}/cancel`, which may be empty.
    ///
    /// # Errors
    /// The body is not UTF-8 or not JSON, or the error lists all its faults at once, including unknown fields.
    pub fn parse(id: OrderId, body: &[u8]) -> Result<Self, ParseError> {
        if unicode::text(body)?.is_empty() {
            return Ok(Self { id, reason: None });
        }
        parse_body(body, |fields| Some(Self { id, reason: fields.optional("reason") }))
    }

    /// The event that the order was cancelled at `now`. Its id follows from the order's id alone, so repeated
    /// cancellations are one event.
    pub fn event(self, now: Timestamp) -> CloudEvent<OrderEvent> {
        CloudEvent {
            id: self.id.event_id(OrderEvent::CANCELLED).to_string(),
            source: OrderEvent::SOURCE.into(),
            time: now,
            correlation_id: None,
            causation_id: None,
            data: OrderEvent::Cancelled(self),
        }
    }

    /// The order's id.
    pub fn id(&self) -> OrderId {
        self.id
    }

    /// The reason, if one was given: 1 to 500 characters without control characters.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_ref().map(Line::as_str)
    }

    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let id = fields.required("id");
        let reason = fields.optional("reason");
        Some(Self { id: id?, reason })
    }
}
