//! The AsyncAPI document says what the code does.

use contract::OrderEvent;
use contract::limits::{MAX_NAME, MAX_REASON, MAX_SKU};
use events::{Encoded, Event};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::sample::{self, changed, read};

fn document() -> Value {
    serde_yaml_ng::from_str::<Value>(include_str!("../../asyncapi.yaml")).expect("the document is YAML")
}

/// What the document says of the payload of the message in this channel that is a CloudEvent.
pub(crate) fn payload_schema(event_type: &str) -> Validator {
    let document = document();
    let messages = document["components"]["messages"].as_object().unwrap();
    let message = messages.values().find(|message| message["name"] == event_type).expect("the event is described");
    let schema = json!({"allOf": [message["payload"]], "components": document["components"]});
    jsonschema::draft7::options().should_validate_formats(true).build(&schema).expect("the schema is one")
}

fn told(schema: &Validator, event: &Value) -> Vec<String> {
    schema.iter_errors(event).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn each_event_type_has_a_channel_under_its_name() {
    let document = document();
    let channels = document["channels"].as_object().unwrap();
    let mut addresses: Vec<_> = channels.values().map(|channel| channel["address"].as_str().unwrap()).collect();
    addresses.sort_unstable();
    let mut types = OrderEvent::TYPES.to_vec();
    types.sort_unstable();
    assert_eq!(addresses, types);
}

#[test]
fn encoded_events_are_as_the_document_says() {
    for encoded in [sample::placed(), sample::cancelled()] {
        let event = changed(&encoded, |_| {});
        assert_eq!(told(&payload_schema(encoded.event_type), &event), Vec::<String>::new());
    }
}

#[test]
fn the_documents_examples_are_events() {
    for (schema, encoded) in [("Order", sample::placed()), ("Cancellation", sample::cancelled())] {
        let example = &document()["components"]["schemas"][schema]["examples"][0];
        let event = changed(&encoded, |event| event["data"] = example.clone());
        read(&event).expect(schema);
        assert_eq!(told(&payload_schema(encoded.event_type), &event), Vec::<String>::new());
    }
}

#[test]
fn the_document_refuses_what_the_code_refuses() {
    let placed = sample::placed();
    for (pointer, value) in refused_orders() {
        both_refuse(&placed, pointer, &value);
    }
    for value in [json!("a".repeat(MAX_REASON + 1)), json!(""), json!(null), json!("a\r\nb")] {
        both_refuse(&sample::cancelled(), "/data/reason", &value);
    }
}

#[test]
fn the_document_takes_what_the_code_takes_at_its_limits() {
    let item = changed(&sample::placed(), |_| {})["data"]["items"][0].clone();
    let most = json!({"sku": "é".repeat(MAX_SKU), "name": "é".repeat(MAX_NAME), "quantity": 10_000, "unit_price": 1_000_000_000});
    for (items, total) in [(vec![&item], 900), (vec![&most; 100], 1_000_000_000_000_000_u64)] {
        let event = changed(&sample::placed(), |event| {
            event["data"]["items"] = json!(items);
            event["data"]["total"] = json!(total);
        });
        read(&event).expect("within the limits");
        assert_eq!(told(&payload_schema("order.placed"), &event), Vec::<String>::new());
    }
}

#[test]
fn what_an_event_must_have_is_required_by_the_document_too() {
    let parents = ["", "/data", "/data/customer", "/data/items/0"];
    for (encoded, parent) in parents.map(|parent| (sample::placed(), parent)) {
        let members = changed(&encoded, |_| {}).pointer(parent).unwrap().as_object().unwrap().clone();
        for name in members.keys() {
            let event = changed(&encoded, |event| {
                drop(event.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name));
            });
            let schema = payload_schema("order.placed");
            assert_eq!(read(&event).is_ok(), schema.is_valid(&event), "without {parent}/{name}");
        }
    }
}

fn both_refuse(encoded: &Encoded, pointer: &str, value: &Value) {
    let event = changed(encoded, |event| *event.pointer_mut(pointer).unwrap() = value.clone());
    assert!(read(&event).is_err(), "the code takes {value} at {pointer}");
    assert!(!payload_schema(encoded.event_type).is_valid(&event), "the document takes {value} at {pointer}");
}

fn refused_orders() -> Vec<(&'static str, Value)> {
    let item = changed(&sample::placed(), |_| {})["data"]["items"][0].clone();
    let mut refused = vec![
        ("/specversion", json!("0.3")),
        ("/type", json!("order.lost")),
        ("/id", json!("")),
        ("/id", json!("a".repeat(256))),
        ("/id", json!("a\nb")),
        ("/source", json!("")),
        ("/subject", json!("a\u{85}b")),
        ("/time", json!("yesterday")),
        ("/datacontenttype", json!("text/xml")),
        ("/data", json!("text")),
        ("/data/id", json!("019a9f0e2f4b7c1e8a573d0c5a1b9e42")),
        ("/data/customer/name", json!("a".repeat(MAX_NAME + 1))),
        ("/data/customer/email", json!("ada@[127.0.0.1]")),
        ("/data/customer/email", json!("Ada <ada@example.com>")),
        ("/data/customer/email", json!(format!("ada@{}.com", "a.".repeat(130)))),
        ("/data/currency", json!("euro")),
        ("/data/items", json!([])),
        ("/data/items", json!(vec![item; 101])),
        ("/data/items/0/sku", json!("a".repeat(MAX_SKU + 1))),
        ("/data/items/0/name", json!("a".repeat(MAX_NAME + 1))),
        ("/data/items/0/quantity", json!(0)),
        ("/data/items/0/quantity", json!(10_001)),
        ("/data/items/0/quantity", json!(1.5)),
        ("/data/items/0/unit_price", json!(-1)),
        ("/data/items/0/unit_price", json!(1_000_000_001)),
        ("/data/total", json!(-1)),
        ("/data/total", json!("900")),
    ];
    for pointer in ["/data/customer/name", "/data/items/0/sku", "/data/items/0/name"] {
        refused.extend([
            (pointer, json!("")),
            (pointer, json!("a\r\nb")),
            (pointer, json!("a\u{7f}")),
            (pointer, json!(5)),
        ]);
    }
    refused
}
