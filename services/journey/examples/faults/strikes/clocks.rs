//! Faults of the services' wall clocks.

use rand::RngExt;

use super::last;
use crate::clock::Jump;
use crate::shop::Shop;

/// Moves at least one clock, by chance more. Later they are put right.
pub(super) async fn moved(shop: &mut Shop, jump: Jump) {
    let certain = shop.dice.random_range(0..4);
    let struck: [bool; 4] = std::array::from_fn(|service| service == certain || shop.dice.random());
    shop.services_mut()
        .into_iter()
        .zip(struck)
        .filter(|(_, struck)| *struck)
        .for_each(|(service, _)| service.jump(jump));
    last(shop).await;
    shop.services_mut()
        .into_iter()
        .zip(struck)
        .filter(|(_, struck)| *struck)
        .for_each(|(service, _)| service.put_right());
}
