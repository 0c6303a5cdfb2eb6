//! Faults of the network between the services and the broker, and between email and the mail server.

use std::time::Duration;

use journey::{Proxy, Way};
use rand::RngExt;

use super::last;
use crate::fault::Fault;
use crate::shop::Shop;

/// How often connections are reset in one fault.
const RESETS: usize = 5;

/// Breaks at least one wire, by chance more.
pub(super) async fn strike(fault: Fault, shop: &mut Shop) {
    let certain = shop.dice.random_range(0..5);
    let struck: [bool; 5] = std::array::from_fn(|wire| wire == certain || shop.dice.random());
    let way = if shop.dice.random() { Way::ToServer } else { Way::ToClient };
    let each = |shop: &Shop, act: &dyn Fn(&Proxy)| {
        shop.wires.all().into_iter().zip(struck).filter(|(_, struck)| *struck).for_each(|(wire, _)| act(wire));
    };
    match fault {
        Fault::NetworkCut => each(shop, &Proxy::refuse),
        Fault::NetworkOneWay => each(shop, &|wire| wire.freeze_way(way)),
        Fault::NetworkHalfOpen => each(shop, &Proxy::forget),
        Fault::NetworkSlow => each(shop, &|wire| wire.delay(Duration::from_millis(100))),
        Fault::NetworkByteByByte => each(shop, &|wire| wire.thin(1)),
        _ => {
            for _ in 0..RESETS {
                each(shop, &Proxy::reset);
                let some = shop.dice.random_range(1..50);
                shop.customers.accepted_more(some).await;
            }
        }
    }
    last(shop).await;
    each(shop, &Proxy::pass);
}
