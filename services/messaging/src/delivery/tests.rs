//! What the headers of a delivery say, and what its copies carry.

use lapin::BasicProperties;
use lapin::types::{FieldArray, LongString};

use super::*;
use crate::link::Version;
use crate::user_name::UserName;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A message that somebody else published.
fn delivery(redelivered: bool, headers: &[(&str, AMQPValue)]) -> Delivery {
    Delivery::new(published(redelivered, headers), email())
}

/// Who reads it.
fn email() -> Arc<Reader> {
    email_with_frames(131_072)
}

fn email_with_frames(frame_max: usize) -> Arc<Reader> {
    Arc::new(Reader::consumer(user("email"), Some(Version { major: 4, minor: 2 }), frame_max))
}

fn email_on_4_3() -> Arc<Reader> {
    Arc::new(Reader::consumer(user("email"), Some(Version { major: 4, minor: 3 }), 131_072))
}

fn published(redelivered: bool, headers: &[(&str, AMQPValue)]) -> RawDelivery {
    let mut delivery =
        RawDelivery::mock(7, "order-exchange".into(), "order.placed".into(), redelivered, b"{}".to_vec());
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
    delivery
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

fn count(count: i64) -> AMQPValue {
    AMQPValue::LongLongInt(count)
}

/// The copy, delivered from the queue it was for.
fn delivered(copy: &Copy) -> Delivery {
    Delivery::new(copy.outgoing().delivered(), email())
}

fn user(name: &str) -> Arc<UserName> {
    Arc::new(UserName::new(name))
}

fn redrive() -> Arc<Reader> {
    Arc::new(Reader::dead_letters(131_072))
}

/// A dead letter, as redrive reads it.
fn dead(copy: &Copy) -> Delivery {
    Delivery::new(copy.outgoing().delivered(), redrive())
}

fn names(delivery: &Delivery) -> Vec<&str> {
    delivery.headers().map(|headers| headers.into_iter().map(|(name, _)| name.as_str()).collect()).unwrap_or_default()
}

#[test]
fn a_first_delivery_has_never_returned_whatever_it_says_of_itself() {
    assert_eq!(delivery(false, &[]).returned(), Returned::Never);
    assert_eq!(delivery(false, &[("x-delivery-count", count(99))]).returned(), Returned::Never);
}

#[test]
fn a_timestamp_counts_only_if_it_can_be_when_the_event_was_accepted() {
    let now = 1_764_336_000;
    let accepted = |timestamp: u64| {
        let mut raw = published(false, &[]);
        raw.properties = raw.properties.with_timestamp(timestamp);
        Delivery::new(raw, email()).accepted(now)
    };
    for day in [0, 1, 30] {
        assert_eq!(accepted(now as u64 - day * 86_400), now - day as i64 * 86_400);
    }
    for timestamp in [1_764_336_000_000, now as u64 + 1, now as u64 - 31 * 86_400, 0, u64::MAX] {
        assert_eq!(accepted(timestamp), now, "{timestamp}");
    }
}

#[test]
fn a_quorum_queue_counts_returns_and_a_classic_one_only_knows_of_them() {
    assert_eq!(delivery(true, &[("x-delivery-count", count(3))]).returned(), Returned::Times(3));
    assert_eq!(delivery(true, &[]).returned(), Returned::Sometime);
}

#[test]
fn a_newer_quorum_queue_counts_what_was_acquired_and_no_client_can_say_that_it_was_delivered_more_often() {
    let returned = |headers: &[_]| Delivery::new(published(true, headers), email_on_4_3()).returned();
    assert_eq!(returned(&[("x-delivery-count", count(2)), ("x-acquired-count", count(3))]), Returned::Times(2));
    assert_eq!(returned(&[("x-acquired-count", count(3))]), Returned::Times(0));
    assert_eq!(returned(&[("x-delivery-count", count(99)), ("x-acquired-count", count(1))]), Returned::Times(1));
    assert_eq!(returned(&[("x-delivery-count", count(99))]), Returned::Sometime, "the queue is classic");
}

#[test]
fn an_older_quorum_queue_does_not_count_what_was_acquired_whatever_a_client_says() {
    let returned = delivery(true, &[("x-delivery-count", count(3)), ("x-acquired-count", count(0))]).returned();
    assert_eq!(returned, Returned::Times(3));
    assert_eq!(delivery(true, &[("x-acquired-count", count(0))]).returned(), Returned::Sometime);
}

/// Everything of ours that decides something.
fn boasts() -> Vec<(&'static str, AMQPValue)> {
    vec![
        (h::ATTEMPTS, count(99)),
        (h::RETURNS, count(2)),
        (h::GIVEN_BACK, text("2026-01-01T00:00:00Z")),
        (h::REDRIVEN, count(3)),
        (h::EXCHANGE, text("another")),
        (h::ROUTING_KEY, text("order.cancelled")),
        (h::FIRST_FAILURE, text("1999-01-01T00:00:00Z")),
        (h::FAILED_SPAN, text("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
    ]
}

/// What it says of its way here, as far as it counts.
fn believed(delivery: &Delivery) -> (u32, u32, bool, u32, &str, bool) {
    let (requeued, failed) = (delivery.requeued().is_some(), delivery.failed_span().is_some());
    (delivery.attempts(), delivery.carried_returns(), requeued, delivery.redriven(), delivery.routing_key(), failed)
}

#[test]
fn nothing_counts_that_an_outsider_says_of_a_first_delivery_and_none_of_it_is_copied_on() {
    let boasts = boasts();
    let delivery = delivery(false, &boasts);
    assert_eq!(believed(&delivery), (0, 0, false, 0, "order.placed", false));
    let copies = [
        delivery.to_requeue("q.retry.1s".into(), 0, NOW),
        delivery.to_retry("q.retry.1s".into(), "busy", NOW, &SpanContext::NONE),
    ];
    for (attempts, copy) in copies.iter().enumerate() {
        let copy = delivered(copy);
        let attempts = u32::try_from(attempts).unwrap();
        assert_eq!((copy.attempts(), copy.carried_returns(), copy.redriven()), (attempts, 0, 0));
        assert!(copy.failed_span().is_none() && copy.exchange() == "order-exchange");
        assert_ne!(copy.text(h::FIRST_FAILURE), Some("1999-01-01T00:00:00Z"));
    }
}

#[test]
fn what_decides_how_a_copy_is_treated_counts_only_under_our_users_name() {
    let mut delivery = published(false, &boasts());
    delivery.exchange = "".into();
    for user in ["somebody", "emai", ""] {
        delivery.properties = delivery.properties.with_user_id(user.into());
        let delivery = Delivery::new(clone(&delivery), email());
        assert_eq!(believed(&delivery), (0, 0, false, 3, "order.cancelled", true), "as {user:?}");
    }
    delivery.properties = delivery.properties.with_user_id("email".into());
    let delivery = Delivery::new(clone(&delivery), email());
    assert_eq!(believed(&delivery), (99, 2, true, 3, "order.cancelled", true));
}

fn clone(delivery: &RawDelivery) -> RawDelivery {
    let (exchange, key) = (delivery.exchange.clone(), delivery.routing_key.clone());
    let mut clone = RawDelivery::mock(7, exchange, key, delivery.redelivered, delivery.data.clone());
    clone.properties = delivery.properties.clone();
    clone
}

#[test]
fn only_what_comes_back_to_its_consumer_is_signed() {
    let delivery = delivery(false, &[]);
    let user = |copy: &Copy| (copy.outgoing().properties)().user_id().clone();
    assert_eq!(user(&delivery.to_requeue("q.retry.1s".into(), 0, NOW)), Some("email".into()));
    assert_eq!(user(&delivery.to_retry("q.retry.1s".into(), "no", NOW, &SpanContext::NONE)), Some("email".into()));
    let buried = delivery.to_dead("q.dead".into(), DeadReason::Undecodable, "no", NOW);
    assert_eq!(user(&buried), None, "whoever moves it is somebody else");
    assert_eq!(user(&dead(&buried).to_redrive("q".into())), None);
}

#[test]
fn who_published_it_and_when_it_would_expire_outlive_every_copy() {
    let once = delivered(&delivery(false, &[]).to_retry("q.retry.1s".into(), "no", NOW, &SpanContext::NONE));
    let twice = delivered(&once.to_requeue("q.retry.1s".into(), 0, NOW));
    let buried = dead(&twice.to_dead_after_attempt("q.dead".into(), DeadReason::Attempts, "no", NOW));
    let back = delivered(&buried.to_redrive("q".into()));
    for copy in [once, twice, buried, back] {
        assert_eq!((copy.text(h::USER_ID), copy.text(h::EXPIRATION)), (Some("somebody"), Some("1000")));
    }
}

#[test]
fn what_is_given_back_as_a_copy_begins_a_new_count_and_carries_what_is_held_against_it() {
    let back = delivery(true, &[("x-delivery-count", count(6)), ("tenant", text("acme"))]);
    let back = delivered(&back.to_requeue("q.retry.1s".into(), 2, NOW));
    assert_eq!((back.returned(), back.carried_returns(), back.attempts()), (Returned::Never, 2, 0));
    assert_eq!(back.requeued(), Some(NOW));
    assert_eq!(back.text("tenant"), Some("acme"), "nobody has decoded it");
    let retried = delivered(&back.to_retry("q.retry.1s".into(), "busy", NOW, &SpanContext::NONE));
    assert_eq!((retried.carried_returns(), retried.requeued()), (0, None), "it has come out of its handler");
}

#[test]
fn each_failed_attempt_is_counted_and_the_first_keeps_its_time() {
    let span = trace::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None).unwrap();
    let once = delivered(&delivery(false, &[]).to_retry("q.retry.1s".into(), "busy", NOW, &span));
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
fn a_copy_knows_its_first_exchange_and_key_and_keeps_all_headers_but_the_brokers() {
    let original = delivery(
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
    let ours = [h::ATTEMPTS, h::ERROR, h::EXCHANGE, h::EXPIRATION, h::FIRST_FAILURE, h::ROUTING_KEY, h::USER_ID];
    assert_eq!(names(&copy), [&["tenant", "traceparent"], &ours[..]].concat());
}

#[test]
fn a_copy_keeps_what_describes_its_body_and_sheds_what_would_make_it_vanish_or_be_refused() {
    let mut delivery = published(false, &[]);
    delivery.properties = delivery.properties.with_reply_to("answers".into()).with_cluster_id("east".into());
    let copy = Delivery::new(delivery, email()).to_dead("q.dead".into(), DeadReason::Undecodable, "no", NOW);
    let properties = (copy.outgoing().properties)();
    assert_eq!(properties.reply_to().as_ref().map(ShortString::as_str), Some("answers"));
    assert_eq!(properties.cluster_id().as_ref().map(ShortString::as_str), Some("east"));
    assert_eq!(properties.message_id().as_ref().map(ShortString::as_str), Some("019"));
    assert_eq!(properties.delivery_mode(), &Some(2));
    assert!(properties.content_type().is_some());
    assert!(properties.expiration().is_none() && properties.user_id().is_none());
}

#[test]
fn an_address_for_answers_that_the_broker_would_not_take_is_left_behind() {
    let mut delivery = published(false, &[]);
    delivery.properties = delivery.properties.with_reply_to("amq.rabbitmq.reply-to".into());
    let copy = Delivery::new(delivery, email()).to_requeue("q.retry.1s".into(), 0, NOW);
    assert!((copy.outgoing().properties)().reply_to().is_none());
}

#[test]
fn what_cannot_be_decoded_keeps_its_bytes_and_all_headers_but_the_brokers() {
    let original = delivery(false, &[("tenant", text("acme")), ("x-death", text("?")), ("BCC", text("q2"))]);
    let dead = delivered(&original.to_dead("q.dead".into(), DeadReason::Undecodable, "not JSON", NOW));
    assert_eq!(dead.body(), original.body());
    let ours = [h::ERROR, h::EXCHANGE, h::EXPIRATION, h::FIRST_FAILURE, h::REASON, h::ROUTING_KEY, h::USER_ID];
    assert_eq!(names(&dead), [&["tenant"], &ours[..]].concat());
    assert_eq!(dead.dead_reason(), DeadReason::Undecodable);
}

#[test]
fn headers_too_large_to_travel_with_ours_stay_behind() {
    let huge = text(&"x".repeat(100_000));
    let ours = h::LASTING.map(|name| (name, huge.clone()));
    let dead = delivery(false, &[&ours[..], &[("huge", huge), ("traceparent", text("00-1-2-01"))]].concat());
    let dead = delivered(&dead.to_dead("q.dead".into(), DeadReason::Undecodable, &"é".repeat(5_000), NOW));
    assert!(!names(&dead).contains(&"huge") && names(&dead).contains(&"traceparent"));
    assert_eq!(dead.text(h::LEFT_OUT), Some("huge"));
    assert!(h::table_weight(dead.headers().unwrap()) < 2_000);
}

/// The bytes of the frame that holds the properties of a copy.
fn frame(copy: &Copy) -> usize {
    let properties = (copy.outgoing().properties)();
    let written = lapin::protocol::basic::gen_properties(&properties)(Vec::new().into());
    8 + 12 + written.ok().unwrap().write.len()
}

#[test]
fn every_copy_fits_the_frames_of_its_connection_and_leaves_room_for_what_the_broker_adds() {
    let longest = || ShortString::from("i".repeat(255));
    for (frame_max, properties) in [(4_096, 10), (8_192, 10), (16_384, 255), (8_192, 255), (4_096, 255), (131_072, 255)]
    {
        let huge: Vec<_> = (0..300).map(|n| (format!("header-{n}"), text(&"x".repeat(n * 10)))).collect();
        let ours = h::LASTING.iter().chain(&h::TRACE).map(|name| (*name, text(&"o".repeat(1_000))));
        let headers: Vec<_> = huge.iter().map(|(name, value)| (name.as_str(), value.clone())).chain(ours).collect();
        let mut raw = published(true, &headers);
        (raw.exchange, raw.routing_key) = ("".into(), longest());
        let id = ShortString::from("i".repeat(properties));
        let all = raw.properties.with_message_id(id.clone()).with_app_id(id.clone()).with_type(id.clone());
        let all = all.with_correlation_id(id.clone()).with_reply_to(id.clone()).with_cluster_id(id.clone());
        raw.properties = all.with_content_type(id.clone()).with_content_encoding(id).with_user_id("email".into());
        let delivery = Delivery::new(raw, email_with_frames(frame_max));
        let error = "e".repeat(5_000);
        for copy in [
            delivery.to_requeue("q.retry.1s".into(), 2, NOW),
            delivery.to_retry("q.retry.1s".into(), &error, NOW, &SpanContext::NONE),
            delivery.to_dead("q.dead".into(), DeadReason::Undecodable, &error, NOW),
        ] {
            assert!(frame(&copy) <= frame_max * 3 / 4 || frame_max > 8_192, "{} of {frame_max}", frame(&copy));
            assert!(frame(&copy) <= frame_max - 1_024, "{} of {frame_max}", frame(&copy));
            let copy = Delivery::new(copy.outgoing().delivered(), email());
            assert_eq!(copy.routing_key(), longest().as_str());
            assert!(copy.text(h::LEFT_OUT).is_some_and(|names| !names.is_empty()), "{frame_max}");
        }
    }
}

#[test]
fn the_attributes_of_binary_mode_go_first_and_leave_a_trace_where_they_do_not_fit() {
    let attributes = ["specversion", "id", "source", "type"].map(|name| format!("cloudEvents:{name}"));
    for (value, frame_max) in [("v".repeat(200), 16_384), ("v".repeat(100_000), 4_096)] {
        let small: Vec<_> = (0..2_000).map(|n| (format!("h{n}"), text("x"))).collect();
        let small = small.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let headers: Vec<_> = small.chain(attributes.iter().map(|name| (name.as_str(), text(&value)))).collect();
        let delivery = Delivery::new(published(false, &headers), email_with_frames(frame_max));
        let copy = delivered(&delivery.to_requeue("q.retry.1s".into(), 0, NOW));
        assert_eq!(format!("{:?}", copy.raw().attributes), format!("{:?}", delivery.raw().attributes));
        assert!(attributes.iter().all(|name| copy.headers().unwrap().contains_key(name.as_str())));
    }
}

#[test]
fn a_redriven_letter_begins_anew_and_remembers_that_it_failed() {
    let failed = dead(&delivery(false, &[]).to_dead_after_attempt("q.dead".into(), DeadReason::Attempts, "no", NOW));
    let redriven = delivered(&failed.to_redrive("q".into()));
    assert_eq!((redriven.attempts(), redriven.redriven()), (0, 1));
    assert_eq!(redriven.text(h::FIRST_FAILURE), Some("1970-01-01T00:00:00Z"));
    assert_eq!((redriven.text(h::REASON), redriven.text(h::ERROR)), (None, None));
    let again = dead(&redriven.to_dead_after_attempt("q.dead".into(), DeadReason::ForGood, "no", NOW));
    assert_eq!(delivered(&again.to_redrive("q".into())).redriven(), 2);
}

#[test]
fn what_the_broker_dead_lettered_says_why_and_finds_its_first_key_again() {
    let mut death = FieldTable::default();
    death.insert("reason".into(), text("delivery_limit"));
    death.insert("exchange".into(), text("order-exchange"));
    death.insert("routing-keys".into(), AMQPValue::FieldArray(FieldArray::from(vec![text("order.cancelled")])));
    let deaths = AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::FieldTable(death)]));
    let dead = Delivery::new(published(false, &[("x-death", deaths)]), redrive());
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
    let attempts = |value| Delivery::new(published(false, &[("warren-attempts", value)]), redrive()).attempts();
    let widths =
        [AMQPValue::ShortShortInt(3), AMQPValue::LongUInt(3), AMQPValue::LongLongInt(3), AMQPValue::ShortUInt(3)];
    for value in widths {
        assert_eq!(attempts(value), 3);
    }
    assert_eq!(attempts(count(-1)), 0);
    assert_eq!(attempts(text("3")), 0);
}
