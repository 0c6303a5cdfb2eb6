//! The requests for parcels that packing publishes: which one has to follow each order, and which ones were heard.

use std::collections::HashMap;

use contract::OrderEvent;
use events::EventData;
use journey::{Broker, Message};
use messaging::Received;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ruin::{PACKING_QUEUE, PARCEL_QUEUE};

/// What packing logs once the request for an order is confirmed.
pub(crate) const REQUESTED: &str = "parcel requested";

/// Who publishes the requests.
const SOURCE: &str = "urn:packing";

/// All that their ids depend on: their type.
#[derive(Serialize, Deserialize)]
pub(crate) struct ParcelRequested {}

impl EventData for ParcelRequested {
    const TYPE: &'static str = "parcel.requested";
}

/// The id of the request that has to follow the order with this event.
pub(crate) fn follow_up(event: Uuid) -> Uuid {
    let mut order = Received::of(OrderEvent::Text(String::new()));
    (order.id, order.source) = (Some(event.to_string()), Some(OrderEvent::SOURCE.to_owned()));
    order.follow_up(SOURCE, ParcelRequested {}).id.parse().expect("a derived id is a UUID")
}

/// The event of the order that a request names as its cause.
pub(crate) fn cause(request: &Message) -> Uuid {
    attribute(&body(request), "causationid")
}

fn body(request: &Message) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

/// An attribute that holds a UUID; what holds none is nobody's.
fn attribute(event: &Value, name: &str) -> Uuid {
    event[name].as_str().and_then(|id| id.parse().ok()).unwrap_or_default()
}

/// The requests that were heard.
#[derive(Default)]
pub(crate) struct Parcels {
    /// The order's event that each names as its cause, and how often it was heard, by its id.
    pub(crate) heard: HashMap<Uuid, (Uuid, usize)>,
    /// Requests that contradict themselves: a line each.
    pub(crate) odd: Vec<String>,
}

impl Parcels {
    /// Reads every request that waits in the queue, as a plain client does.
    pub(crate) async fn hear(&mut self, broker: &Broker) {
        for request in broker.take(PARCEL_QUEUE).await {
            self.note(&request);
        }
    }

    fn note(&mut self, request: &Message) {
        let event = body(request);
        let (id, cause) = (attribute(&event, "id"), attribute(&event, "causationid"));
        let (first, times) = self.heard.entry(id).or_insert((cause, 0));
        *times += 1;
        let as_its_kind = event["type"] == ParcelRequested::TYPE && event["source"] == SOURCE;
        if *first != cause || !as_its_kind || request.routing_key != ParcelRequested::TYPE {
            self.odd.push(format!("a request for a parcel that is odd: {} {event}", request.routing_key));
        }
    }
}

/// Gives packing a user with the rights of a service that consumes and publishes, and its queues policies; order may
/// bind packing's queue.
pub(crate) async fn admit(broker: &Broker) {
    let orders = format!("^(order-exchange|email-queue|analytics-queue|{PACKING_QUEUE})$");
    let rights = [
        ("order", &*orders, &*orders, "^order-exchange$"),
        (
            "packing",
            "^(order-exchange|parcel-exchange|parcel-queue|packing-queue(\\..+)?)$",
            "^(amq\\.default|parcel-exchange|parcel-queue|packing-queue)$",
            "^(order-exchange|parcel-exchange|packing-queue(\\..+)?)$",
        ),
    ];
    broker.put("users/packing", &json!({"password": "packing", "tags": ""})).await;
    for (user, configure, write, read) in rights {
        let rights = json!({"configure": configure, "write": write, "read": read});
        broker.put(&format!("permissions/%2f/{user}"), &rights).await;
    }
    for queue in [PACKING_QUEUE, PARCEL_QUEUE] {
        broker.apply_policy(queue, 100).await;
    }
}
