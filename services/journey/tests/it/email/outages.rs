//! A server that is away is waited for; no order pays for it.

use std::collections::BTreeSet;

use journey::{At, SmtpOptions, SmtpServer, Trouble};

use super::office::{DEAD, Office};

#[tokio::test]
async fn an_answer_about_the_session_pauses_and_kills_no_order() {
    for (at, answer) in [
        (At::Greeting, "554 5.3.2 no service here"),
        (At::Ehlo, "550 5.7.1 not from you"),
        (At::Mail, "421 4.3.2 shutting down"),
        (At::Rcpt, "454 4.7.0 no TLS"),
        (At::Mail, "530 5.7.0 log in first"),
        (At::Data, "534 5.7.9 too weak"),
    ] {
        let mut office = Office::open().await;
        office.smtp.trouble(at, &Trouble::Reply(answer), None);
        for _ in 0..3 {
            office.place("Ada").await;
        }
        office.paused(answer).await;
        assert_eq!(office.counted("refused").await, 0.0);
        office.smtp.recover();
        assert_eq!(office.mails(3).await.len(), 3);
        office.assert_no_order_was_blamed().await;
    }
}

#[tokio::test]
async fn a_server_that_was_stopped_and_started_gets_every_mail_once() {
    let mut office = Office::open().await;
    office.place("Before").await;
    office.mails(1).await;
    office.smtp.stop();
    for number in 0..20 {
        office.place(&format!("Customer {number}")).await;
    }
    office.paused("Connection refused").await;
    office.smtp.start_again();
    let mails = office.mails(21).await;
    let ids: BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!((mails.len(), ids.len()), (21, 21));
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn a_server_that_takes_connections_and_says_nothing_pauses() {
    let smtp = SmtpServer::start(SmtpOptions::new());
    let office = Office::with(smtp, &[("HANDLE_TIMEOUT", "10s")]).await;
    office.smtp.freeze();
    office.place("Ada").await;
    office.paused("not ready for mail").await;
    office.smtp.thaw();
    assert_eq!(office.mails(1).await.len(), 1);
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn ten_orders_in_a_row_deferred_alike_pause() {
    let many = ["100ms"; 10].join(",");
    let mut office = Office::with(SmtpServer::start(SmtpOptions::new()), &[("RETRY_DELAYS", &many)]).await;
    office.smtp.trouble(At::Body, &Trouble::Reply("452 4.3.1 the disk is full"), None);
    for number in 0..12 {
        office.place(&format!("Customer {number}")).await;
    }
    office.paused("defers every mail, with 452 4.3.1 the disk is full").await;
    office.smtp.recover();
    office.mails(12).await;
    assert_eq!(office.broker.depth(DEAD).await, Some(0));
}
