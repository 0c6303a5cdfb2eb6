//! Faults that a stranger causes who may publish.

use rand::RngExt;

use super::last;
use crate::raw;
use crate::ruin::EXCHANGE;
use crate::shop::Shop;
use crate::stranger::KINDS;

/// How often the stranger publishes a message of each kind.
const TURNS: usize = 2;

/// Publishes odd messages while customers order. After each turn the consumers lose their connections, so that the broker
/// delivers again what they hold.
pub(super) async fn poisons(shop: &mut Shop) {
    let round = shop.ledger.round();
    for _ in 0..TURNS {
        for _ in 0..KINDS {
            let poison = shop.stranger.next(round);
            raw::send(shop.broker(), EXCHANGE, &poison.key, &poison.properties, &poison.body).await;
            let some = shop.dice.random_range(0..5);
            shop.customers.accepted_more(some).await;
        }
        shop.wires.email.reset();
        shop.wires.analytics.reset();
        shop.wires.packing.reset();
    }
    last(shop).await;
}
