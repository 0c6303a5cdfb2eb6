//! Faults of the broker's disk.

use journey::{Broker, eventually_within};

use super::last;
use crate::service::PATIENCE;
use crate::shop::Shop;

/// How many bytes are left. This is less than the broker's own limit of 50 MB, and more than it writes until it next looks
/// at the disk.
///
/// Some bytes have to be left: when the disk was full to the last byte, RabbitMQ 4.0.5 twice could not start its quorum
/// queue again (`missing_key` in its log). The limit protects the broker from that.
const ROOM: u64 = 24 << 20;

/// Fills the disk under load, and later makes room again.
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
