//! What happens to the mail server.

use std::time::Duration;

use journey::{At, Trouble};
use rand::seq::IndexedRandom;

use super::last;
use crate::ledger::{ODD, REFUSED};
use crate::shop::Shop;

pub(super) async fn stopped(shop: &mut Shop) {
    shop.smtp.stop();
    last(shop).await;
    shop.smtp.start_again();
}

/// 4xx for everybody, at a step of a mail.
pub(super) async fn busy(shop: &mut Shop) {
    let at = *[At::Mail, At::Rcpt, At::Data, At::Body].choose(&mut shop.dice).expect("there are four");
    shop.smtp.trouble(at, &Trouble::Reply("451 4.3.0 later"), None);
    last(shop).await;
    shop.smtp.recover();
}

/// 5xx for some addresses: their orders are dead letters.
pub(super) async fn refuses_some(shop: &mut Shop) {
    shop.smtp.trouble_for(ODD, At::Rcpt, &Trouble::Reply(REFUSED));
    last(shop).await;
    shop.smtp.recover();
}

/// It takes connections and answers nothing; or it takes a mail and never says so.
pub(super) async fn silent(shop: &mut Shop) {
    shop.smtp.trouble(At::Body, &Trouble::Hang, Some(3));
    last(shop).await;
    shop.smtp.freeze();
    last(shop).await;
    shop.smtp.thaw();
    shop.smtp.recover();
}

pub(super) async fn slow(shop: &mut Shop) {
    shop.smtp.trouble(At::Data, &Trouble::Delay(Duration::from_millis(300)), None);
    last(shop).await;
    shop.smtp.recover();
}
