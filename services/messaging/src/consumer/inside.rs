//! Lets tests and counters of instructions use the bookkeeping of deliveries, without a broker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::Registry;

use super::acks::Acks;
use super::dedupe::{Arrival, Dedupe};
use crate::metrics::{Consumed, Metrics};

/// The number of deliveries that the consumer holds at once.
const IN_HAND: u64 = 64;

/// Takes in this many deliveries, finishes them, and takes the replies that are due.
pub fn acknowledge_all(deliveries: usize) {
    let (mut acks, now) = (Acks::new(128), Instant::now());
    for tag in 1..=deliveries as u64 {
        acks.delivered(tag, tag);
        if tag > IN_HAND {
            acks.finished(tag - IN_HAND, now);
        }
        drop(acks.take_due(now, false));
    }
}

/// Recognises this many events: handles each once, and its copy not again.
///
/// # Panics
/// When an event is taken for another.
pub fn recognise_all(events: usize) {
    let dedupe = Arc::new(Dedupe::new(1_000));
    for event in 0..events {
        let id = format!("019379a2-7c5e-7d35-8f6e-{event:012}");
        let arrive = || dedupe.arrive(Some("urn:warren:order"), Some(&id));
        let Arrival::First(handling) = arrive() else { panic!("{id} is new") };
        handling.succeeded();
        assert!(matches!(arrive(), Arrival::Duplicate), "{id} was handled");
    }
}

/// Counts this many deliveries as handled.
///
/// # Panics
/// Never: the registry is its own.
pub fn count_all(deliveries: usize) {
    let keys = ["order.placed", "order.cancelled"];
    let metrics = Metrics::register(&Registry::new()).expect("the registry is new").consume("email-queue", &keys);
    for _ in 0..deliveries {
        metrics.processed(Duration::from_millis(3));
        metrics.aged(Duration::from_millis(30));
        metrics.consumed("order.placed", Consumed::Handled);
    }
}
