//! What happens to the services' wall clocks.

use rand::RngExt;

use super::last;
use crate::clock::Jump;
use crate::shop::Shop;

/// Each clock may jump; at least one does. Later those jump back.
pub(super) async fn moved(shop: &mut Shop, jump: Jump) {
    let certain = shop.dice.random_range(0..3);
    let struck: [bool; 3] = std::array::from_fn(|service| service == certain || shop.dice.random());
    let services = [&mut shop.order, &mut shop.email, &mut shop.analytics];
    services.into_iter().zip(struck).filter(|(_, struck)| *struck).for_each(|(service, _)| service.jump(jump));
    last(shop).await;
    let services = [&mut shop.order, &mut shop.email, &mut shop.analytics];
    services.into_iter().zip(struck).filter(|(_, struck)| *struck).for_each(|(service, _)| service.put_right());
}
