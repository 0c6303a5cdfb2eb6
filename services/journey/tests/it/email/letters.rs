//! What is sent, and where it goes without a server.

use std::collections::BTreeMap;

use journey::{Broker, Collector, SmtpOptions, SmtpServer, eventually};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use super::office::{Office, place, place_with, start};

#[tokio::test]
async fn a_mail_tells_its_customer_what_was_ordered() {
    let office = Office::open().await;
    let id = office.place("Ada \"Bcc: eve@example.com\" Lövelace").await;
    let [mail] = &office.mails(1).await[..] else { panic!("more than one mail") };
    assert_eq!(mail.header("Message-ID"), format!("<{id}@localhost>"));
    assert_eq!(mail.header("From"), "Warren <warren@localhost>");
    assert!(mail.header("To").contains("Lövelace") && mail.header("To").ends_with("<ada@example.com>"), "{mail:?}");
    assert_eq!(mail.header("Bcc"), "");
    assert_eq!(mail.recipients(), ["ada@example.com"]);
    assert!(mail.text().contains("2 × Earl Grey & Söhne: 9.00 EUR") && mail.text().contains("Total: 9.00 EUR"));
    assert!(mail.html().contains("2 × Earl Grey &amp; Söhne") && mail.html().contains("9.00 EUR"), "{}", mail.html());
    eventually("it is counted", || office.counted("sent"), |&sent| sent == 1.0).await;
    assert!(!office.email.log().contains("ada@example.com"), "{}", office.email.log());
}

#[tokio::test]
async fn many_orders_are_one_mail_each_on_few_connections() {
    let office = Office::with(SmtpServer::start(SmtpOptions::new()), &[("SMTP_CONNECTIONS", "3")]).await;
    let mut placed = Vec::new();
    for number in 0..50 {
        placed.push(format!("<{}@localhost>", office.place(&format!("Customer {number}")).await));
    }
    let mails = office.mails(50).await;
    let mut mailed: Vec<_> = mails.iter().map(|mail| mail.header("Message-ID").to_owned()).collect();
    mailed.sort();
    placed.sort();
    assert_eq!(mailed, placed);
    assert!(office.smtp.sessions() <= 3, "{} sessions", office.smtp.sessions());
}

#[tokio::test]
async fn without_a_server_the_mail_is_in_the_log() {
    let broker = Broker::shared().await;
    let email = start(&broker, &[]).await;
    place(&broker, "Ada Lovelace").await;
    let text = BasicProperties::default().with_content_type("text/plain".into());
    assert!(broker.publish("order-exchange", "order.placed", text, b"NEW ORDER CREATED").await);
    let log = || async { email.logged("Sending email for: ") };
    let mut lines = eventually("both mails are in the log", log, |lines| lines.len() == 2).await;
    lines.sort();
    assert_eq!(lines[0], "NEW ORDER CREATED");
    assert!(lines[1].starts_with("order 0"), "{lines:?}");
    assert!(lines[1].ends_with(" — 2 × Earl Grey & Söhne, 9.00 EUR, to a***@example.com"), "{lines:?}");
    assert_eq!(email.metric("email_sent_total", &[("transport", "log"), ("outcome", "sent")]).await, 2.0);
}

#[tokio::test]
async fn a_text_that_is_no_order_is_mailed_to_whoever_reads_those() {
    let to = [("EMAIL_FALLBACK_TO", "ops@example.com")];
    let office = Office::with(SmtpServer::start(SmtpOptions::new()), &to).await;
    for _ in 0..2 {
        let text = BasicProperties::default().with_content_type("text/plain".into());
        assert!(office.broker.publish("order-exchange", "order.placed", text, b"NEW ORDER CREATED").await);
    }
    let mails = office.mails(2).await;
    assert_eq!(mails[0].recipients(), ["ops@example.com"]);
    assert_eq!(mails[0].text().trim(), "NEW ORDER CREATED");
    assert_ne!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
}

#[tokio::test]
async fn an_address_in_another_script_is_written_to_where_the_server_can() {
    let office = Office::with(SmtpServer::start(SmtpOptions::new().utf8()), &[]).await;
    office.place_to("jürgen@bücher.example").await;
    office.place_to("abc..def@docomo.ne.jp").await;
    let mut recipients: Vec<_> = office.mails(2).await.iter().map(|mail| mail.recipients()[0].to_owned()).collect();
    recipients.sort();
    assert_eq!(recipients, ["abc..def@docomo.ne.jp", "jürgen@xn--bcher-kva.example"]);

    let office = Office::open().await;
    office.place_to("jürgen@bücher.example").await;
    office.place_to("juergen@bücher.example").await;
    office.dead(1).await;
    assert_eq!(office.mails(1).await[0].recipients(), ["juergen@xn--bcher-kva.example"]);
    let reason = office.broker.peek("email-queue.dead").await[0].header("warren-error").unwrap_or_default();
    assert!(reason.contains("SMTPUTF8"), "{reason}");
}

#[tokio::test]
async fn answers_go_to_whom_the_shop_names() {
    let smtp = SmtpServer::start(SmtpOptions::new());
    let office = Office::with(smtp, &[("EMAIL_REPLY_TO", "Help <help@shop.example>")]).await;
    office.place("Ada").await;
    assert_eq!(office.mails(1).await[0].header("Reply-To"), "Help <help@shop.example>");
}

#[tokio::test]
async fn the_mail_is_part_of_its_orders_trace() {
    let collector = Collector::start().await;
    let traces = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())];
    let traces = traces.each_ref().map(|(name, value)| (*name, value.as_str()));
    let smtp = SmtpServer::start(SmtpOptions::new());
    let port = smtp.port().to_string();
    let office = Office::with(smtp, &traces).await;
    let traceparent = AMQPValue::LongString("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    let headers = FieldTable::from(BTreeMap::from([("traceparent".into(), traceparent)]));
    place_with(&office.broker, "Ada", BasicProperties::default().with_headers(headers)).await;
    office.mails(1).await;
    let spans = || async { collector.spans() };
    let spans = eventually("the spans", spans, |spans| spans.iter().any(|span| span.kind == "Consumer")).await;
    let of_kind = |kind| spans.iter().find(|span| span.kind == kind).unwrap_or_else(|| panic!("no {kind}: {spans:?}"));
    let (process, send) = (of_kind("Consumer"), of_kind("Client"));
    assert_eq!(send.trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((&process.trace_id, &process.span_id), (&send.trace_id, &send.parent_id));
    assert_eq!(send.attributes["server.address"], "localhost");
    assert_eq!(send.attributes["server.port"], port);
}
