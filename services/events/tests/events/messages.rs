//! Messages: what comes out of a queue, and what of it is an event.

use events::limits::MAX_EVENT_BYTES;
use events::{DecodeError, Raw, decode};
use serde_json::{Value, json};

use crate::note::{self, Note, changed, message, read, written};

fn refusal(raw: &Raw<'_>) -> DecodeError {
    decode::<Note>(raw).expect_err("it is no event")
}

/// What a CloudEvent is refused with, once this attribute of it was replaced.
fn refusal_with(attribute: &str, value: Value) -> DecodeError {
    read(&changed(|event| event[attribute] = value)).expect_err("it is no event")
}

#[test]
fn an_encoded_event_is_a_cloudevent() {
    let (event, encoded) = (note::event(), written());
    let json: Value = serde_json::from_slice(&encoded.body).unwrap();
    let expected = json!({
        "specversion": "1.0",
        "id": "019-1",
        "source": "urn:notes",
        "type": "note.written",
        "subject": "n-1",
        "time": "2025-11-20T10:00:00.25Z",
        "datacontenttype": "application/json",
        "data": {"text": "ada@example.com called"},
    });
    assert_eq!(json, expected);
    assert_eq!((encoded.id, encoded.event_type, encoded.time), (event.id, "note.written", event.time));
}

#[test]
fn an_event_survives_encode_and_decode() {
    // The key of a delivery that came through a delay queue is the queue's name: the event's own type counts.
    let (event, encoded) = (note::event(), written());
    let raw = Raw { routing_key: "a-queue", timestamp: Some(1), ..message(&encoded.body) };
    let decoded = decode::<Note>(&raw).unwrap();
    assert_eq!((decoded.id, decoded.source.as_deref()), (Some(event.id), Some("urn:notes")));
    assert_eq!((decoded.event_type, decoded.subject.as_deref()), ("note.written", Some("n-1")));
    assert_eq!((decoded.time, decoded.data), (Some(event.time), event.data));
}

#[test]
fn what_an_event_belongs_to_and_what_caused_it_travel_with_it() {
    let (correlation_id, causation_id) = (Some("c-1".to_owned()), Some("019-0".to_owned()));
    let event = events::CloudEvent { correlation_id, causation_id, ..note::event() };
    let encoded = event.clone().encode();
    let json: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!((&json["correlationid"], &json["causationid"]), (&json!("c-1"), &json!("019-0")));
    let decoded = decode::<Note>(&message(&encoded.body)).unwrap();
    assert_eq!((decoded.correlation_id, decoded.causation_id), (event.correlation_id, event.causation_id));
    for odd in [json!(5), json!(""), json!("a\nb"), json!("a".repeat(256)), json!({})] {
        let decoded = read(&changed(|event| event["correlationid"] = odd)).expect("an extension refuses no event");
        assert_eq!(decoded.correlation_id, None);
    }
}

#[test]
fn unknown_attributes_are_ignored() {
    assert!(read(&changed(|event| event["partitionkey"] = json!({"deep": [1e9]}))).is_ok());
}

#[test]
fn a_text_is_an_event_of_its_routing_key_if_its_kind_reads_texts() {
    let raw = Raw { content_type: Some("text/plain"), timestamp: Some(0), ..message(b"A NOTE") };
    let decoded = decode::<Note>(&raw).unwrap();
    assert_eq!((decoded.data, decoded.event_type), (Note("A NOTE".to_owned()), "note.written"));
    assert_eq!((decoded.id, decoded.source, decoded.subject), (None, None, None));
    assert_eq!(decoded.time.unwrap().as_second(), 0);
    let with_id = Raw { content_type: Some("Text/Plain; charset=utf-8"), message_id: Some("m1"), ..raw };
    assert_eq!(decode::<Note>(&with_id).unwrap().id.as_deref(), Some("m1"));
    assert_eq!(refusal(&Raw { routing_key: "a-queue", ..raw }).reason(), "unknown-type");
    assert_eq!(refusal(&Raw { body: b"\xff", ..raw }), DecodeError::NotUtf8(0));
}

#[test]
fn data_of_another_shape_is_refused_by_its_field() {
    let error = read(&changed(|event| event["data"]["text"] = json!(5))).unwrap_err();
    assert_eq!(error.to_string(), "the data is wrong: /text: expected a string, found 5");
}

#[test]
fn what_a_cloudevent_need_not_say_may_be_missing_or_null() {
    let json = changed(|event| {
        event["subject"] = Value::Null;
        event["time"] = Value::Null;
        event.as_object_mut().unwrap().remove("datacontenttype");
    });
    let body = json.to_string();
    let raw = Raw { timestamp: Some(1_763_632_800), ..message(body.as_bytes()) };
    let decoded = decode::<Note>(&raw).unwrap();
    assert_eq!(decoded.subject, None);
    assert_eq!(decoded.time.unwrap().to_string(), "2025-11-20T10:00:00Z", "the message's own time");
}

#[test]
fn a_content_type_may_have_parameters_and_capitals_but_must_be_one_we_read() {
    let body = written().body;
    for read in ["application/cloudevents+json; charset=utf-8", "Application/CloudEvents+JSON"] {
        assert!(decode::<Note>(&Raw { content_type: Some(read), ..message(&body) }).is_ok(), "{read}");
    }
    let long = "x".repeat(255);
    for refused in [
        None,
        Some(""),
        Some("application/json5"),
        Some("application/vnd.note+json"),
        Some("application/octet-stream"),
        Some(long.as_str()),
    ] {
        let error = refusal(&Raw { content_type: refused, ..message(&body) });
        assert_eq!(error.reason(), "content-type");
        assert!(error.to_string().ends_with("expected application/cloudevents+json or application/json"), "{error}");
        assert!(error.to_string().len() < 200, "{error}");
    }
    let missing = refusal(&Raw { content_type: None, ..message(&body) }).to_string();
    assert_eq!(missing, "the content type is missing: expected application/cloudevents+json or application/json");
}

#[test]
fn a_byte_order_mark_is_ignored_and_that_of_another_encoding_is_told() {
    let marked = |text: &[u8]| [b"\xef\xbb\xbf", text].concat();
    let event = written().body;
    let (with, without) = (marked(&event), decode::<Note>(&message(&event)).unwrap());
    assert_eq!(decode::<Note>(&message(&with)).unwrap(), without);
    let text = marked(b"A NOTE");
    let text = decode::<Note>(&Raw { content_type: Some("text/plain"), ..message(&text) }).unwrap();
    assert_eq!(text.data, Note("A NOTE".to_owned()));
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
    let event = written().body;
    let deep = format!(r#"{{"specversion": {}"#, "[".repeat(10_000));
    let too_large = vec![b' '; MAX_EVENT_BYTES + 1];
    for (body, reason) in [
        (&b""[..], "empty-body"),
        (&too_large, "too-large"),
        (b"\xff\xfe", "not-utf8"),
        (b"A NOTE", "not-json"),
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
fn a_cloudevent_without_a_required_attribute_is_refused_by_its_name() {
    for attribute in ["specversion", "id", "source", "type", "data"] {
        let json = changed(|event| drop(event.as_object_mut().unwrap().remove(attribute)));
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
fn any_time_of_rfc_3339_is_taken_as_far_as_it_can_be_held() {
    let time = |text: &str| read(&changed(|event| event["time"] = json!(text)));
    for (text, held) in [
        ("2025-11-20T10:00:00.123456789012Z", "2025-11-20T10:00:00.123456789Z"),
        ("2025-11-20t10:00:00.1234567890123456789+01:00", "2025-11-20T09:00:00.123456789Z"),
        ("2025-11-20T10:00:00.999999999999-00:00", "2025-11-20T10:00:00.999999999Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
    ] {
        assert_eq!(time(text).unwrap().time.map(|time| time.to_string()).as_deref(), Some(held), "{text}");
    }
    for beyond in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999999999+00:00", "9999-12-30T23:00:00-12:00"] {
        assert_eq!(time(beyond).unwrap().time, None, "{beyond}");
    }
    for none in [
        "9999-12-32T00:00:00Z",
        "9999-12-31T23:59:59",
        "9999-12-31T23:59:59.x",
        "9999-12-31",
        "2025-11-20T10:00:00.1234567890x",
    ] {
        assert!(time(none).is_err(), "{none}");
    }
}

#[test]
fn another_specversion_or_event_type_is_refused() {
    assert_eq!(refusal_with("specversion", json!("0.3")).reason(), "specversion");
    assert_eq!(refusal_with("specversion", json!("0.3")), DecodeError::SpecVersion("\"0.3\"".to_owned()));
    assert_eq!(refusal_with("specversion", json!(1.5)), DecodeError::SpecVersion("1.5".to_owned()));
    assert_eq!(refusal_with("type", json!("note.lost")), DecodeError::UnknownType("note.lost".to_owned()));
}

#[test]
fn data_without_an_envelope_is_an_event_of_its_routing_key() {
    let raw = Raw { content_type: Some("application/json"), timestamp: Some(7), ..message(br#"{"text": "hi"}"#) };
    let decoded = decode::<Note>(&raw).unwrap();
    assert_eq!((decoded.data, decoded.event_type), (Note("hi".to_owned()), "note.written"));
    assert_eq!((decoded.id, decoded.source, decoded.subject), (None, None, None));
    assert_eq!(decoded.time.unwrap().as_second(), 7);
    let marked = b"\xef\xbb\xbf {\"text\": \"hi\"}\n";
    let with_id = Raw { content_type: Some("Application/JSON; charset=utf-8"), message_id: Some("m1"), ..raw };
    assert_eq!(decode::<Note>(&Raw { body: marked, ..with_id }).unwrap().id.as_deref(), Some("m1"));
    for (raw, reason) in [
        (Raw { routing_key: "a-queue", ..raw }, "unknown-type"),
        (Raw { body: b"{\"text\": 5}", ..raw }, "invalid-data"),
        (Raw { body: b"[1]", ..raw }, "invalid-data"),
        (Raw { body: b"{\"text\": \"hi\"", ..raw }, "not-json"),
        (Raw { body: b"{\"text\": \"hi\"} {}", ..raw }, "not-json"),
        (Raw { body: b"\xef\xbb\xbf", ..raw }, "empty-body"),
        (Raw { body: b"\xff", ..raw }, "not-utf8"),
    ] {
        assert_eq!(refusal(&raw).reason(), reason);
    }
}

#[test]
fn a_cloudevent_that_says_it_is_plain_json_is_a_cloudevent() {
    let plain = |body| Raw { content_type: Some("application/json"), routing_key: "a-queue", ..message(body) };
    let encoded = written();
    let decoded = decode::<Note>(&plain(&encoded.body)).unwrap();
    assert_eq!(decoded, decode::<Note>(&message(&encoded.body)).unwrap());
    let wrong = changed(|event| event["id"] = json!(5)).to_string();
    assert_eq!(refusal(&plain(wrong.as_bytes())).reason(), "invalid-attribute");
    // Data may have members of the same names.
    let data = json!({"text": "hi", "id": "1", "source": "s", "type": "t"}).to_string();
    assert!(decode::<Note>(&Raw { routing_key: "note.written", ..plain(data.as_bytes()) }).is_ok());
}
