//! An answer makes a suspect: whether other mails pass tells whose trouble it is.

use std::collections::BTreeSet;
use std::time::Duration;

use journey::{At, SmtpOptions, SmtpServer, Trouble};

use super::office::Office;

/// All were mailed, each once.
async fn each_was_mailed_once(office: &Office, count: usize) {
    let mails = office.mails(count).await;
    let ids: BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!((mails.len(), ids.len()), (count, count));
}

#[tokio::test]
async fn the_same_no_to_every_mail_pauses_and_costs_no_order_anything() {
    for (at, answer) in [
        (At::Rcpt, "553 5.7.1 <warren@localhost>: Sender address rejected: not owned by user shop"),
        (At::Rcpt, "504 5.5.2 <shop>: Helo command rejected: need fully-qualified hostname"),
        (At::Mail, "550 5.7.1 your plan has expired"),
        (At::Mail, "530 5.7.0 Must issue a STARTTLS command first"),
        (At::Data, "554 5.5.1 no valid recipients"),
        (At::Body, "550 5.4.5 Daily user sending quota exceeded"),
        (At::Body, "554 5.7.1 Service unavailable; client host blocked"),
        (At::Body, "451 4.7.1 hold on"),
        (At::Rcpt, "454 4.7.1 Relay access denied"),
        (At::Rcpt, "421 4.4.2 not now"),
    ] {
        let mut office = Office::open().await;
        office.smtp.trouble(at, &Trouble::Reply(answer), None);
        for number in 0..40 {
            office.place(&format!("Customer {number}")).await;
        }
        office.paused(answer.split("<").next().unwrap().trim()).await;
        office.assert_no_order_was_blamed().await;
        office.smtp.recover();
        each_was_mailed_once(&office, 40).await;
        office.ready().await;
        office.assert_no_order_was_blamed().await;
    }
}

#[tokio::test]
async fn the_same_no_about_recipients_or_content_to_every_mail_costs_a_few_orders() {
    for (at, answer) in [
        (At::Rcpt, "550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown in local recipient table"),
        (At::Mail, "552 5.3.4 Message size exceeds fixed limit"),
        (At::Body, "554 5.6.0 Message content not accepted"),
    ] {
        let mut office = Office::open().await;
        office.smtp.trouble(at, &Trouble::Reply(answer), None);
        for number in 0..40 {
            office.place(&format!("Customer {number}")).await;
        }
        office.paused(answer.split("<").next().unwrap().trim()).await;
        // The first ones could have been bad addresses.
        office.dead(5).await;
        assert_eq!(office.counted("refused").await, 5.0);
        office.smtp.recover();
        each_was_mailed_once(&office, 35).await;
        office.ready().await;
        office.dead(5).await;
    }
}

#[tokio::test]
async fn a_no_over_one_address_is_its_own_orders_trouble_wherever_it_stands_in_the_queue() {
    for answer in [
        "421 4.3.0 try later",
        "454 4.7.1 Relay access denied",
        "450 4.2.1 later",
        "530 5.7.0 log in",
        "550 5.7.1 blocked",
    ] {
        let mut office = Office::open().await;
        office.smtp.trouble_for("bad@", At::Rcpt, &Trouble::Reply(answer));
        office.place_to("bad@example.com").await;
        for number in 0..14 {
            office.place_to(&format!("first-{number}@example.com")).await;
        }
        office.place_to("also-bad@example.com").await;
        for number in 0..14 {
            office.place_to(&format!("second-{number}@example.com")).await;
        }
        each_was_mailed_once(&office, 28).await;
        // One more, in case both were asked about after all others.
        office.place_to("last@example.com").await;
        office.dead(2).await;
        each_was_mailed_once(&office, 29).await;
        office.ready().await;
    }
}

#[tokio::test]
async fn addresses_that_are_refused_one_after_the_other_hold_up_nobody_else() {
    let mut office = Office::open().await;
    office.smtp.trouble_for("bad", At::Rcpt, &Trouble::Reply("450 4.1.2 Domain not found"));
    for number in 0..5 {
        office.place_to(&format!("bad-{number}@example.com")).await;
    }
    office.paused("450 4.1.2").await;
    for number in 0..10 {
        office.place_to(&format!("good-{number}@example.com")).await;
    }
    each_was_mailed_once(&office, 10).await;
    // Those that were asked about after all of these wait for the next one that passes.
    for passed in 11..40 {
        office.place_to(&format!("next-{passed}@example.com")).await;
        each_was_mailed_once(&office, passed).await;
    }
    office.dead(5).await;
    office.ready().await;
}

#[tokio::test]
async fn bad_addresses_pause_nothing_once_a_mail_has_passed() {
    for (answer, outcome, enough) in [
        (Trouble::Reply("550 5.1.1 <bad@example.com>: Recipient address rejected: User unknown"), "dead", 36.0),
        (Trouble::Reply("550 no such user"), "delayed", 10.0),
        (Trouble::Reply("450 4.1.2 Domain not found"), "delayed", 10.0),
        (Trouble::Hang, "delayed", 10.0),
        (Trouble::Drop, "delayed", 10.0),
    ] {
        let smtp = SmtpServer::start(SmtpOptions::new());
        let mut office = Office::with(smtp, &[("SMTP_COMMAND_TIMEOUT", "2s")]).await;
        office.place_to("good@example.com").await;
        each_was_mailed_once(&office, 1).await;
        office.smtp.trouble_for("bad", At::Rcpt, &answer);
        for number in 0..40 {
            office.place_to(&format!("bad-{number}@example.com")).await;
        }
        // So many orders were found to be at fault, although nothing passed after the first mail.
        let labels = [("outcome", outcome)];
        let counted = || office.email.metric("messaging_consumed_total", &labels);
        journey::eventually(&format!("{answer:?} is theirs"), counted, |&counted| counted >= enough).await;
        office.place_to("last@example.com").await;
        each_was_mailed_once(&office, 2).await;
        let log = office.email.log();
        assert!(!log.contains("consumer paused"), "{answer:?}: {log}");
    }
}

#[tokio::test]
async fn a_good_address_behind_many_bad_ones_waits_for_no_pause_over_each() {
    for answer in ["550 5.1.1 User unknown", "450 4.1.2 Domain not found"] {
        let mut office = Office::open().await;
        office.smtp.trouble_for("bad", At::Rcpt, &Trouble::Reply(answer));
        for number in 0..150 {
            office.place_to(&format!("bad-{number}@example.com")).await;
        }
        office.place_to("good@example.com").await;
        each_was_mailed_once(&office, 1).await;
    }
}

#[tokio::test]
async fn an_address_beyond_ascii_is_its_own_orders_trouble_where_the_server_takes_none() {
    let office = Office::open().await;
    for number in 0..40 {
        office.place_to(&format!("käthe-{number}@example.com")).await;
    }
    office.dead(40).await;
    office.place_to("last@example.com").await;
    each_was_mailed_once(&office, 1).await;
}

#[tokio::test]
async fn recipients_over_whom_the_server_takes_minutes_leave_sessions_to_the_others() {
    // The server's answers are due within the five minutes of the default.
    let mut office = Office::with(SmtpServer::start(SmtpOptions::new()), &[("SMTP_CONNECTIONS", "4")]).await;
    office.smtp.trouble_for("slow", At::Rcpt, &Trouble::Hang);
    for number in 0..8 {
        office.place_to(&format!("slow-{number}@example.com")).await;
    }
    for number in 0..8 {
        office.place_to(&format!("good-{number}@example.com")).await;
    }
    each_was_mailed_once(&office, 8).await;
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn mailboxes_that_are_full_slow_nobody_else() {
    let mut office = Office::open().await;
    office.smtp.trouble_for("full", At::Body, &Trouble::Reply("552 5.2.2 <x@example.com>: mailbox quota exceeded"));
    for number in 0..40 {
        let name = if number % 20 == 5 { "full" } else { "good" };
        office.place_to(&format!("{name}-{number}@example.com")).await;
    }
    each_was_mailed_once(&office, 38).await;
    // Those that were asked about after all of these wait for the next one that passes.
    for passed in 39..60 {
        office.place_to(&format!("next-{passed}@example.com")).await;
        each_was_mailed_once(&office, passed).await;
    }
    office.dead(2).await;
    assert_eq!(office.counted("throttled").await, 0.0);
    office.ready().await;
}

#[tokio::test]
async fn silence_over_every_mail_pauses_and_costs_no_order_anything() {
    for at in [At::Mail, At::Rcpt, At::Data] {
        let smtp = SmtpServer::start(SmtpOptions::new());
        let times = [("SMTP_COMMAND_TIMEOUT", "2s"), ("SMTP_DATA_TIMEOUT", "2s")];
        let mut office = Office::with(smtp, &times).await;
        office.smtp.trouble(at, &Trouble::Hang, None);
        for number in 0..10 {
            office.place(&format!("Customer {number}")).await;
        }
        office.paused("without an answer").await;
        office.smtp.recover();
        each_was_mailed_once(&office, 10).await;
        office.assert_no_order_was_blamed().await;
    }
}

#[tokio::test]
async fn a_connection_cut_over_every_mail_pauses_and_costs_no_order_anything() {
    for at in [At::Rcpt, At::Body] {
        let mut office = Office::open().await;
        office.smtp.trouble(at, &Trouble::Drop, None);
        for number in 0..10 {
            office.place(&format!("Customer {number}")).await;
        }
        office.paused("is lost with every mail").await;
        office.smtp.recover();
        each_was_mailed_once(&office, 10).await;
        office.assert_no_order_was_blamed().await;
    }
}

#[tokio::test]
async fn an_address_over_which_the_server_hangs_stops_nobody_and_dies_alone() {
    let smtp = SmtpServer::start(SmtpOptions::new());
    let mut office = Office::with(smtp, &[("SMTP_COMMAND_TIMEOUT", "2s")]).await;
    office.smtp.trouble_for("bad@", At::Rcpt, &Trouble::Hang);
    office.place_to("bad@example.com").await;
    for number in 0..10 {
        office.place_to(&format!("good-{number}@example.com")).await;
    }
    each_was_mailed_once(&office, 10).await;
    // It was silent over nobody else: whoever passes between two silences tells.
    let mut mailed = 10;
    while office.broker.depth(super::office::DEAD).await == Some(0) {
        let hung = office.smtp.troubled(At::Rcpt);
        office.place_to("another@example.com").await;
        mailed += 1;
        office.mails(mailed).await;
        let again = || async { (office.smtp.troubled(At::Rcpt), office.broker.depth(super::office::DEAD).await) };
        journey::eventually("it hangs again, or dies", again, |&(now, dead)| now > hung || dead == Some(1)).await;
    }
    each_was_mailed_once(&office, mailed).await;
}

#[tokio::test]
async fn a_lone_order_that_is_refused_waits_and_pauses_nothing_and_is_asked_about_less_and_less_often() {
    let mut office = Office::open().await;
    office.smtp.trouble(At::Rcpt, &Trouble::Reply("553 5.7.1 Sender address rejected"), None);
    office.place("Ada").await;
    let postponed = || office.email.metric("messaging_consumed_total", &[("outcome", "postponed")]);
    journey::eventually("it came fifty times", postponed, |&times| times >= 50.0).await;
    let asked = office.smtp.troubled(At::Rcpt);
    assert!(asked <= 5, "asked {asked} times");
    assert_eq!(office.email.state().await, "consuming");
    office.assert_no_order_was_blamed().await;
    office.smtp.recover();
    each_was_mailed_once(&office, 1).await;
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn a_server_that_restarts_is_no_orders_last_attempt() {
    // One attempt: any that is counted is the last.
    let mut office = Office::with(SmtpServer::start(SmtpOptions::new()), &[("RETRY_DELAYS", "100ms")]).await;
    for at in [At::Rcpt, At::Body] {
        office.smtp.trouble(at, &Trouble::Delay(Duration::from_millis(200)), None);
    }
    let mut placed = 0;
    for _ in 0..3 {
        let before = office.smtp.mails().len();
        for _ in 0..30 {
            office.place("Ada").await;
            placed += 1;
        }
        office.mails(before + 5).await;
        office.smtp.stop();
        office.smtp.start_again();
    }
    let ids = || async {
        office.smtp.mails().iter().map(|mail| mail.header("Message-ID").to_owned()).collect::<BTreeSet<_>>()
    };
    journey::eventually("all are mailed", ids, |ids| ids.len() == placed).await;
    assert_eq!(office.broker.depth(super::office::DEAD).await, Some(0));
}
