//! Certificates, and addresses beyond ASCII.

use journey::{Authority, Folder, Identity};

use super::{main, plain, start};
use crate::{
    mail::Mail,
    server::Server,
    shop::{Shop, customers},
};

/// Postfix that encrypts, with this certificate.
async fn encrypting(level: &str, certificate: &str, key: &str) -> Server {
    let main = main(&format!(
        "smtpd_tls_security_level = {level}
smtpd_tls_chain_files = /case/key.pem, /case/certificate.pem
smtpd_tls_received_header = yes"
    ));
    start(plain, &[("main.cf", &main), ("certificate.pem", certificate), ("key.pem", key)]).await
}

/// What Debian's ssl-cert makes: signed by itself, for a name that is not the server's.
fn snakeoil() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["vm".to_owned()]).expect("the name is valid")
}

fn all_are_encrypted(server: &Server) {
    let encrypted = |mail: &Mail| mail.headers("Received").any(|line| line.contains("using TLS"));
    let mails = server.mails();
    assert!(mails.iter().all(encrypted), "{:?}", mails.iter().find(|mail| !encrypted(mail)));
}

#[tokio::test]
async fn a_server_with_a_certificate_of_its_own_making_gets_every_mail_encrypted() {
    let snakeoil = snakeoil();
    let server = encrypting("may", &snakeoil.cert.pem(), &snakeoil.signing_key.serialize_pem()).await;
    let mut shop = Shop::open(server, &[]).await;
    shop.place(&customers("customer", 1000)).await;
    all_are_encrypted(&shop.balances(&[]).await);
}

#[tokio::test]
async fn a_server_that_can_be_verified_gets_every_mail_encrypted() {
    let authority = Authority::new("mail authority");
    let Identity { certificate, key, .. } = authority.certify(&["localhost"]);
    let folder = Folder::fresh();
    let file = folder.file("ca.pem", authority.pem());
    let server = encrypting("encrypt", &certificate, &key).await;
    let url = server.url("?tls=required");
    let mut shop = Shop::open(server, &[("SMTP_URL", &url), ("SMTP_CA_FILE", file.to_str().unwrap())]).await;
    shop.place(&customers("customer", 1000)).await;
    all_are_encrypted(&shop.balances(&[]).await);
}

#[tokio::test]
async fn a_server_that_has_to_be_verified_and_cannot_be_pauses_until_its_authority_is_known() {
    let authority = Authority::new("mail authority");
    let Identity { certificate, key, .. } = authority.certify(&["localhost"]);
    let folder = Folder::fresh();
    let file = folder.file("ca.pem", Authority::new("another").pem());
    let server = encrypting("encrypt", &certificate, &key).await;
    let url = server.url("?tls=required");
    let mut shop = Shop::open(server, &[("SMTP_URL", &url), ("SMTP_CA_FILE", file.to_str().unwrap())]).await;
    shop.place(&customers("customer", 1000)).await;
    shop.paused("SMTP_CA_FILE").await;
    folder.file("ca.pem", authority.pem());
    all_are_encrypted(&shop.balances(&[]).await);
}

/// Half of the addresses need SMTPUTF8.
fn foreign() -> [Vec<String>; 2] {
    [customers("käthe", 500), customers("customer", 500)]
}

#[tokio::test]
async fn a_server_with_smtputf8_gets_mail_for_every_address() {
    let mut shop = Shop::open(super::postfix("smtputf8_enable = yes").await, &[]).await;
    for customers in foreign() {
        shop.place(&customers).await;
    }
    shop.balances(&[]).await;
}

#[tokio::test]
async fn without_smtputf8_only_addresses_that_need_it_are_dead_letters() {
    let mut shop = Shop::open(super::postfix("smtputf8_enable = no").await, &[]).await;
    let [foreign, others] = foreign();
    shop.place(&foreign).await;
    shop.place(&others).await;
    shop.balances(&foreign).await;
}
