//! A server that takes only so many connections, or mails, gets no more, and every mail goes out.

use std::collections::BTreeSet;
use std::time::Duration;

use journey::{At, Broker, SmtpOptions, SmtpServer, Trouble};

use super::office::{Office, place, start};

/// Places orders before the service starts, waits until all are mailed, and says how often it was not ready meanwhile.
async fn all_mailed(smtp: SmtpServer, orders: usize, variables: &[(&str, &str)]) -> (Office, u32) {
    let broker = Broker::shared().await;
    broker.declare("email-queue", "order-exchange", &["order.placed"]).await;
    for number in 0..orders {
        place(&broker, &format!("Customer {number}")).await;
    }
    let url = smtp.url();
    let email = start(&broker, [("SMTP_URL", url.as_str()), ("RETRY_DELAYS", "100ms")].iter().chain(variables)).await;
    let office = Office { broker, smtp, email };
    let (mut unready, mut mailed) = (0, 0);
    while mailed < orders {
        let before = mailed;
        for _ in 0..600 {
            unready += u32::from(office.email.ops("/readyz").await.status != 200);
            mailed = office.smtp.mails().len();
            if mailed > before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(mailed > before, "{before} of {orders} were mailed, and then none for a minute");
    }
    let ids: BTreeSet<_> = office.smtp.mails().iter().map(|mail| mail.header("Message-ID").to_owned()).collect();
    assert_eq!((office.smtp.mails().len(), ids.len()), (orders, orders));
    office.assert_no_order_was_blamed().await;
    (office, unready)
}

#[tokio::test]
async fn a_server_for_three_connections_gets_three() {
    let mut smtp = SmtpServer::start(SmtpOptions::new().sessions(3));
    smtp.trouble(At::Body, &Trouble::Delay(Duration::from_millis(100)), None);
    let (office, unready) = all_mailed(smtp, 100, &[]).await;
    assert_eq!(unready, 0);
    // Those that were too many at the start, and one each time that one more was tried.
    assert!(office.smtp.throttled() < 30, "{} refused", office.smtp.throttled());
}

#[tokio::test]
async fn a_server_for_fourteen_mails_a_second_gets_about_as_many() {
    let smtp = SmtpServer::start(SmtpOptions::new().rate(14));
    let (office, unready) = all_mailed(smtp, 100, &[]).await;
    assert_eq!(unready, 0);
    assert!(office.smtp.throttled() < 200, "{} refused", office.smtp.throttled());
}

#[tokio::test]
async fn a_rate_that_is_set_is_kept_from_the_start() {
    // A machine that stands still for some seconds sends what it held back at once. So the server takes many more.
    let smtp = SmtpServer::start(SmtpOptions::new().rate(14));
    let (office, unready) = all_mailed(smtp, 20, &[("SMTP_RATE", "2/s")]).await;
    assert_eq!((unready, office.smtp.throttled()), (0, 0));
}

#[tokio::test]
async fn too_many_connections_after_the_message_are_nobodys_trouble_either() {
    let mut smtp = SmtpServer::start(SmtpOptions::new());
    let answer = "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information.";
    // Three mails that are refused five times each, with none taken between them, are the server's trouble. On a slow
    // machine one mail can be alone and meet all refusals, so there are fewer of them.
    smtp.trouble(At::Body, &Trouble::Reply(answer), Some(11));
    let (_, unready) = all_mailed(smtp, 60, &[]).await;
    assert_eq!(unready, 0);
}

#[tokio::test]
async fn a_quota_that_is_used_up_pauses() {
    let mut office = Office::open().await;
    office.smtp.trouble(At::Body, &Trouble::Reply("454 Throttling failure: Daily message quota exceeded"), None);
    for number in 0..20 {
        office.place(&format!("Customer {number}")).await;
    }
    office.paused("454 Throttling failure").await;
    office.smtp.recover();
    office.mails(20).await;
    office.assert_no_order_was_blamed().await;
}
