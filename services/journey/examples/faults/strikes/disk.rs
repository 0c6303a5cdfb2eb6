//! What happens to the broker's disk.

use journey::{Broker, eventually_within};

use super::last;
use crate::service::PATIENCE;
use crate::shop::Shop;

/// What is left: less than the broker's own limit of 50 MB, and more than comes before the broker has looked.
///
/// Not nothing: RabbitMQ 4.0.5 met ENOSPC under load twice and never started its quorum queue again (`missing_key` in its log). Its limit is what
/// keeps it from there.
const ROOM: u64 = 24 << 20;

/// The disk fills up under load, and later there is room again.
pub(super) async fn full(shop: &mut Shop) {
    shop.broker().fill_disk(ROOM);
    let alarmed = || alarmed(shop.broker());
    eventually_within(PATIENCE, "the broker sees that its disk is full", alarmed, |&alarmed| alarmed).await;
    last(shop).await;
    shop.broker().make_room();
}

async fn alarmed(broker: &Broker) -> bool {
    broker.management("nodes").await[0]["disk_free_alarm"] == true
}
