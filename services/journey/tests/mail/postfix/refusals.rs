//! What Postfix says no to: one recipient, or everybody because of who we are.

use super::{main, postfix};
use crate::shop::{Shop, customers};

#[tokio::test]
async fn a_thousand_orders_are_a_thousand_mails_but_for_those_whom_the_server_does_not_know() {
    let mut shop = Shop::open(postfix("").await, &[]).await;
    let unknown = customers("nobody", 20);
    shop.place(&unknown).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&unknown).await;
}

#[tokio::test]
async fn recipients_who_are_put_off_for_ever_are_in_nobodys_way() {
    let lines = "smtpd_recipient_restrictions = check_recipient_access inline:{
        {later-1@example.com = 450 4.2.0 busy}, {later-2@example.com = 454 4.7.1 not for you},
        {later-3@example.com = 421 4.2.1 not now}, {later-4@example.com = 530 5.7.0 not like this}}, permit_auth_destination, reject";
    let mut shop = Shop::open(postfix(lines).await, &[]).await;
    let put_off = customers("later", 4);
    shop.place(&put_off).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&put_off).await;
}

const STRICT: &str =
    "smtpd_helo_required = yes\nsmtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname";

#[tokio::test]
async fn we_call_ourselves_what_strict_servers_take() {
    let mut shop = Shop::open(postfix(STRICT).await, &[]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_name_that_the_server_refuses_pauses_until_it_takes_it() {
    let mut shop = Shop::open(postfix(STRICT).await, &[("SMTP_HELO", "shop")]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.paused("need fully-qualified hostname").await;
    shop.server.change("main.cf", &main(""));
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_server_that_hears_its_own_name_pauses_until_it_takes_it() {
    let lines = "smtpd_delay_reject = no
smtpd_helo_restrictions = check_helo_access inline:{{mail.example.org = 550 5.7.1 that is me}}";
    let mut shop = Shop::open(postfix(lines).await, &[("SMTP_HELO", "mail.example.org")]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.paused("that is me").await;
    shop.server.change("main.cf", &main(""));
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_sender_that_the_login_does_not_own_pauses_until_it_does() {
    let owned_by = |owner: &str| {
        main(&format!(
            "cyrus_sasl_config_path = /case
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = mail.example.org
smtpd_sender_login_maps = inline:{{ {{warren@example.org = {owner}}} }}
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_recipient_restrictions = permit_sasl_authenticated, reject"
        ))
    };
    let server = super::start(
        super::plain,
        &[
            ("main.cf", &owned_by("somebody@mail.example.org")),
            (
                "smtpd.conf",
                "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: /case/sasldb\n",
            ),
        ],
    )
    .await;
    let url = format!("smtp://shop:secret@localhost:{}?tls=none", server.port());
    let mut shop = Shop::open(server, &[("SMTP_URL", &url)]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.paused("not owned by user").await;
    shop.server.change("main.cf", &owned_by("shop@mail.example.org"));
    shop.balances(&[]).await;
}
