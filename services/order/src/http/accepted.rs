//! The answer `202`: the broker has confirmed that a queue holds the event.

use bytes::Bytes;
use contract::{Money, OrderId};
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// An order or a cancellation that was accepted.
#[derive(Debug, Serialize)]
pub(super) struct Accepted {
    id: OrderId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
}

impl Accepted {
    /// An accepted order with this id and total.
    pub(super) fn order(id: OrderId, total: Money) -> Self {
        let (total, currency) = (Some(total.minor_units()), Some(total.currency().code()));
        Self { id, status: "accepted", total, currency }
    }

    /// The accepted cancellation of the order with this id.
    pub(super) fn cancellation(id: OrderId) -> Self {
        Self { id, status: "accepted", total: None, currency: None }
    }

    /// `202` with this as JSON. It has no `Location`, because the service keeps no orders and nothing could be read
    /// there.
    pub(super) fn answer(&self) -> Response<Full<Bytes>> {
        let body = serde_json::to_vec(self).expect("texts and numbers are JSON");
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = StatusCode::ACCEPTED;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
