//! Ids: which requests are the same order, and which events the same event.

use contract::{Cancellation, IdempotencyKey, NewOrder, OrderEvent, OrderId};
use events::{CloudEvent, Event};
use jiff::{Timestamp, ToSpan};

use crate::sample;

fn key(text: &str) -> IdempotencyKey {
    text.parse().unwrap()
}

fn ids(event: &CloudEvent<OrderEvent>) -> (String, String) {
    (event.data.subject().unwrap().to_string(), event.id.clone())
}

#[test]
fn without_a_key_each_order_is_another_and_they_sort_by_their_time() {
    let earlier = ids(&sample::new_order().place(None, sample::now()));
    let later = ids(&sample::new_order().place(None, sample::now() + 1.second()));
    assert!(earlier.0 < later.0 && earlier.1 < later.1);
    assert_ne!(earlier.0, earlier.1);
    assert_eq!(&earlier.0[14..15], "7", "{}", earlier.0);
    assert!(earlier.0.starts_with("019aa0"), "{}", earlier.0);
}

#[test]
fn the_same_key_and_order_are_the_same_event_however_it_was_written() {
    let first = sample::new_order().place(Some(&key("k1")), sample::now());
    let rewritten = r#"{ "items": [{"unit_price": 4.5e2, "quantity": 2, "name": "Earl \u0047rey", "sku": "TEA-1"}],
        "customer": {"email": "ada@example.com", "name": "Ada Lovelace"} }"#;
    let again = NewOrder::parse(rewritten.as_bytes()).unwrap().place(Some(&key("k1")), Timestamp::UNIX_EPOCH);
    assert_eq!(ids(&first), ids(&again));
    assert_eq!(&first.id[14..15], "5");
}

#[test]
fn another_key_or_another_order_is_another_event() {
    let first = ids(&sample::new_order().place(Some(&key("k1")), sample::now()));
    let other_key = ids(&sample::new_order().place(Some(&key("k2")), sample::now()));
    let mut body = sample::order();
    body["items"][0]["quantity"] = 3.into();
    let other_order = NewOrder::parse(body.to_string().as_bytes()).unwrap();
    let other_order = ids(&other_order.place(Some(&key("k1")), sample::now()));
    assert!(first.0 != other_key.0 && first.1 != other_key.1);
    assert!(first.0 != other_order.0 && first.1 != other_order.1);
}

/// Two releases that derive other ids would make two orders of one request that was repeated across a deployment.
#[test]
fn ids_that_follow_from_a_key_never_change() {
    let placed = sample::new_order().place(Some(&key("k1")), sample::now());
    let expected = ("82d810eb-364e-58e7-9617-21a1026e0743", "5b29a8c3-752d-5a42-83b6-345bee1745cc");
    assert_eq!(ids(&placed), (expected.0.to_owned(), expected.1.to_owned()));
}

#[test]
fn all_cancellations_of_an_order_are_one_event() {
    let id: OrderId = "019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42".parse().unwrap();
    let first = Cancellation::parse(id, b"").unwrap().event(sample::now());
    let again = Cancellation::parse(id, br#"{"reason": "x"}"#).unwrap().event(Timestamp::UNIX_EPOCH);
    assert_eq!(ids(&first), ids(&again));
    assert_eq!(first.id, "b389aad1-fdc0-5b24-8583-b366451ca6f4", "it never changes, like those that follow from a key");
}

#[test]
fn an_orders_id_has_one_form() {
    let id: OrderId = "019A9F0E-2F4B-7C1E-8A57-3D0C5A1B9E42".parse().unwrap();
    assert_eq!(id.to_string(), "019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42");
    for refused in [
        "",
        "42",
        "019a9f0e2f4b7c1e8a573d0c5a1b9e42",
        "{019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42}",
        "urn:uuid:019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42",
        "019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e4g",
    ] {
        let fault = refused.parse::<OrderId>().unwrap_err();
        assert_eq!(fault.to_string(), "expected a UUID of 36 characters", "{refused:?}");
    }
}

#[test]
fn a_key_is_1_to_255_visible_characters() {
    assert!("k".repeat(255).parse::<IdempotencyKey>().is_ok());
    for refused in ["", " ", "a b", "a\r\nb", "é", "\u{7f}", &"k".repeat(256)] {
        let fault = refused.parse::<IdempotencyKey>().unwrap_err();
        assert_eq!(fault.detail, "expected 1 to 255 visible ASCII characters", "{refused:?}");
    }
}
