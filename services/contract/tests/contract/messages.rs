//! Messages: what comes out of a queue, and what of it is an event of an order.

use contract::OrderEvent;
use events::{DecodeError, Event, Raw, decode};
use serde_json::{Value, json};

use crate::sample::{self, changed, message, read};

fn refusal(raw: &Raw<'_>) -> DecodeError {
    decode::<OrderEvent>(raw).expect_err("it is no event")
}

#[test]
fn an_encoded_event_is_the_cloudevent_of_the_design() {
    let event = sample::new_order().place(Some(&"k1".parse().unwrap()), sample::now());
    let encoded = event.clone().encode();
    let json: Value = serde_json::from_slice(&encoded.body).unwrap();
    let id = event.data.subject().unwrap().to_string();
    let expected = json!({
        "specversion": "1.0",
        "id": event.id,
        "source": "urn:warren:order",
        "type": "order.placed",
        "subject": id,
        "time": "2025-11-20T10:00:00.25Z",
        "datacontenttype": "application/json",
        "data": {
            "id": id,
            "customer": {"name": "Ada Lovelace", "email": "ada@example.com"},
            "currency": "EUR",
            "items": [{"sku": "TEA-1", "name": "Earl Grey", "quantity": 2, "unit_price": 450}],
            "total": 900,
        },
    });
    assert_eq!(json, expected);
    assert_eq!((encoded.id, encoded.event_type, encoded.time), (event.id, "order.placed", sample::now()));
}

#[test]
fn an_event_says_what_is_known_of_it() {
    let encoded = sample::cancelled();
    // The key of a delivery that came through a delay queue is the queue's name: the event's own type counts.
    let raw = Raw { routing_key: "email-queue", timestamp: Some(1), ..message(&encoded.body) };
    let decoded = decode::<OrderEvent>(&raw).unwrap();
    assert_eq!(decoded.id, Some(encoded.id));
    assert_eq!(decoded.source.as_deref(), Some("urn:warren:order"));
    assert_eq!(decoded.event_type, "order.cancelled");
    assert_eq!(decoded.subject.as_deref(), Some("019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42"));
    assert_eq!(decoded.time, Some(sample::now()));
    let OrderEvent::Cancelled(cancellation) = decoded.data else { panic!("{:?}", decoded.data) };
    assert_eq!(cancellation.reason(), Some("changed my mind"));
}

#[test]
fn unknown_attributes_and_fields_are_ignored() {
    let json = changed(&sample::placed(), |event| {
        event["partitionkey"] = json!({"deep": [1e9]});
        event["data"]["gift"] = json!(true);
        event["data"]["items"][0]["colour"] = json!(["red"]);
    });
    assert!(read(&json).is_ok());
}

#[test]
fn a_message_of_the_guide_is_an_order_of_which_only_the_text_is_known() {
    let raw = Raw { content_type: Some("text/plain"), timestamp: Some(0), ..message(b"NEW ORDER CREATED") };
    let decoded = decode::<OrderEvent>(&raw).unwrap();
    assert_eq!(decoded.data, OrderEvent::Text("NEW ORDER CREATED".to_owned()));
    assert_eq!((decoded.id, decoded.source, decoded.subject), (None, None, None));
    assert_eq!(decoded.event_type, "order.placed");
    let with_id = Raw { content_type: Some("Text/Plain; charset=utf-8"), message_id: Some("m1"), ..raw };
    assert_eq!(decode::<OrderEvent>(&with_id).unwrap().id.as_deref(), Some("m1"));
}

#[test]
fn a_text_that_places_no_order_is_refused() {
    let text = Raw { content_type: Some("text/plain"), ..message(b"CANCEL IT") };
    assert_eq!(refusal(&Raw { routing_key: "order.cancelled", ..text }).reason(), "content-type");
    assert_eq!(refusal(&Raw { routing_key: "email-queue", ..text }).reason(), "unknown-type");
    assert_eq!(refusal(&Raw { body: b"\xff", ..text }), DecodeError::NotUtf8(0));
}

#[test]
fn data_that_is_too_deep_is_refused() {
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let body = changed(&sample::placed(), |event| event["data"]["customer"] = json!("HERE")).to_string();
    let error = refusal(&message(body.replace("\"HERE\"", &deep).as_bytes()));
    assert!(error.to_string().contains("recursion limit"), "{error}");
}

#[test]
fn data_that_does_not_fit_is_refused_with_all_its_faults() {
    let json = changed(&sample::placed(), |event| {
        event["data"]["id"] = json!("42");
        event["data"]["items"][0]["quantity"] = json!("2");
    });
    let Err(DecodeError::Data(faults)) = read(&json) else { panic!("{json}") };
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/id", "/items/0/quantity"]);
    let error = DecodeError::Data(faults).to_string();
    assert_eq!(
        error,
        "the data is wrong: /id: expected a UUID of 36 characters, found a string of 2 characters (and 1 more)"
    );
}

#[test]
fn a_total_that_is_not_the_sum_is_refused() {
    let json = changed(&sample::placed(), |event| event["data"]["total"] = json!(901));
    let Err(DecodeError::Data(faults)) = read(&json) else { panic!("{json}") };
    assert_eq!(faults[0].to_string(), "/total: expected 900, the sum of the items, found 901");
}

#[test]
fn an_order_and_a_cancellation_without_an_envelope_are_read_by_their_routing_key() {
    for encoded in [sample::placed(), sample::cancelled()] {
        let data = changed(&encoded, |_| {})["data"].to_string();
        let plain = Raw {
            content_type: Some("application/json"),
            routing_key: encoded.event_type,
            timestamp: Some(1_763_632_800),
            ..message(data.as_bytes())
        };
        let plain = decode::<OrderEvent>(&plain).unwrap();
        let enveloped = decode::<OrderEvent>(&message(&encoded.body)).unwrap();
        assert_eq!(plain.event_type, enveloped.event_type);
        assert_eq!((plain.id, plain.source), (None, None));
        assert_eq!(plain.time.unwrap().as_second(), 1_763_632_800);
        assert_eq!(plain.data.subject().unwrap().to_string(), enveloped.subject.unwrap());
        assert_eq!(serde_json::to_value(&plain.data).unwrap(), serde_json::to_value(&enveloped.data).unwrap());
    }
    let other = Raw { content_type: Some("application/json"), ..message(b"{\"id\": 5}") };
    assert_eq!(refusal(&other).reason(), "invalid-data");
}
