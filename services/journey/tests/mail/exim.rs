//! Exim: no enhanced status codes, limits of its own, answers of several lines.

use journey::free_port;
use tokio::net::TcpListener;

use crate::{
    server::Server,
    shop::{Shop, customers},
};

/// Its configuration; MAIN and RCPT stand for a case's own lines. A few processes deliver from its queue: one for each mail, as soon as it is
/// taken, would be hundreds at once.
const CONFIG: &str = "
primary_hostname = mail.example.org
local_interfaces = 127.0.0.1
exim_user = Debian-exim
exim_group = Debian-exim
log_file_path = /case/log/%s
never_users = root
host_lookup =
tls_advertise_hosts =
queue_only = true
acl_smtp_rcpt = rcpt
MAIN
begin acl
rcpt:
RCPT
  require verify = recipient
  accept domains = example.com
connect:
  accept delay = 3s
mail:
  defer message = too much mail
        ratelimit = 100 / 2s / per_mail / strict / $sender_host_address
  accept
begin routers
shop:
  driver = accept
  domains = example.com
  condition = ${if match{$local_part}{^nobody}{no}{yes}}
  transport = shop
begin transports
shop:
  driver = appendfile
  user = shop
  group = shop
  directory = /case/mail/all
  maildir_format
  create_directory
away:
  driver = smtp
begin retry
* * F,1h,5s
";

/// Exim as usual, with these lines before its ACLs, and in the one for `RCPT`.
async fn exim(main: &str, rcpt: &str) -> Server {
    let port = free_port();
    Server::start("exim", port, &[("exim.conf", &config(port, main, rcpt))]).await
}

fn config(port: u16, main: &str, rcpt: &str) -> String {
    CONFIG.replace("MAIN", &format!("daemon_smtp_ports = {port}\n{main}")).replace("RCPT\n", &format!("{rcpt}\n"))
}

async fn gets_a_thousand_mails(server: Server) {
    let mut shop = Shop::open(server, &[]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_thousand_orders_are_a_thousand_mails_but_for_those_whom_the_server_does_not_know() {
    let mut shop = Shop::open(exim("", "").await, &[]).await;
    let unknown = customers("nobody", 20);
    shop.place(&unknown).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&unknown).await;
}

#[tokio::test]
async fn a_server_that_takes_three_connections_of_a_host_gets_every_mail() {
    gets_a_thousand_mails(exim("smtp_accept_max_per_host = 3", "").await).await;
}

#[tokio::test]
async fn a_server_that_takes_four_connections_in_all_gets_every_mail() {
    gets_a_thousand_mails(exim("smtp_accept_max = 4", "").await).await;
}

#[tokio::test]
async fn a_server_that_takes_ten_mails_on_a_connection_gets_every_mail() {
    gets_a_thousand_mails(exim("smtp_accept_max_per_connection = 10", "").await).await;
}

#[tokio::test]
async fn a_server_that_takes_few_mails_in_a_time_gets_every_mail() {
    gets_a_thousand_mails(exim("acl_smtp_mail = mail", "").await).await;
}

#[tokio::test]
async fn a_server_that_drops_who_talks_before_its_greeting_gets_every_mail() {
    gets_a_thousand_mails(exim("acl_smtp_connect = connect\nsmtp_enforce_sync = true", "").await).await;
}

#[tokio::test]
async fn a_server_that_calls_the_senders_host_before_it_answers_gets_every_mail() {
    // One that never answers: each recipient waits two seconds.
    let host = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let away = host.local_addr().expect("it listens").port();
    let port = free_port();
    let calling = config(port, "smtp_accept_max = 100", "  require verify = sender/callout=2s,defer_ok,no_cache");
    let route = format!(
        "begin routers
away:
  driver = manualroute
  domains = example.org
  transport = away
  route_list = * 127.0.0.1::{away}
  self = send"
    );
    let calling = calling.replace("begin routers", &route);
    let server = Server::start("exim", port, &[("exim.conf", &calling)]).await;
    let mut shop = Shop::open(server, &[("SMTP_CONNECTIONS", "64")]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_sender_that_the_server_does_not_know_pauses_until_it_does() {
    let mut shop = Shop::open(exim("", "  require verify = sender").await, &[]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.paused("Sender verify failed").await;
    let open = config(shop.server.port(), "", "");
    shop.server.change("exim.conf", &open);
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_name_that_the_server_cannot_verify_pauses_until_it_need_not() {
    let mut shop = Shop::open(exim("helo_verify_hosts = *", "").await, &[("SMTP_HELO", "shop.example.net")]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.paused("does not match calling host").await;
    let open = config(shop.server.port(), "", "");
    shop.server.change("exim.conf", &open);
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_mail_that_is_too_large_is_a_dead_letter_and_in_nobodys_way() {
    let mut shop = Shop::open(exim("message_size_limit = 10K", "").await, &[]).await;
    let many_things = customers("collector", 20);
    shop.place_orders(&many_things, 100).await;
    shop.place(&customers("customer", 1000)).await;
    shop.balances(&many_things).await;
}

#[tokio::test]
async fn a_server_with_smtputf8_gets_mail_for_every_address() {
    let mut shop = Shop::open(exim("", "").await, &[]).await;
    shop.place(&customers("käthe", 500)).await;
    shop.place(&customers("customer", 500)).await;
    shop.balances(&[]).await;
}

#[tokio::test]
async fn a_server_that_makes_its_certificate_itself_gets_every_mail_encrypted() {
    let port = free_port();
    let encrypting = config(port, "", "").replace("tls_advertise_hosts =\n", "");
    let mut shop = Shop::open(Server::start("exim", port, &[("exim.conf", &encrypting)]).await, &[]).await;
    shop.place(&customers("customer", 1000)).await;
    let server = shop.balances(&[]).await;
    assert!(server.mails().iter().all(|mail| mail.headers("Received").any(|line| line.contains("TLS1."))));
}
