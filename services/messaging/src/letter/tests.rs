//! What a letter tells of itself, and what its copies carry.

use lapin::BasicProperties;
use lapin::types::{FieldArray, LongString};

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn letter(redelivered: bool, headers: &[(&str, AMQPValue)]) -> Letter {
    let mut delivery = Delivery::mock(7, "order-exchange".into(), "order.placed".into(), redelivered, b"{}".to_vec());
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert((*name).into(), value.clone());
    }
    delivery.properties = BasicProperties::default()
        .with_headers(table)
        .with_message_id("019".into())
        .with_content_type("application/cloudevents+json".into())
        .with_expiration("1000".into())
        .with_user_id("somebody".into());
    Letter::new(delivery)
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

fn count(count: i64) -> AMQPValue {
    AMQPValue::LongLongInt(count)
}

/// The copy, delivered from the queue it was for.
fn delivered(copy: &Copy) -> Letter {
    Letter::new(copy.outgoing().delivered())
}

fn names(letter: &Letter) -> Vec<&str> {
    letter.headers().map(|headers| headers.into_iter().map(|(name, _)| name.as_str()).collect()).unwrap_or_default()
}

#[test]
fn a_first_delivery_has_never_returned_whatever_it_says_of_itself() {
    assert_eq!(letter(false, &[]).returned(), Returned::Never);
    assert_eq!(letter(false, &[("x-delivery-count", count(99))]).returned(), Returned::Never);
}

#[test]
fn a_quorum_queue_counts_returns_and_a_classic_one_only_knows_of_them() {
    assert_eq!(letter(true, &[("x-delivery-count", count(3))]).returned(), Returned::Times(3));
    assert_eq!(letter(true, &[("x-acquired-count", count(3))]).returned(), Returned::Times(0));
    assert_eq!(letter(true, &[]).returned(), Returned::Sometime);
}

#[test]
fn what_is_given_back_as_a_copy_begins_a_new_count_and_carries_what_is_held_against_it() {
    let back = letter(true, &[("x-delivery-count", count(6)), ("tenant", text("acme"))]);
    let back = delivered(&back.to_give_back("q.retry.1s".into(), 2, NOW));
    assert_eq!((back.returned(), back.carried_returns(), back.attempts()), (Returned::Never, 2, 0));
    assert_eq!(back.given_back(), Some(NOW));
    assert_eq!(back.text("tenant"), Some("acme"), "nobody has decoded it");
    let retried = delivered(&back.to_retry("q.retry.1s".into(), "busy", NOW, &SpanContext::NONE));
    assert_eq!((retried.carried_returns(), retried.given_back()), (0, None), "it has come out of its handler");
}

#[test]
fn each_failed_attempt_is_counted_and_the_first_keeps_its_time() {
    let span = trace::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None).unwrap();
    let once = delivered(&letter(false, &[]).to_retry("q.retry.1s".into(), "busy", NOW, &span));
    let later = Timestamp::from_second(100).unwrap();
    let twice = delivered(&once.to_retry("q.retry.10s".into(), "busy again", later, &SpanContext::NONE));
    assert_eq!((once.attempts(), twice.attempts()), (1, 2));
    assert_eq!(
        (once.text(h::FIRST_FAILURE), twice.text(h::FIRST_FAILURE)),
        (Some("1970-01-01T00:00:00Z"), Some("1970-01-01T00:00:00Z"))
    );
    assert_eq!((twice.failed_span(), twice.text(h::ERROR)), (Some(span), Some("busy again")));
}

#[test]
fn a_copy_knows_its_first_exchange_and_key_and_nothing_of_its_headers_from_outside() {
    let original = letter(
        true,
        &[
            ("traceparent", text("00-1-2-01")),
            ("x-death", text("?")),
            ("CC", text("q2")),
            ("tenant", text("acme")),
            ("x-delivery-count", count(1)),
        ],
    );
    let copy =
        delivered(&delivered(&original.to_retry("q.retry.1s".into(), "busy", NOW, &SpanContext::NONE)).to_retry(
            "q".into(),
            "busy",
            NOW,
            &SpanContext::NONE,
        ));
    assert_eq!((copy.exchange(), copy.routing_key()), ("order-exchange", "order.placed"));
    let expected = ["traceparent", h::ATTEMPTS, h::ERROR, h::EXCHANGE, h::FIRST_FAILURE, h::ROUTING_KEY];
    assert_eq!(names(&copy), expected);
}

#[test]
fn a_copy_keeps_what_describes_its_body_and_sheds_what_would_make_it_vanish_or_be_refused() {
    let properties =
        (letter(false, &[]).to_retry("q.retry.1s".into(), "busy", NOW, &SpanContext::NONE).outgoing().properties)();
    assert_eq!(properties.message_id().as_ref().map(ShortString::as_str), Some("019"));
    assert_eq!(properties.delivery_mode(), &Some(2));
    assert!(properties.content_type().is_some());
    assert!(properties.expiration().is_none() && properties.user_id().is_none());
}

#[test]
fn what_cannot_be_decoded_keeps_its_bytes_and_all_headers_but_the_brokers() {
    let original = letter(false, &[("tenant", text("acme")), ("x-death", text("?")), ("BCC", text("q2"))]);
    let dead = delivered(&original.to_dead("q.dead".into(), DeadReason::Undecodable, "not JSON", NOW));
    assert_eq!(dead.body(), original.body());
    assert_eq!(names(&dead), ["tenant", h::ERROR, h::EXCHANGE, h::FIRST_FAILURE, h::REASON, h::ROUTING_KEY]);
    assert_eq!(dead.dead_reason(), DeadReason::Undecodable);
}

#[test]
fn headers_too_large_to_travel_with_ours_stay_behind() {
    let huge = text(&"x".repeat(100_000));
    let ours = h::LASTING.map(|name| (name, huge.clone()));
    let dead = letter(false, &[&ours[..], &[("huge", huge), ("traceparent", text("00-1-2-01"))]].concat());
    let dead = delivered(&dead.to_dead("q.dead".into(), DeadReason::Undecodable, &"é".repeat(5_000), NOW));
    assert!(!names(&dead).contains(&"huge") && names(&dead).contains(&"traceparent"));
    assert!(h::table_weight(dead.headers().unwrap()) < 2_000);
}

#[test]
fn a_redriven_letter_begins_anew_and_remembers_that_it_failed() {
    let failed = delivered(&letter(false, &[]).to_dead_after_attempt("q.dead".into(), DeadReason::Attempts, "no", NOW));
    let redriven = delivered(&failed.to_redrive("q".into()));
    assert_eq!((redriven.attempts(), redriven.redriven()), (0, 1));
    assert_eq!(redriven.text(h::FIRST_FAILURE), Some("1970-01-01T00:00:00Z"));
    assert_eq!((redriven.text(h::REASON), redriven.text(h::ERROR)), (None, None));
    let again = delivered(&redriven.to_dead_after_attempt("q.dead".into(), DeadReason::ForGood, "no", NOW));
    assert_eq!(delivered(&again.to_redrive("q".into())).redriven(), 2);
}

#[test]
fn what_the_broker_dead_lettered_says_why_and_finds_its_first_key_again() {
    let mut death = FieldTable::default();
    death.insert("reason".into(), text("delivery_limit"));
    death.insert("exchange".into(), text("order-exchange"));
    death.insert("routing-keys".into(), AMQPValue::FieldArray(FieldArray::from(vec![text("order.cancelled")])));
    let deaths = AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::FieldTable(death)]));
    let dead = letter(false, &[("x-death", deaths)]);
    assert_eq!(dead.dead_reason(), DeadReason::DeliveryLimit);
    assert_eq!(delivered(&dead.to_redrive("q".into())).routing_key(), "order.cancelled");
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    for reason in DeadReason::ALL {
        assert_eq!(DeadReason::from_name(reason.name()), Some(reason));
    }
    assert_eq!(DeadReason::from_name("boredom"), None);
}

#[test]
fn counts_from_outside_are_read_whatever_their_width_and_never_negative() {
    let widths =
        [AMQPValue::ShortShortInt(3), AMQPValue::LongUInt(3), AMQPValue::LongLongInt(3), AMQPValue::ShortUInt(3)];
    for value in widths {
        assert_eq!(letter(false, &[("warren-attempts", value)]).attempts(), 3);
    }
    assert_eq!(letter(false, &[("warren-attempts", count(-1))]).attempts(), 0);
    assert_eq!(letter(false, &[("warren-attempts", text("3"))]).attempts(), 0);
}
