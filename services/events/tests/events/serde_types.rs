//! Events whose data is a serde type: how they travel, and what is told of data that does not fit.

use std::collections::BTreeMap;

use events::{CONTENT_TYPE, CloudEvent, DecodeError, Decoded, EventData, Raw, decode};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Shipped {
    order: String,
    items: Vec<Item>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    notes: BTreeMap<String, u32>,
    #[serde(default, deserialize_with = "weekday", skip_serializing_if = "Option::is_none")]
    day: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    grams: u8,
    by: Carrier,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Carrier {
    Bike,
    Train,
}

fn weekday<'de, D: Deserializer<'de>>(day: D) -> Result<Option<String>, D::Error> {
    let day = String::deserialize(day)?;
    Err(serde::de::Error::custom(format!("{day:?} is no weekday, expected {day}")))
}

impl EventData for Shipped {
    const TYPE: &'static str = "parcel.shipped";

    fn subject(&self) -> Option<String> {
        Some(self.order.clone())
    }
}

fn parcel() -> Value {
    json!({"order": "o-1", "items": [{"grams": 200, "by": "train"}]})
}

fn read_as(content_type: &str, body: &[u8]) -> Result<Decoded<Shipped>, DecodeError> {
    let (content_type, routing_key) = (Some(content_type), "parcel.shipped");
    decode(&Raw { content_type, routing_key, body, ..Raw::default() })
}

fn read(data: &Value) -> Result<Decoded<Shipped>, DecodeError> {
    read_as("application/json", data.to_string().as_bytes())
}

#[test]
fn a_serde_type_travels_as_a_cloudevent_under_its_type() {
    let data: Shipped = serde_json::from_value(parcel()).unwrap();
    let event = CloudEvent::new("urn:parcels", data.clone());
    let encoded = event.clone().encode();
    let decoded = read_as(CONTENT_TYPE, &encoded.body).unwrap();
    assert_eq!((encoded.event_type, decoded.event_type), ("parcel.shipped", "parcel.shipped"));
    assert_eq!((decoded.id, decoded.source.as_deref()), (Some(event.id.clone()), Some("urn:parcels")));
    assert_eq!((decoded.subject.as_deref(), decoded.time), (Some("o-1"), Some(event.time)));
    assert_eq!(decoded.data, data);
    assert_ne!(CloudEvent::new("urn:parcels", data).id, event.id, "each has an id of its own");
}

#[test]
fn a_serde_type_is_read_from_plain_json_and_unknown_fields_are_ignored() {
    let mut data = parcel();
    data["colour"] = json!("red");
    assert_eq!(read(&data).unwrap().data, serde_json::from_value(parcel()).unwrap());
}

#[test]
fn data_that_does_not_fit_is_told_by_its_field_and_never_by_its_text() {
    for (pointer, value, told) in [
        ("", json!("ada@example.com"), "expected struct Shipped, found a string of 15 characters"),
        ("/order", json!(5), "/order: expected a string, found 5"),
        ("/items", json!({}), "/items: expected a sequence, found an object"),
        ("/items/0/grams", json!("ada"), "/items/0/grams: expected u8, found a string of 3 characters"),
        ("/items/0/grams", json!("x, expected ada"), "/items/0/grams: expected u8, found a string of 15 characters"),
        ("/items/0/grams", json!(256), "/items/0/grams: expected u8, found 256"),
        ("/items/0/by", json!("ada"), "/items/0/by: expected `bike` or `train`, found a string of 3 characters"),
        ("/items/0", json!({"by": "bike"}), "/items/0/grams: expected a value, found nothing"),
        ("/items/0", json!({"ada": 1}), "/items/0: expected `grams` or `by`, found an unknown field"),
        ("/notes", json!({"ada@example.com": -1}), "/notes/*: expected u32, found -1"),
        ("/day", json!("ada"), "/day: expected another value, found a string of 3 characters"),
    ] {
        let mut data = parcel();
        match pointer {
            "/notes" | "/day" => data[&pointer[1..]] = value,
            _ => *data.pointer_mut(pointer).unwrap() = value,
        }
        let error = read(&data).unwrap_err();
        assert_eq!(error.reason(), "invalid-data", "{data}");
        assert!(!error.to_string().contains("ada"), "{error}");
        let shown = error.to_string().replace("the data is wrong: ", "");
        assert_eq!(shown, told, "{data}");
    }
}

#[test]
fn a_field_given_twice_is_told() {
    let body = br#"{"order": "a", "order": "b", "items": []}"#;
    let error = read_as("application/json", body).unwrap_err();
    assert_eq!(error.to_string(), "the data is wrong: /order: expected once, found again");
}

#[test]
fn data_that_is_too_deep_is_refused() {
    let deep = format!(r#"{{"order": {}{}}}"#, "[".repeat(1_000), "]".repeat(1_000));
    assert!(read_as("application/json", deep.as_bytes()).is_err());
}

#[test]
fn a_serde_type_reads_no_text() {
    assert_eq!(read_as("text/plain", b"SHIPPED").unwrap_err().reason(), "content-type");
}
