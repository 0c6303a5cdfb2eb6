//! How long a server may take.

use std::time::Duration;

use journey::{At, SmtpOptions, SmtpServer, Trouble, eventually};

use super::office::Office;

#[tokio::test]
async fn a_server_that_thinks_long_about_the_message_gets_it_once() {
    let mut office = Office::with(SmtpServer::start(SmtpOptions::new()), &[("HANDLE_TIMEOUT", "25m")]).await;
    office.smtp.trouble(At::Body, &Trouble::Delay(Duration::from_secs(20)), None);
    for number in 0..5 {
        office.place(&format!("Customer {number}")).await;
    }
    office.mails(5).await;
    eventually("all are sent", || office.counted("sent"), |&sent| sent == 5.0).await;
    assert_eq!(office.smtp.mails().len(), 5);
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn a_server_that_is_slow_to_greet_gets_its_mail() {
    let mut office = Office::with(SmtpServer::start(SmtpOptions::new()), &[("HANDLE_TIMEOUT", "25m")]).await;
    office.smtp.trouble(At::Greeting, &Trouble::Delay(Duration::from_secs(6)), None);
    office.place("Ada").await;
    office.mails(1).await;
    assert_eq!(office.email.state().await, "consuming");
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn a_server_that_is_too_slow_is_told_with_the_variable_that_changes_it() {
    let smtp = SmtpServer::start(SmtpOptions::new());
    let mut office = Office::with(smtp, &[("SMTP_COMMAND_TIMEOUT", "1s")]).await;
    office.smtp.trouble(At::Greeting, &Trouble::Hang, None);
    office.place("Ada").await;
    office.paused("it did not greet within 1.0s (SMTP_COMMAND_TIMEOUT sets the limit)").await;
    office.smtp.recover();
    office.mails(1).await;
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn a_stop_waits_for_the_answer_to_a_message_and_for_nothing_else() {
    let mut office = Office::with(SmtpServer::start(SmtpOptions::new()), &[]).await;
    office.smtp.trouble_for("hangs@", At::Rcpt, &Trouble::Hang);
    office.smtp.trouble(At::Body, &Trouble::Delay(Duration::from_secs(5)), None);
    office.place_to("hangs@example.com").await;
    office.place_to("ada@example.com").await;
    let hanging = || async { office.smtp.troubled(At::Rcpt) };
    eventually("one is hanging", hanging, |&times| times == 1).await;
    let troubled = || async { office.smtp.troubled(At::Body) };
    eventually("one message is under way", troubled, |&times| times == 1).await;
    office.email.terminate();
    assert_eq!(office.email.exit_code().await, 0, "{}", office.email.log());
    assert_eq!(office.smtp.mails().len(), 1);
    let depth = || office.broker.depth("email-queue");
    eventually("the other one waits", depth, |&depth| depth == Some(1)).await;
}
