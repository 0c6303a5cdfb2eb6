//! What a handler sees of an event, and what follows from it.

use std::fmt::Display;

use events::{DecodeError, Decoded};
use lapin::BasicProperties;
use lapin::message::Delivery as RawDelivery;
use lapin::types::{AMQPValue, FieldTable};
use serde::Serialize;
use serde_json::value::RawValue;

use super::*;
use crate::delivery::Reader;
use crate::user_name::UserName;

/// An event of either type.
#[derive(Clone)]
struct Heard(&'static str);

impl Event for Heard {
    const TYPES: &'static [&'static str] = &["a.heard", "b.heard"];

    fn event_type(&self) -> &'static str {
        self.0
    }

    fn subject(&self) -> Option<impl Display + '_> {
        Some("o-1")
    }

    fn data(&self) -> impl Serialize + '_ {}

    fn from_data(_: &str, _: &RawValue) -> Result<Self, DecodeError> {
        Ok(Self("a.heard"))
    }
}

fn heard() -> Received<Heard> {
    Received::of(Heard("a.heard"))
}

fn id_after(heard: &Received<Heard>, part: &str, event_type: &'static str) -> String {
    heard.follow_up_for(part, "urn:us", Heard(event_type)).id
}

/// A message as it arrives, with these headers and properties.
fn delivered(redelivered: bool, headers: &[(&str, AMQPValue)], properties: BasicProperties) -> Received<Heard> {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert((*name).into(), value.clone());
    }
    let mut delivery = RawDelivery::mock(1, "an-exchange".into(), "a.key".into(), redelivered, b"{}".to_vec());
    delivery.properties = properties.with_headers(table);
    let delivery =
        Arc::new(Delivery::new(delivery, Arc::new(Reader::consumer(Arc::new(UserName::new("us")), None, 131_072))));
    let (id, data) = (Some("7".to_owned()), Heard("a.heard"));
    let decoded = Decoded {
        id,
        source: None,
        event_type: "a.heard",
        subject: None,
        time: None,
        correlation_id: None,
        causation_id: None,
        data,
    };
    Received::new(decoded, &delivery)
}

#[test]
fn a_handler_sees_how_its_event_came() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let text = |text: &str| AMQPValue::LongString(text.into());
    let headers = [
        ("tenant", text("acme")),
        ("size", AMQPValue::LongUInt(7)),
        ("gift", AMQPValue::Boolean(true)),
        ("weight", AMQPValue::Float(0.5)),
        ("bytes", AMQPValue::ByteArray(vec![1].into())),
        ("x-death", text("b")),
        ("warren-attempts", AMQPValue::LongLongInt(3)),
        ("traceparent", text(parent)),
    ];
    let event = delivered(true, &headers, BasicProperties::default());
    assert_eq!((event.exchange(), event.routing_key()), ("an-exchange", "a.key"));
    assert_eq!((event.redelivered, event.attempt), (true, 1), "nobody else counts attempts");
    assert_eq!(event.traceparent(), Some(parent));
    let seen: Vec<_> = event.headers().iter().collect();
    let expected = [
        ("gift", HeaderValue::Bool(true)),
        ("size", HeaderValue::Integer(7)),
        ("tenant", HeaderValue::Text("acme")),
        ("weight", HeaderValue::Number(0.5)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(event.headers().get("tenant"), Some("acme".into()));
    for name in ["bytes", "x-death", "warren-attempts", "traceparent", "nothing"] {
        assert_eq!(event.headers().get(name), None, "{name}");
    }
}

#[test]
fn an_event_made_for_a_test_is_what_the_test_says() {
    let event = heard().with_header("tenant", "acme").published_to("an-exchange", "a.#").with_header("size", 7_i64);
    assert_eq!((event.event_type, event.subject.as_deref()), ("a.heard", Some("o-1")));
    assert_eq!((event.attempt, event.redriven, event.redelivered), (1, 0, false));
    assert_eq!((event.exchange(), event.routing_key()), ("an-exchange", "a.#"));
    assert_eq!(event.headers().iter().map(|(name, _)| name).collect::<Vec<_>>(), ["size", "tenant"]);
    assert_eq!(heard().routing_key(), "a.heard");
    assert!(heard().id.is_some() && heard().source.is_some());
}

#[test]
fn a_follow_up_is_the_same_event_in_every_attempt_and_names_its_cause() {
    let mut event = heard();
    event.correlation_id = Some("c-1".to_owned());
    let first = event.follow_up("urn:us", Heard("b.heard"));
    event.attempt = 2;
    let again = event.clone().follow_up("urn:us", Heard("b.heard"));
    assert_eq!(first.id, again.id);
    assert_eq!((first.source.as_ref(), &first.causation_id), ("urn:us", &event.id));
    assert_eq!(first.correlation_id.as_deref(), Some("c-1"));
    assert_eq!(heard().follow_up("urn:us", Heard("b.heard")).correlation_id, None);
}

/// Two releases that derive other ids would make two events of one that was repeated across a deployment.
#[test]
fn the_ids_of_follow_ups_never_change() {
    assert_eq!(id_after(&heard(), "", "b.heard"), "3df2cc36-1efa-5d19-8990-18247475f8f2");
}

#[test]
fn follow_ups_of_other_events_types_or_parts_are_other_events() {
    let mut others = vec![id_after(&heard(), "", "b.heard"), id_after(&heard(), "", "a.heard")];
    others.extend(["1", "2"].map(|part| id_after(&heard(), part, "b.heard")));
    let (mut id, mut source) = (heard(), heard());
    id.id = Some("test-2".to_owned());
    source.source = Some("urn:other".to_owned());
    others.extend([&id, &source].map(|event| id_after(event, "", "b.heard")));
    // Texts that would run together without their lengths.
    let (mut one, mut two) = (heard(), heard());
    (one.source, one.id) = (Some("ab".to_owned()), Some("c".to_owned()));
    (two.source, two.id) = (Some("a".to_owned()), Some("bc".to_owned()));
    others.extend([&one, &two].map(|event| id_after(event, "", "b.heard")));
    let all = others.len();
    others.sort();
    others.dedup();
    assert_eq!(others.len(), all);
}

#[test]
fn without_an_envelope_the_publishers_name_tells_equal_ids_apart() {
    let from = |app: &str| delivered(false, &[], BasicProperties::default().with_app_id(app.into()));
    assert_ne!(id_after(&from("one"), "", "b.heard"), id_after(&from("two"), "", "b.heard"));
    assert_eq!(id_after(&from("one"), "", "b.heard"), id_after(&from("one"), "", "b.heard"));
}

#[test]
fn what_follows_from_an_event_without_an_id_is_a_new_event_each_time() {
    let mut event = heard();
    event.id = None;
    assert_ne!(id_after(&event, "", "b.heard"), id_after(&event, "", "b.heard"));
    assert_eq!(event.follow_up("urn:us", Heard("b.heard")).causation_id, None);
}
