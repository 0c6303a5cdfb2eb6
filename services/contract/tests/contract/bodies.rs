//! HTTP bodies: what is refused, where, and that all of it is told at once.

use contract::limits::{MAX_BODY_BYTES, MAX_FAULTS};
use contract::{Cancellation, Currency, NewOrder, ParseError};
use serde_json::{Value, json};

use crate::sample;

fn faults(body: &Value) -> Vec<(String, String)> {
    match NewOrder::parse(body.to_string().as_bytes()) {
        Err(ParseError::Invalid(faults)) => faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect(),
        other => panic!("{body}: {other:?}"),
    }
}

/// The faults of the sample after one value of it was replaced, or added.
fn faults_with(pointer: &str, value: Value) -> Vec<(String, String)> {
    let mut body = sample::order();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match body.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(name.to_owned(), value)),
        Value::Array(values) => values[name.parse::<usize>().unwrap()] = value,
        other => panic!("{other}"),
    }
    faults(&body)
}

#[test]
fn the_example_of_the_design_is_an_order() {
    let order = sample::new_order();
    assert_eq!(order.customer().name(), "Ada Lovelace");
    assert_eq!(order.customer().email().as_str(), "ada@example.com");
    assert_eq!(order.total().to_string(), "9.00 EUR");
    let [tea] = order.items() else { panic!("{order:?}") };
    assert_eq!((tea.sku(), tea.name(), tea.quantity(), tea.unit_price()), ("TEA-1", "Earl Grey", 2, 450));
}

#[test]
fn an_order_without_a_currency_is_in_euro() {
    let mut body = sample::order();
    body.as_object_mut().unwrap().remove("currency");
    assert_eq!(NewOrder::parse(body.to_string().as_bytes()).unwrap().currency(), Currency::EUR);
}

#[test]
fn all_faults_are_told_at_once_each_with_its_pointer() {
    let body = json!({
        "customer": {"name": "Ada\r\nBcc: eve@example.com", "phone": "1"},
        "currency": "euro",
        "items": [
            {"sku": "", "name": 5, "quantity": "2", "unit_price": -1},
            {"sku": "A", "name": "B", "quantity": 1.5, "unit_price": 1},
            [],
        ],
        "a/b~c": null,
    });
    let line = |max| format!("expected 1 to {max} characters without control characters");
    let told = faults(&body);
    let expected = [
        ("/currency", "expected a currency of ISO 4217, such as EUR, found a string of 4 characters".to_owned()),
        ("/customer/name", format!("{}, found a string of 25 characters", line(200))),
        ("/customer/email", "expected an email address of at most 254 bytes, found nothing".to_owned()),
        ("/customer/phone", "expected nothing, found an unknown field".to_owned()),
        ("/items/0/sku", format!("{}, found a string of 0 characters", line(64))),
        ("/items/0/name", format!("{}, found 5", line(200))),
        ("/items/0/quantity", "expected a whole number from 1 to 10000, found a string of 1 characters".to_owned()),
        ("/items/0/unit_price", "expected a whole number from 0 to 1000000000, found -1".to_owned()),
        ("/items/1/quantity", "expected a whole number from 1 to 10000, found 1.5".to_owned()),
        ("/items/2", "expected an object, found a list of 0".to_owned()),
        ("/a~1b~0c", "expected nothing, found an unknown field".to_owned()),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(pointer, detail)| (pointer.to_owned(), detail)).collect();
    assert_eq!(told, expected);
}

#[test]
fn every_limit_refuses_what_is_just_beyond_it_and_takes_what_is_just_within() {
    let item = &sample::order()["items"][0];
    let text = |length| json!("é".repeat(length));
    let items = |length| json!(vec![item; length]);
    let email = |length: usize| {
        let label = "a".repeat(60);
        json!(format!("ada@{label}.{label}.{label}.{}", "b".repeat(length - 4 - 183)))
    };
    for (pointer, within, beyond) in [
        ("/customer/name", text(200), text(201)),
        ("/customer/name", text(1), text(0)),
        ("/customer/email", email(246), email(255)),
        ("/items/0/sku", text(64), text(65)),
        ("/items/0/name", text(200), text(201)),
        ("/items/0/quantity", json!(1), json!(0)),
        ("/items/0/quantity", json!(10_000), json!(10_001)),
        ("/items/0/unit_price", json!(0), json!(-1)),
        ("/items/0/unit_price", json!(1_000_000_000), json!(1_000_000_001)),
        ("/items/0/unit_price", json!(450.0), json!(450.5)),
        ("/items/0/unit_price", json!(1e9), json!(u64::MAX)),
        ("/items/0/unit_price", json!(1), json!(1e300)),
        ("/items", items(1), items(0)),
        ("/items", items(100), items(101)),
    ] {
        let mut body = sample::order();
        *body.pointer_mut(pointer).unwrap() = within;
        assert!(NewOrder::parse(body.to_string().as_bytes()).is_ok(), "{body}");
        let told = faults_with(pointer, beyond);
        assert_eq!(told.len(), 1, "{pointer}: {told:?}");
        assert_eq!(told[0].0, pointer);
    }
}

#[test]
fn no_field_takes_another_type() {
    let fields = [
        "/customer",
        "/customer/name",
        "/customer/email",
        "/currency",
        "/items",
        "/items/0",
        "/items/0/sku",
        "/items/0/name",
        "/items/0/quantity",
        "/items/0/unit_price",
    ];
    for pointer in fields {
        for value in [json!(null), json!(true), json!([]), json!({}), json!("\u{7f}"), json!(0.5)] {
            let told = faults_with(pointer, value.clone());
            assert!(told.iter().all(|(found, _)| found.starts_with(pointer)), "{pointer} {value}: {told:?}");
        }
    }
    for body in [json!(null), json!(5), json!("order"), json!([sample::order()])] {
        assert_eq!(faults(&body)[0].0, "", "{body}");
    }
}

#[test]
fn a_control_character_is_refused_in_every_text() {
    for pointer in ["/customer/name", "/customer/email", "/items/0/sku", "/items/0/name"] {
        for control in ['\0', '\t', '\r', '\n', '\u{1b}', '\u{7f}', '\u{85}'] {
            let told = faults_with(pointer, json!(format!("a{control}b@example.com")));
            assert_eq!(told[0].0, pointer, "{control:?}");
        }
    }
}

#[test]
fn a_byte_order_mark_is_ignored_and_that_of_another_encoding_is_told() {
    let body = sample::order().to_string();
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    assert_eq!(NewOrder::parse(&marked(&body)), NewOrder::parse(body.as_bytes()));
    let id = "019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42".parse().unwrap();
    assert_eq!(Cancellation::parse(id, &marked("")), Cancellation::parse(id, b""));
    let utf16: Vec<_> = format!("\u{feff}{body}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for outcome in [NewOrder::parse(&utf16).map(drop), Cancellation::parse(id, &utf16).map(drop)] {
        assert_eq!(outcome.unwrap_err().to_string(), "the body is UTF-16: expected UTF-8");
    }
}

#[test]
fn a_field_given_twice_is_refused() {
    let body = sample::order().to_string().replacen('{', r#"{"currency": "USD", "#, 1);
    let Err(ParseError::Invalid(faults)) = NewOrder::parse(body.as_bytes()) else { panic!("{body}") };
    assert_eq!(faults[0].to_string(), "/currency: expected once, found again");
}

#[test]
fn what_is_not_json_is_not_an_order_with_faults() {
    let sample = sample::order().to_string();
    let nan = sample.replace("450", "NaN");
    let deep = "[".repeat(MAX_BODY_BYTES);
    for body in ["", " ", "order", "{", &sample[..sample.len() - 1], &nan, &deep, &format!("{sample}{sample}")] {
        let outcome = NewOrder::parse(body.as_bytes());
        assert!(matches!(outcome, Err(ParseError::NotJson(_))), "{:?}: {outcome:?}", body.get(..80));
    }
    assert_eq!(NewOrder::parse(b"{\"currency\": \"\xff\"}"), Err(ParseError::NotUtf8(14)));
}

#[test]
fn a_number_beyond_all_measure_is_json_all_the_same() {
    let body = sample::order().to_string().replace("450", "1e999");
    let Err(ParseError::Invalid(faults)) = NewOrder::parse(body.as_bytes()) else { panic!("{body}") };
    assert!(faults[0].detail.starts_with("expected numbers below 1e308"), "{faults:?}");
}

#[test]
fn a_refusal_is_bounded_however_much_is_wrong() {
    let body: serde_json::Map<String, Value> = (0..MAX_FAULTS * 2).map(|n| (n.to_string(), json!(0))).collect();
    assert_eq!(faults(&Value::Object(body)).len(), MAX_FAULTS);
}

#[test]
fn a_cancellation_needs_no_body_and_takes_a_reason() {
    let id = "019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42".parse().unwrap();
    let reason = |body: &str| Cancellation::parse(id, body.as_bytes()).map(|parsed| parsed.reason().map(str::to_owned));
    assert_eq!(reason(""), Ok(None));
    assert_eq!(reason("{}"), Ok(None));
    assert_eq!(reason(r#"{"reason": "changed my mind"}"#), Ok(Some("changed my mind".to_owned())));
    for refused in [r#"{"reason": null}"#, r#"{"reason": ""}"#, r#"{"reason": "a\nb"}"#, r#"{"because": "x"}"#, "[]"] {
        assert!(matches!(reason(refused), Err(ParseError::Invalid(_))), "{refused}");
    }
    let long = json!({"reason": "a".repeat(501)}).to_string();
    assert!(matches!(reason(&long), Err(ParseError::Invalid(_))));
}
