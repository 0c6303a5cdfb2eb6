//! Postfix that is killed while mails flow.

use super::postfix;
use crate::shop::{Shop, customers};

/// When it is killed: in the midst of a thousand mails.
const AT: [usize; 4] = [100, 300, 500, 700];

/// Each time, no more mails than are handed over at once can be without an answer.
const COPIES: usize = AT.len() * 16;

/// What would wait for minutes otherwise: a mail whose delivery was cut off, and a new part where the last one ended at once.
const SOON: &str =
    "queue_run_delay = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nservice_throttle_time = 1s";

/// A thousand orders that wait for their server to start.
async fn orders_that_wait() -> Shop {
    let mut shop = Shop::open(postfix(SOON).await, &[]).await;
    shop.server.crash();
    shop.place(&customers("customer", 1000)).await;
    shop.paused("Connection refused").await;
    shop
}

#[tokio::test]
async fn a_server_that_is_killed_gets_every_mail_and_copies_of_those_alone_that_it_did_not_answer_for() {
    let mut shop = orders_that_wait().await;
    for mails in AT {
        shop.server.restart();
        shop.sends(mails).await;
        shop.server.crash();
    }
    shop.server.restart();
    shop.balances_with_copies(COPIES).await;
}

#[tokio::test]
async fn a_server_whose_sessions_are_killed_gets_every_mail_and_copies_of_those_alone_that_it_did_not_answer_for() {
    let mut shop = orders_that_wait().await;
    shop.server.restart();
    for mails in AT {
        shop.sends(mails).await;
        shop.server.hang_up();
    }
    shop.balances_with_copies(COPIES).await;
}
