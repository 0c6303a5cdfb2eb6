//! Postfix behind what takes its time: a delay before the greeting, postscreen, a content filter that is slow or hangs.

use journey::{Proxy, free_port};

use super::{postfix, with_services};
use crate::{
    server::Server,
    shop::{Shop, customers},
};

#[tokio::test]
async fn a_server_that_greets_after_six_seconds_gets_every_mail() {
    let lines = "smtpd_delay_reject = no\nsmtpd_client_restrictions = sleep 6";
    let mut shop = Shop::open(postfix(lines).await, &[]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_server_that_greets_in_two_parts_gets_every_mail() {
    let lines = "postscreen_access_list =\npostscreen_greet_action = enforce\npostscreen_cache_map =";
    let services = |port| {
        format!(
            "127.0.0.1:{port} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"
        )
    };
    let mut shop = Shop::open(with_services(lines, services).await, &[]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&[]).await;
}

/// Postfix that asks the content filter at a port about each mail before it takes it, and the port at which it takes the filter's mails: that
/// one waits so many seconds before it does.
async fn filtered(filter: u16, behind: u16, seconds: u32) -> Server {
    let services = |port| {
        format!(
            "127.0.0.1:{port} inet n - n - - smtpd
  -o smtpd_proxy_filter=127.0.0.1:{filter}
127.0.0.1:{behind} inet n - n - - smtpd
  -o smtpd_end_of_data_restrictions=sleep,{seconds}
"
        )
    };
    with_services("default_process_limit = 400", services).await
}

#[tokio::test]
async fn a_content_filter_that_takes_thirty_seconds_loses_no_mail_and_repeats_none() {
    let behind = free_port();
    // A third of them at once, three times.
    let many = [("SMTP_CONNECTIONS", "334"), ("CONCURRENCY", "334")];
    let mut shop = Shop::open(filtered(behind, behind, 30).await, &many).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_content_filter_that_hangs_pauses_until_it_goes_on() {
    let behind = free_port();
    let filter = Proxy::to(behind).await;
    filter.freeze();
    let server = filtered(filter.port(), behind, 0).await;
    let mut shop = Shop::open(server, &[("SMTP_COMMAND_TIMEOUT", "5s"), ("SMTP_FINAL_TIMEOUT", "5s")]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.paused("SMTP_COMMAND_TIMEOUT").await;
    filter.pass();
    shop.balances(&[]).await;
}
