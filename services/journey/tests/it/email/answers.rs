//! What becomes of a mail whose server answers no, late or never.

use std::time::Duration;

use journey::{At, SmtpOptions, SmtpServer, Trouble, eventually};

use super::office::{DEAD, Office};

#[tokio::test]
async fn a_mail_deferred_once_arrives_at_the_second_attempt() {
    let mut office = Office::open().await;
    office.smtp.trouble(At::Rcpt, &Trouble::Reply("451 4.3.0 later, <ada@example.com>"), Some(1));
    office.place("Ada").await;
    assert_eq!(office.mails(1).await.len(), 1);
    assert_eq!(office.counted("deferred").await, 1.0);
    assert!(!office.email.log().contains("ada@example.com"), "{}", office.email.log());
}

#[tokio::test]
async fn a_mail_refused_for_good_is_a_dead_letter_and_the_next_one_goes_out() {
    for at in [At::Rcpt, At::Data, At::Body] {
        let mut office = Office::open().await;
        office.smtp.trouble(at, &Trouble::Reply("550 5.1.1 <ada@example.com> is unknown"), Some(1));
        let refused = office.place("Refused").await;
        let depth = || office.broker.depth(DEAD);
        eventually(&format!("refused at {at:?}, it is a dead letter"), depth, |&depth| depth == Some(1)).await;
        let letter = &office.broker.peek(DEAD).await[0];
        assert_eq!(letter.json()["id"], refused);
        assert_eq!((office.counted("refused").await, office.counted("outage").await), (1.0, 0.0));
        let log = office.email.log();
        assert!(log.contains("550 5.1.1 <a***@example.com> is unknown"), "{log}");
        assert!(!log.contains("ada@example.com"), "{log}");
        let accepted = office.place("Accepted").await;
        assert_eq!(office.mails(1).await[0].header("Message-ID"), format!("<{accepted}@localhost>"));
    }
}

#[tokio::test]
async fn silence_after_the_message_is_a_suspicion_and_the_copy_has_the_same_id() {
    let smtp = SmtpServer::start(SmtpOptions::new());
    let mut office = Office::with(smtp, &[("SMTP_FINAL_TIMEOUT", "2s")]).await;
    office.smtp.trouble(At::Body, &Trouble::Hang, Some(1));
    let id = office.place("Ada").await;
    let mails = office.mails(2).await;
    assert!(mails.iter().all(|mail| mail.header("Message-ID") == format!("<{id}@localhost>")), "{mails:?}");
    assert!(office.counted("unanswered").await >= 1.0);
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn a_slow_server_gets_its_time() {
    let mut office = Office::with(SmtpServer::start(SmtpOptions::new()), &[("HANDLE_TIMEOUT", "30s")]).await;
    // Longer than a parked session gets for its first answer, and a new one gets all the time there is.
    office.smtp.trouble(At::Mail, &Trouble::Delay(Duration::from_secs(5)), None);
    for at in [At::Ehlo, At::Rcpt, At::Body] {
        office.smtp.trouble(at, &Trouble::Delay(Duration::from_secs(1)), None);
    }
    office.place("Ada").await;
    assert_eq!(office.mails(1).await.len(), 1);
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn a_parked_session_that_fell_silent_costs_no_attempt() {
    let mut office = Office::with(SmtpServer::start(SmtpOptions::new()), &[("HANDLE_TIMEOUT", "30s")]).await;
    office.place("Ada").await;
    office.mails(1).await;
    office.smtp.trouble(At::Mail, &Trouble::Hang, Some(1));
    office.place("Ada").await;
    assert_eq!(office.mails(2).await.len(), 2);
    assert_eq!(office.smtp.sessions(), 2);
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn a_connection_cut_before_the_message_costs_no_attempt() {
    for at in [At::Mail, At::Rcpt, At::Data] {
        let mut office = Office::open().await;
        office.smtp.trouble(at, &Trouble::Drop, Some(1));
        office.place("Ada").await;
        assert_eq!(office.mails(1).await.len(), 1, "{at:?}");
        office.assert_no_order_was_blamed().await;
    }
}

#[tokio::test]
async fn a_connection_cut_after_the_message_is_a_suspicion() {
    let mut office = Office::open().await;
    office.smtp.trouble(At::Body, &Trouble::Drop, Some(1));
    office.place("Ada").await;
    assert_eq!(office.mails(1).await.len(), 1);
    assert_eq!(office.counted("unanswered").await, 1.0);
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn a_mail_that_the_server_breaks_off_over_stops_no_other() {
    let mut office = Office::open().await;
    // Both sessions of one attempt.
    office.smtp.trouble(At::Rcpt, &Trouble::Drop, Some(2));
    office.place("Ada").await;
    assert_eq!(office.mails(1).await.len(), 1);
    let postponed = [("outcome", "postponed")];
    assert_eq!(office.email.metric("messaging_consumed_total", &postponed).await, 1.0);
    office.assert_no_order_was_blamed().await;
}
