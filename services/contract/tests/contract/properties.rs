//! What holds for every order, every body and every message, and not for examples alone.

use std::sync::LazyLock;

use contract::{Cancellation, IdempotencyKey, NewOrder, OrderEvent};
use events::{CONTENT_TYPE, DecodeError, Decoded, Event, Raw, decode};
use jiff::Timestamp;
use jsonschema::Validator;
use proptest::prelude::*;
use proptest::{collection, option, sample};
use serde_json::{Value, json};

use crate::asyncapi::payload_schema;
use crate::sample as samples;

static PLACED: LazyLock<Validator> = LazyLock::new(|| payload_schema(OrderEvent::PLACED));

fn item() -> impl Strategy<Value = Value> {
    ("[^\\p{Cc}]{1,64}", "[^\\p{Cc}]{1,200}", 1..=10_000_u64, 0..=1_000_000_000_u64).prop_map(
        |(sku, name, quantity, price)| json!({"sku": sku, "name": name, "quantity": quantity, "unit_price": price}),
    )
}

fn order() -> impl Strategy<Value = Value> {
    let email = "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,30}(\\.[a-z0-9]{1,30})?@[a-z0-9]{1,60}(\\.[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?){0,6}";
    // Most orders are short; some are as long as they can be.
    let items = prop_oneof![20 => collection::vec(item(), 1..=5), 1 => collection::vec(item(), 99..=100)];
    let currency = sample::select(vec!["EUR", "USD", "JPY", "BHD", "CLF", "XOF"]);
    ("[^\\p{Cc}]{1,200}", email, currency, items).prop_map(|(name, email, currency, items)| {
        json!({"customer": {"name": name, "email": email}, "currency": currency, "items": items})
    })
}

fn key() -> impl Strategy<Value = Option<IdempotencyKey>> {
    option::of("[!-~]{1,255}".prop_map(|text| text.parse().unwrap()))
}

/// JSON of any shape, in which the names and values of orders are not rare.
fn json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        sample::select(vec![
            "1.0",
            "order.placed",
            "EUR",
            "ada@example.com",
            "a\r\nb",
            "019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42"
        ])
        .prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 64, 8, |inner| {
        let name = prop_oneof![sample::select(NAMES.to_vec()).prop_map(str::to_owned), any::<String>()];
        prop_oneof![
            collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            collection::hash_map(name, inner, 0..8).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const NAMES: [&str; 16] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "data",
    "customer",
    "name",
    "email",
    "currency",
    "items",
    "sku",
    "quantity",
    "unit_price",
    "total",
    "reason",
];

/// Where a valid event can be changed.
const POINTERS: [&str; 18] = [
    "",
    "/specversion",
    "/id",
    "/source",
    "/type",
    "/subject",
    "/time",
    "/datacontenttype",
    "/data",
    "/data/id",
    "/data/customer",
    "/data/customer/name",
    "/data/customer/email",
    "/data/currency",
    "/data/items",
    "/data/items/0/sku",
    "/data/items/0/quantity",
    "/data/total",
];

fn time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_i64, 0..1_000_000_000)
        .prop_map(|(seconds, nanoseconds)| Timestamp::new(seconds, nanoseconds).unwrap())
}

fn decode_as(content_type: &str, body: &[u8]) -> Result<Decoded<OrderEvent>, DecodeError> {
    decode(&Raw { content_type: Some(content_type), ..samples::message(body) })
}

/// Nothing that got through could begin another line of a mail's header.
fn is_free_of_line_breaks(event: &OrderEvent) -> bool {
    let OrderEvent::Placed(order) = event else { return true };
    let items = order.items().iter().flat_map(|item| [item.sku(), item.name()]);
    let customer = [order.customer().name(), order.customer().email().as_str()];
    customer.into_iter().chain(items).all(|text| !text.contains(char::is_control))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_valid_order_survives_encode_and_decode(body in order(), key in key(), now in time()) {
        let order = NewOrder::parse(body.to_string().as_bytes()).unwrap();
        let event = order.place(key.as_ref(), now);
        let encoded = event.clone().encode();
        let decoded = decode::<OrderEvent>(&samples::message(&encoded.body)).unwrap();
        prop_assert_eq!(decoded.id.as_deref(), Some(&*event.id));
        prop_assert_eq!(decoded.source.as_deref(), Some(&*event.source));
        prop_assert_eq!(decoded.subject, event.data.subject().map(|id| id.to_string()));
        prop_assert_eq!(decoded.time, Some(now));
        prop_assert_eq!(&decoded.data, &event.data);
        prop_assert!(is_free_of_line_breaks(&decoded.data));
        prop_assert!(PLACED.is_valid(&serde_json::from_slice(&encoded.body).unwrap()));
    }

    #[test]
    fn any_reason_survives_encode_and_decode(reason in option::of("[^\\p{Cc}]{1,500}"), now in time()) {
        let body = reason.as_ref().map_or(json!({}), |reason| json!({"reason": reason}));
        let id = "019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42".parse().unwrap();
        let event = Cancellation::parse(id, body.to_string().as_bytes()).unwrap().event(now);
        prop_assert_eq!(decode::<OrderEvent>(&samples::message(&event.clone().encode().body)).unwrap().data, event.data);
    }

    #[test]
    fn no_bytes_panic_a_parser_or_the_decoder(
        body in collection::vec(any::<u8>(), 0..512),
        key in any::<String>(),
        content_type in any::<String>(),
        timestamp in any::<u64>(),
    ) {
        let id = "019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42".parse().unwrap();
        let _ = NewOrder::parse(&body);
        let _ = Cancellation::parse(id, &body);
        let _ = key.parse::<IdempotencyKey>();
        let _ = key.parse::<contract::OrderId>();
        for content_type in [CONTENT_TYPE, "text/plain", &content_type] {
            let raw = Raw { content_type: Some(content_type), routing_key: &key, message_id: Some(&key), timestamp: Some(timestamp), body: &body, ..Raw::default() };
            let _ = decode::<OrderEvent>(&raw);
        }
    }

    #[test]
    fn no_json_panics_a_parser_or_the_decoder(json in json()) {
        let body = json.to_string();
        let _ = NewOrder::parse(body.as_bytes());
        let _ = decode_as(CONTENT_TYPE, body.as_bytes());
    }

    #[test]
    fn an_event_with_some_of_its_bytes_changed_is_decoded_or_refused(
        changes in collection::vec((any::<sample::Index>(), any::<u8>()), 1..4),
        cut in option::of(any::<sample::Index>()),
    ) {
        let mut body = samples::placed().body.to_vec();
        for (index, byte) in changes {
            let index = index.index(body.len());
            body[index] = byte;
        }
        body.truncate(cut.map_or(body.len(), |cut| cut.index(body.len())));
        if let Ok(decoded) = decode_as(CONTENT_TYPE, &body) {
            prop_assert!(is_free_of_line_breaks(&decoded.data));
        }
    }

    #[test]
    fn whatever_the_decoder_takes_is_as_the_document_says(pointer in sample::select(POINTERS.to_vec()), value in json()) {
        let event = samples::changed(&samples::placed(), |event| *event.pointer_mut(pointer).unwrap() = value);
        if let Ok(decoded) = samples::read(&event) {
            prop_assert!(is_free_of_line_breaks(&decoded.data));
            prop_assert!(PLACED.is_valid(&event) || decoded.event_type != OrderEvent::PLACED, "{}", event);
        }
    }
}
