//! What is deleted under way: a queue, the exchanges.

use std::collections::HashSet;
use std::time::SystemTime;

use journey::Message;
use rand::seq::IndexedRandom;
use uuid::Uuid;

use crate::books::event;
use crate::parcels;
use crate::ruin::{ANALYTICS_QUEUE, EMAIL_QUEUE, EXCHANGE, PACKING_QUEUE, PARCEL_EXCHANGE, PARCEL_QUEUE, Ruin, bound};
use crate::service::Service;
use crate::shop::Shop;

/// A queue that is empty is deleted while it is in use. From a service's queue it is consumed: the broker cancels the
/// consumer, and what comes until the queue is bound again misses it. To the queue of requests packing publishes.
pub(super) async fn consumer_cancelled(shop: &mut Shop) {
    let queue = any_queue(shop);
    let held = shop.customers.hold().await;
    shop.rest().await;
    shop.hear_parcels().await;
    let from = SystemTime::now();
    shop.customers.grant(held);
    shop.broker().delete_queue(queue).await;
    mended(shop, queue, HashSet::new(), from, SystemTime::now()).await;
}

/// How many orders a queue holds at least when it is deleted, if so many are still to come.
const BACKLOG: usize = 100;

/// A queue is deleted with a backlog that is known to the last event: nobody orders, and its consumer was stopped or, if
/// it is the queue of requests, packing has nothing more to publish. What earlier faults left is through before, so that
/// they keep their own account.
pub(super) async fn queue_deleted(shop: &mut Shop) {
    let queue = any_queue(shop);
    let held = shop.customers.hold().await;
    shop.rest().await;
    shop.hear_parcels().await;
    if let Some(consumer) = consumer(shop, queue) {
        consumer.stop().await;
    }
    shop.customers.grant(held);
    shop.customers.accepted_more(BACKLOG).await;
    let held = shop.customers.hold().await;
    if queue == PARCEL_QUEUE {
        shop.rest().await;
    }
    let from = SystemTime::now();
    let about: fn(&Message) -> Uuid = if queue == PARCEL_QUEUE { parcels::cause } else { event };
    let content = shop.broker().peek(queue).await.iter().map(about).collect();
    shop.broker().delete_queue(queue).await;
    let gone = SystemTime::now();
    shop.customers.grant(held);
    mended(shop, queue, content, from, gone).await;
    if let Some(consumer) = consumer(shop, queue) {
        consumer.start();
    }
}

/// Whoever asserts first binds its own queues alone, so until the next assertion orders may miss another's. Requests for
/// parcels miss nothing: packing learns that they reached no queue.
pub(super) async fn exchange_deleted(shop: &mut Shop) {
    let from = SystemTime::now();
    shop.broker().delete_exchange(EXCHANGE).await;
    shop.broker().delete_exchange(PARCEL_EXCHANGE).await;
    for queue in [EMAIL_QUEUE, ANALYTICS_QUEUE, PACKING_QUEUE] {
        let ruin = Ruin::mended(shop.broker(), queue, HashSet::new(), from).await;
        shop.ruins.push(ruin);
    }
    bound(shop.broker(), PARCEL_QUEUE).await;
}

/// Waits until a queue that was deleted is bound again, and notes what was destroyed. From the moment when the queue of
/// requests is gone nothing more is: packing learns which requests reach no queue, and publishes them again.
async fn mended(shop: &mut Shop, queue: &'static str, content: HashSet<Uuid>, from: SystemTime, gone: SystemTime) {
    let mut ruin = Ruin::mended(shop.broker(), queue, content, from).await;
    if queue == PARCEL_QUEUE {
        ruin.until = gone;
    }
    shop.ruins.push(ruin);
}

fn any_queue(shop: &mut Shop) -> &'static str {
    let queues = [EMAIL_QUEUE, ANALYTICS_QUEUE, PACKING_QUEUE, PARCEL_QUEUE];
    queues.choose(&mut shop.dice).expect("there are four")
}

/// The service that consumes the queue; none consumes the requests for parcels.
fn consumer<'s>(shop: &'s mut Shop, queue: &str) -> Option<&'s mut Service> {
    match queue {
        EMAIL_QUEUE => Some(&mut shop.email),
        ANALYTICS_QUEUE => Some(&mut shop.analytics),
        PACKING_QUEUE => Some(&mut shop.packing),
        _ => None,
    }
}
