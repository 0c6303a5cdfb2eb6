//! How many connections and mails Postfix takes in a time, and how large a mail.

use super::postfix;
use crate::{
    server::Server,
    shop::{Shop, customers},
};

/// Postfix with limits that hold for clients on its own machine too, and counts anew every two seconds.
async fn limited(line: &str) -> Server {
    postfix(&format!("smtpd_client_event_limit_exceptions =\nanvil_rate_time_unit = 2s\n{line}")).await
}

async fn gets_a_thousand_mails(server: Server) {
    let mut shop = Shop::open(server, &[]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_server_that_takes_three_connections_at_once_gets_every_mail() {
    gets_a_thousand_mails(limited("smtpd_client_connection_count_limit = 3").await).await;
}

#[tokio::test]
async fn a_server_that_takes_few_new_connections_in_a_time_gets_every_mail() {
    gets_a_thousand_mails(limited("smtpd_client_connection_rate_limit = 4").await).await;
}

#[tokio::test]
async fn a_server_that_takes_few_mails_in_a_time_gets_every_mail() {
    gets_a_thousand_mails(limited("smtpd_client_message_rate_limit = 100").await).await;
}

#[tokio::test]
async fn a_server_that_takes_few_recipients_in_a_time_gets_every_mail() {
    gets_a_thousand_mails(limited("smtpd_client_recipient_rate_limit = 100").await).await;
}

#[tokio::test]
async fn a_mail_that_is_too_large_is_a_dead_letter_and_in_nobodys_way() {
    let mut shop = Shop::open(postfix("message_size_limit = 10240").await, &[]).await;
    let many_things = customers("collector", 20);
    shop.place_orders(&many_things, 100).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&many_things).await;
}
