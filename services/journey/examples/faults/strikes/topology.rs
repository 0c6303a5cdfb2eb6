//! Faults that delete a queue or the exchanges under way.

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

/// Deletes an empty queue while it is in use. If a service consumes from it, the broker cancels the consumer, and the queue
/// misses events until it is bound again. The other queue that is drawn is the one that packing publishes to.
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

/// How many orders a queue holds at least when it is deleted, if the round has as many left.
const BACKLOG: usize = 100;

/// Deletes a queue with a backlog of which every event is known. Nobody orders meanwhile, and the queue's consumer is
/// stopped; if it is the queue of requests, packing has published them all. Before that, the events of earlier faults are
/// handled, so that this fault does not destroy them.
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

/// Deletes both exchanges. The service that first declares one again binds only the queues that it knows, so orders may
/// miss a queue for a while. Requests for parcels are not lost: packing learns that they reached no queue.
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

/// Waits until a deleted queue is bound again, and notes what was destroyed. Once the queue of requests is gone, no more
/// requests are destroyed: packing learns which ones reach no queue, and publishes them again.
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
