//! What the properties and headers of a message say of its body: binary mode, and the content encoding.

use events::{Attributes, DecodeError, Decoded, HeaderValue, Raw, decode};

use crate::note::{Note, message, written};

const ID: &[(&str, Option<&str>)] = &[
    ("cloudEvents:specversion", Some("1.0")),
    ("cloudEvents:id", Some("019-1")),
    ("cloudEvents:source", Some("urn:notes")),
    ("cloudEvents:type", Some("note.written")),
];

fn read(headers: &[(&str, Option<&str>)], content_type: &str, body: &[u8]) -> Result<Decoded<Note>, DecodeError> {
    let attributes =
        Attributes::of(headers.iter().map(|(name, text)| (*name, text.map_or(HeaderValue::Other, HeaderValue::Text))));
    decode(&Raw { content_type: Some(content_type), attributes, routing_key: "note.written", ..message(body) })
}

fn json(headers: &[(&str, Option<&str>)]) -> Result<Decoded<Note>, DecodeError> {
    read(headers, "application/json; charset=utf-8", br#"{"text": "hi"}"#)
}

#[test]
fn a_cloudevent_in_binary_mode_has_its_attributes_in_headers() {
    let more = [
        ("cloudEvents:subject", Some("n-1")),
        ("cloudEvents:time", Some("2025-11-20T10:00:00.25Z")),
        ("cloudEvents:correlationid", Some("c-1")),
        ("cloudEvents:causationid", Some("019-0")),
        ("cloudEvents:partitionkey", None),
        ("tenant", Some("acme")),
    ];
    let colons = [ID, &more].concat();
    let names: Vec<_> = colons.iter().map(|(name, value)| (name.replace(':', "_"), *value)).collect();
    let underscores: Vec<_> = names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    for headers in [&colons, &underscores] {
        let decoded = json(headers).unwrap();
        assert_eq!((decoded.id.as_deref(), decoded.source.as_deref()), (Some("019-1"), Some("urn:notes")));
        assert_eq!((decoded.event_type, decoded.subject.as_deref()), ("note.written", Some("n-1")));
        assert_eq!(decoded.time.unwrap().to_string(), "2025-11-20T10:00:00.25Z");
        assert_eq!((decoded.correlation_id.as_deref(), decoded.causation_id.as_deref()), (Some("c-1"), Some("019-0")));
        assert_eq!(decoded.data, Note("hi".to_owned()));
    }
    let text = read(ID, "text/plain", b"A NOTE").unwrap();
    assert_eq!((text.id.as_deref(), text.data), (Some("019-1"), Note("A NOTE".to_owned())));
    assert_eq!(json(&[("cloudEvents:partitionkey", Some("1"))]).unwrap().id, None, "no CloudEvent was meant");
    let structured = read(&[("cloudEvents:id", Some("another"))], "application/cloudevents+json", &written().body);
    assert_eq!(structured.unwrap().id.as_deref(), Some("019-1"), "its content type says where its attributes are");
}

#[test]
fn a_time_of_binary_mode_may_be_a_time_of_amqp() {
    let texts = ID.iter().map(|(name, text)| (*name, HeaderValue::Text(text.unwrap())));
    let at = |name, seconds| Attributes::of(texts.clone().chain([(name, HeaderValue::Time(seconds))]));
    let decoded = |attributes| {
        let sent = Some(1_700_000_000);
        let body = br#"{"text": "hi"}"#;
        decode::<Note>(&Raw { content_type: Some("application/json"), attributes, timestamp: sent, ..message(body) })
    };
    let time = |attributes| decoded(attributes).unwrap().time.map(|time| time.as_second());
    assert_eq!(time(at("cloudEvents:time", 1_763_632_800)), Some(1_763_632_800));
    assert_eq!(time(at("cloudEvents:partitionkey", 1_763_632_800)), Some(1_700_000_000));
    assert_eq!(time(at("cloudEvents:time", u64::MAX)), None);
    assert_eq!(decoded(at("cloudEvents:id", 1_763_632_800)).unwrap().id.as_deref(), Some("019-1"));
}

#[test]
fn what_binary_mode_says_counts_and_never_the_routing_key() {
    let with = |name: &'static str, value| {
        let others = ID.iter().filter(|(known, _)| *known != name);
        others.copied().chain([(name, value)]).collect::<Vec<_>>()
    };
    let long = "x".repeat(256);
    for (name, value, told) in [
        ("cloudEvents:type", Some("note.shipped"), "the event type \"note.shipped\" is not known"),
        ("cloudEvents:type", None, "the CloudEvent's type is wrong"),
        ("cloudEvents:type", Some(long.as_str()), "the CloudEvent's type is wrong"),
        ("cloudEvents:id", Some("a\r\nBcc: eve@example.com"), "the CloudEvent's id is wrong"),
        ("cloudEvents:time", Some("yesterday"), "the CloudEvent's time is wrong"),
        ("cloudEvents:specversion", Some("0.3"), "specversion is \"0.3\": expected \"1.0\""),
        ("cloudEvents:specversion", None, "specversion is \"\": expected \"1.0\""),
    ] {
        let error = json(&with(name, value)).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
    for (index, missing) in ["specversion", "id", "source", "type"].into_iter().enumerate() {
        let headers = [&ID[..index], &ID[index + 1..]].concat();
        assert_eq!(json(&headers), Err(DecodeError::MissingAttribute(missing)));
        assert!(json(&ID[index..=index]).is_err(), "a part of a CloudEvent is none");
    }
}

#[test]
fn a_body_that_is_no_text_because_it_is_compressed_is_refused_by_its_encoding() {
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03";
    for content_type in ["application/cloudevents+json", "application/json", "text/plain"] {
        let refused = |content_encoding, body| {
            let content_type = Some(content_type);
            decode::<Note>(&Raw { content_type, content_encoding, ..message(body) }).unwrap_err()
        };
        for encoding in ["gzip", "GZIP", "deflate", "br", "zstd"] {
            let error = refused(Some(encoding), gzip);
            assert_eq!(error.reason(), "content-encoding");
            assert_eq!(error.to_string(), format!("the content encoding is {encoding:?}: expected none"));
        }
        for plain in [None, Some(""), Some("identity"), Some("UTF-8"), Some("utf8"), Some("binary")] {
            assert_eq!(refused(plain, gzip), DecodeError::NotUtf8(1), "{plain:?}");
        }
    }
    let base64 = Raw { content_encoding: Some("base64"), ..message(b"eyJ0ZXh0IjogImhpIn0=") };
    assert_eq!(decode::<Note>(&base64).unwrap_err().reason(), "content-encoding");
    let (long, body) = ("x".repeat(255), written().body);
    let told = decode::<Note>(&Raw { content_encoding: Some(&long), ..message(gzip) }).unwrap_err();
    assert!(told.to_string().len() < 200, "{told}");
    let readable = Raw { content_encoding: Some("gzip"), ..message(&body) };
    assert!(decode::<Note>(&readable).is_ok(), "what can be read is read");
}
