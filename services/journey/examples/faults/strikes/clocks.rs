//! What happens to the services' wall clocks.

use rand::RngExt;

use super::last;
use crate::clock::Jump;
use crate::shop::Shop;

/// Each clock may jump; at least one does. Later those jump back.
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
