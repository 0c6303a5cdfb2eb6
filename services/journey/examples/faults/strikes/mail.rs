//! Faults of the mail server.

use std::time::Duration;

use journey::{At, Trouble};
use rand::seq::IndexedRandom;
use tokio::time::sleep;

use super::last;
use crate::ledger::{ODD, REFUSED};
use crate::shop::Shop;

/// How long a slow greeting takes. Some mail servers look up the client first, or test its patience.
const GREETING: Duration = Duration::from_secs(6);

pub(super) async fn stopped(shop: &mut Shop) {
    shop.smtp.stop();
    last(shop).await;
    shop.smtp.start_again();
}

/// The server answers 4xx to everybody, at one step of a mail.
pub(super) async fn busy(shop: &mut Shop) {
    let at = *[At::Mail, At::Rcpt, At::Data, At::Body].choose(&mut shop.dice).expect("there are four");
    shop.smtp.trouble(at, &Trouble::Reply("451 4.3.0 later"), None);
    last(shop).await;
    shop.smtp.recover();
}

/// The server answers 5xx to some addresses, so that their orders become dead letters.
pub(super) async fn refuses_some(shop: &mut Shop) {
    shop.smtp.trouble_for(ODD, At::Rcpt, &Trouble::Reply(REFUSED));
    last(shop).await;
    shop.smtp.recover();
}

/// The server takes mails and never says so. Then it takes connections and answers nothing.
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

/// The server answers 5xx to everybody, for a reason that is no order's fault: the sender, the client's address, or the
/// account.
pub(super) async fn refuses_sender(shop: &mut Shop) {
    let refusals = [
        (At::Mail, "550 5.7.1 you may not send as that sender"),
        (At::Rcpt, "553 5.7.1 Sender address rejected: not owned by user"),
        (At::Rcpt, "554 5.7.1 Service unavailable; client host is blocked"),
        (At::Body, "550 5.4.5 daily quota exceeded"),
    ];
    let (at, refusal) = refusals.choose(&mut shop.dice).expect("there are four");
    shop.smtp.trouble(*at, &Trouble::Reply(refusal), None);
    last(shop).await;
    shop.smtp.recover();
}

/// The server never answers a session that names a recipient. Later sessions are answered.
pub(super) async fn hangs_at_rcpt(shop: &mut Shop) {
    shop.smtp.trouble(At::Rcpt, &Trouble::Hang, None);
    last(shop).await;
    shop.smtp.recover();
}

/// Every session has to begin anew, and waits long for its greeting.
pub(super) async fn slow_to_greet(shop: &mut Shop) {
    shop.smtp.trouble(At::Greeting, &Trouble::Delay(GREETING), None);
    shop.wires.smtp.cut();
    sleep(GREETING).await;
    last(shop).await;
    shop.smtp.recover();
}

/// The server takes three sessions at once and refuses others, or it takes only so many mails a second.
pub(super) async fn throttles(shop: &mut Shop) {
    let (sessions, rate) = *[(Some(3), None), (None, Some(14))].choose(&mut shop.dice).expect("there are two");
    shop.smtp.limit(sessions, rate);
    // Otherwise the sessions that exist would go on.
    shop.wires.smtp.cut();
    last(shop).await;
    shop.smtp.limit(None, None);
}
