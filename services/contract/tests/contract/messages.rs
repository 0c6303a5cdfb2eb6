//! Messages: what comes out of a queue, and what of it is an event.

use contract::limits::MAX_EVENT_BYTES;
use contract::{DecodeError, Event, OrderEvent, Raw, decode};
use serde_json::{Value, json};

use crate::sample::{self, changed, message, read};

fn refusal(raw: &Raw<'_>) -> DecodeError {
    decode::<OrderEvent>(raw).expect_err("it is no event")
}

/// What a CloudEvent is refused with, once this attribute of it was replaced.
fn refusal_with(attribute: &str, value: Value) -> DecodeError {
    let json = changed(&sample::placed(), |event| event[attribute] = value);
    read(&json).expect_err("it is no event")
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
fn what_a_cloudevent_need_not_say_may_be_missing_or_null() {
    let json = changed(&sample::placed(), |event| {
        event["subject"] = Value::Null;
        event["time"] = Value::Null;
        event.as_object_mut().unwrap().remove("datacontenttype");
    });
    let body = json.to_string();
    let raw = Raw { timestamp: Some(1_763_632_800), ..message(body.as_bytes()) };
    let decoded = decode::<OrderEvent>(&raw).unwrap();
    assert_eq!(decoded.subject, None);
    assert_eq!(decoded.time.unwrap().to_string(), "2025-11-20T10:00:00Z", "the message's own time");
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
fn a_content_type_may_have_parameters_and_capitals_but_must_be_one_we_read() {
    let body = sample::placed().body;
    for read in ["application/cloudevents+json; charset=utf-8", "Application/CloudEvents+JSON"] {
        assert!(decode::<OrderEvent>(&Raw { content_type: Some(read), ..message(&body) }).is_ok(), "{read}");
    }
    let long = "x".repeat(255);
    for refused in [None, Some(""), Some("application/json"), Some("application/octet-stream"), Some(long.as_str())] {
        let error = refusal(&Raw { content_type: refused, ..message(&body) });
        assert_eq!(error.reason(), "content-type");
        assert!(error.to_string().ends_with("expected application/cloudevents+json"), "{error}");
        assert!(error.to_string().len() < 200, "{error}");
    }
    let missing = refusal(&Raw { content_type: None, ..message(&body) }).to_string();
    assert_eq!(missing, "the content type is missing: expected application/cloudevents+json");
}

#[test]
fn a_byte_order_mark_is_ignored_and_that_of_another_encoding_is_told() {
    let marked = |text: &[u8]| [b"\xef\xbb\xbf", text].concat();
    let event = sample::placed().body;
    let (with, without) = (marked(&event), decode::<OrderEvent>(&message(&event)).unwrap());
    assert_eq!(decode::<OrderEvent>(&message(&with)).unwrap(), without);
    let text = marked(b"NEW ORDER CREATED");
    let text = decode::<OrderEvent>(&Raw { content_type: Some("text/plain"), ..message(&text) }).unwrap();
    assert_eq!(text.data, OrderEvent::Text("NEW ORDER CREATED".to_owned()));
    assert_eq!(refusal(&message(&marked(b""))), DecodeError::Empty);

    let utf16 = |bytes: fn(u16) -> [u8; 2]| "\u{feff}{}".encode_utf16().flat_map(bytes).collect::<Vec<_>>();
    let utf32 = |bytes: fn(u32) -> [u8; 4]| "\u{feff}{}".chars().map(u32::from).flat_map(bytes).collect::<Vec<_>>();
    for (body, encoding) in [
        (utf16(u16::to_le_bytes), "UTF-16"),
        (utf16(u16::to_be_bytes), "UTF-16"),
        (utf32(u32::to_le_bytes), "UTF-32"),
        (utf32(u32::to_be_bytes), "UTF-32"),
    ] {
        let error = refusal(&message(&body));
        assert_eq!(
            (error.reason(), error.to_string()),
            ("not-utf8", format!("the body is {encoding}: expected UTF-8"))
        );
    }
}

#[test]
fn a_body_that_is_no_cloudevent_is_refused_for_what_it_is() {
    let event = sample::placed().body;
    let deep = format!(r#"{{"specversion": {}"#, "[".repeat(10_000));
    let too_large = vec![b' '; MAX_EVENT_BYTES + 1];
    for (body, reason) in [
        (&b""[..], "empty-body"),
        (&too_large, "too-large"),
        (b"\xff\xfe", "not-utf8"),
        (b"NEW ORDER CREATED", "not-json"),
        (&event[..event.len() / 2], "not-json"),
        (deep.as_bytes(), "not-json"),
        (b"[]", "not-json"),
        (b"null", "not-json"),
        (b"\"ada@example.com\"", "not-json"),
        (b"{}", "missing-attribute"),
    ] {
        let error = refusal(&message(body));
        assert_eq!(error.reason(), reason, "{error}");
        assert!(!error.to_string().contains("ada"), "{error}");
    }
}

#[test]
fn data_that_is_too_deep_is_refused() {
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let body = changed(&sample::placed(), |event| event["data"]["customer"] = json!("HERE")).to_string();
    let error = refusal(&message(body.replace("\"HERE\"", &deep).as_bytes()));
    assert!(error.to_string().contains("recursion limit"), "{error}");
}

#[test]
fn a_cloudevent_without_a_required_attribute_is_refused_by_its_name() {
    for attribute in ["specversion", "id", "source", "type", "data"] {
        let json = changed(&sample::placed(), |event| drop(event.as_object_mut().unwrap().remove(attribute)));
        assert_eq!(read(&json), Err(DecodeError::MissingAttribute(attribute)));
        assert_eq!(refusal_with(attribute, Value::Null), DecodeError::MissingAttribute(attribute));
    }
}

#[test]
fn an_attribute_with_a_wrong_value_is_refused_by_its_name() {
    for (attribute, value) in [
        ("id", json!(5)),
        ("id", json!("")),
        ("id", json!("a\r\nBcc: eve@example.com")),
        ("id", json!("a".repeat(256))),
        ("source", json!(["x"])),
        ("type", json!(true)),
        ("subject", json!({})),
        ("time", json!("yesterday")),
        ("time", json!(1_763_632_800)),
        ("datacontenttype", json!("text/xml")),
    ] {
        let error = refusal_with(attribute, value.clone());
        assert_eq!(error.reason(), "invalid-attribute", "{attribute} {value}: {error}");
        assert!(error.to_string().contains(attribute), "{error}");
    }
}

#[test]
fn another_specversion_or_event_type_is_refused() {
    assert_eq!(refusal_with("specversion", json!("0.3")).reason(), "specversion");
    assert_eq!(refusal_with("specversion", json!("0.3")), DecodeError::SpecVersion("\"0.3\"".to_owned()));
    assert_eq!(refusal_with("specversion", json!(1.5)), DecodeError::SpecVersion("1.5".to_owned()));
    assert_eq!(refusal_with("type", json!("order.lost")), DecodeError::UnknownType("order.lost".to_owned()));
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
