//! OpenSMTPD: encryption from the first byte, filters for each phase, a hundred mails a session and no SMTPUTF8.

use journey::{Authority, Folder, Identity, free_port};

use crate::{
    server::Server,
    shop::{Shop, customers},
};

/// It runs with these lines, and with these options of what it listens on.
async fn opensmtpd(lines: &str, options: &str) -> Server {
    let port = free_port();
    Server::start("opensmtpd", port, &[("smtpd.conf", &config(port, lines, options))]).await
}

fn config(port: u16, lines: &str, options: &str) -> String {
    format!(
        r#"{lines}
table shop {{ "@" = "shop" }}
listen on 127.0.0.1 port {port} hostname mail.example.org {options}
action "shop" maildir "/case/mail/all" virtual <shop>
match from any for rcpt-to regex "^nobody" reject
match from any for domain "example.com" action "shop"
"#
    )
}

#[tokio::test]
async fn a_thousand_orders_are_a_thousand_mails_but_for_those_whom_the_server_does_not_know() {
    let mut shop = Shop::open(opensmtpd("", "").await, &[]).await;
    let unknown = customers("nobody", 20);
    shop.place(&unknown).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&unknown).await;
}

#[tokio::test]
async fn a_server_that_takes_ten_mails_on_a_connection_gets_every_mail() {
    let mut shop = Shop::open(opensmtpd("smtp limit max-mails 10", "").await, &[]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_mail_that_is_too_large_is_a_dead_letter_and_in_nobodys_way() {
    let mut shop = Shop::open(opensmtpd("smtp max-message-size 10K", "").await, &[]).await;
    let many_things = customers("collector", 20);
    shop.place_orders(&many_things, 100).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&many_things).await;
}

#[tokio::test]
async fn without_smtputf8_only_addresses_that_need_it_are_dead_letters() {
    let mut shop = Shop::open(opensmtpd("", "").await, &[]).await;
    let foreign = customers("käthe", 500);
    shop.place(&foreign).await;
    shop.place(&customers("customer", 500)).await;
    shop.balances(&foreign).await;
}

/// A filter that says no to everybody at one phase.
async fn refuses_everybody_at(phase: &str, answer: &str) {
    let filter = format!(r#"filter "no" phase {phase} match !src {{ "192.0.2.1" }} {answer}"#);
    let mut shop = Shop::open(opensmtpd(&filter, r#"filter "no""#).await, &[]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.paused("not from you").await;
    let open = config(shop.server.port(), "", "");
    shop.server.change("smtpd.conf", &open);
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_refusal_of_every_connection_pauses_until_it_ends() {
    refuses_everybody_at("connect", r#"disconnect "554 5.7.1 not from you""#).await;
}

#[tokio::test]
async fn a_refusal_of_every_greeting_pauses_until_it_ends() {
    refuses_everybody_at("ehlo", r#"reject "550 5.7.1 not from you""#).await;
}

#[tokio::test]
async fn a_refusal_of_every_sender_pauses_until_it_ends() {
    refuses_everybody_at("mail-from", r#"reject "550 5.7.1 not from you""#).await;
}

#[tokio::test]
async fn a_refusal_of_every_message_pauses_until_it_ends() {
    refuses_everybody_at("commit", r#"reject "550 5.7.1 not from you""#).await;
}

/// Of the password secret, by crypt(3).
const SECRET: &str = "$6$warren$XKrdVcG4PXdcMX9.B/hHf2VR4uqDkXa5HUXXN4JnfseZ0mWMDJNnTkt/QdsnJKJsdtSClleS5Apiw5ESyB.oD.";

/// Takes mail over TLS from the login shop, if it is this login's sender.
fn for_logins(port: u16, password: &str, sender: &str) -> String {
    let lines = format!(
        r#"pki mail cert "/case/certificate.pem"
pki mail key "/case/key.pem"
table logins {{ shop = "{password}" }}
table owners {{ shop = "{sender}" }}"#
    );
    config(port, &lines, "smtps pki mail auth <logins> senders <owners>")
}

#[tokio::test]
async fn a_login_over_tls_that_the_server_refuses_pauses_until_it_is_right_and_owns_the_sender() {
    let authority = Authority::new("mail authority");
    let Identity { certificate, key, .. } = authority.certify(&["localhost"]);
    let folder = Folder::fresh();
    let file = folder.file("ca.pem", authority.pem());
    let port = free_port();
    let wrong = for_logins(port, "$6$warren$wrong", "somebody@example.org");
    let files = [("smtpd.conf", wrong.as_str()), ("certificate.pem", &certificate), ("key.pem", &key)];
    let server = Server::start("opensmtpd", port, &files).await;
    let url = format!("smtps://shop:secret@localhost:{port}");
    let mut shop = Shop::open(server, &[("SMTP_URL", &url), ("SMTP_CA_FILE", file.to_str().unwrap())]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.paused("535").await;
    shop.server.change("smtpd.conf", &for_logins(port, SECRET, "somebody@example.org"));
    shop.paused("Sender rejected").await;
    shop.server.change("smtpd.conf", &for_logins(port, SECRET, "warren@example.org"));
    shop.balances(&[]).await;
}
