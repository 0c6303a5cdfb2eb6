//! What is deleted under way: a queue, the exchange.

use std::collections::HashSet;
use std::time::SystemTime;

use rand::RngExt;

use crate::books::event;
use crate::ruin::{ANALYTICS_QUEUE, EMAIL_QUEUE, EXCHANGE, Ruin};
use crate::shop::Shop;

/// A queue that is empty is deleted while it is consumed from: the broker cancels the consumer. What comes until it is bound again misses it.
pub(super) async fn consumer_cancelled(shop: &mut Shop) {
    let queue = either_queue(shop);
    let held = shop.customers.hold().await;
    shop.rest().await;
    let from = SystemTime::now();
    shop.customers.grant(held);
    shop.broker().delete_queue(queue).await;
    let ruin = Ruin::mended(shop.broker(), queue, HashSet::new(), from).await;
    shop.ruins.push(ruin);
}

/// How many orders a queue holds at least when it is deleted, if so many are still to come.
const BACKLOG: usize = 100;

/// A queue is deleted with a backlog that is known to the last event: its consumer was stopped, and nobody orders. What earlier faults left
/// is through before, so that they keep their own account.
pub(super) async fn queue_deleted(shop: &mut Shop) {
    let queue = either_queue(shop);
    let held = shop.customers.hold().await;
    shop.rest().await;
    let consumer = if queue == EMAIL_QUEUE { &mut shop.email } else { &mut shop.analytics };
    consumer.stop().await;
    shop.customers.grant(held);
    shop.customers.accepted_more(BACKLOG).await;
    let held = shop.customers.hold().await;
    let from = SystemTime::now();
    let content = shop.broker().peek(queue).await.iter().map(event).collect();
    shop.broker().delete_queue(queue).await;
    shop.customers.grant(held);
    let ruin = Ruin::mended(shop.broker(), queue, content, from).await;
    shop.ruins.push(ruin);
    let consumer = if queue == EMAIL_QUEUE { &mut shop.email } else { &mut shop.analytics };
    consumer.start();
}

/// Whoever asserts first binds its own queue alone, so until the next assertion orders may miss the other.
pub(super) async fn exchange_deleted(shop: &mut Shop) {
    let from = SystemTime::now();
    shop.broker().delete_exchange(EXCHANGE).await;
    for queue in [EMAIL_QUEUE, ANALYTICS_QUEUE] {
        let ruin = Ruin::mended(shop.broker(), queue, HashSet::new(), from).await;
        shop.ruins.push(ruin);
    }
}

fn either_queue(shop: &mut Shop) -> &'static str {
    if shop.dice.random() { EMAIL_QUEUE } else { ANALYTICS_QUEUE }
}
