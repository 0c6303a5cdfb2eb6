//! One trace an order: from the customer's request through the broker to the mail server, in spans and in logs.

use std::collections::BTreeSet;

use journey::{
    At, Broker, Collector, Plan, Request, SmtpOptions, SmtpServer, Span, Trouble, World, an_order, free_port,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Long enough that no timer sends a span while a test runs: what arrives before was flushed.
const NEVER: &str = "3600000";

fn traced(plan: Plan, endpoint: &str) -> Plan {
    let set =
        |plan: Plan, name: &'static str, value: &str| plan.order(name, value).email(name, value).analytics(name, value);
    let plan = set(plan, "OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    set(set(plan, "OTEL_BSP_SCHEDULE_DELAY", NEVER), "LOG_LEVEL", "debug")
}

/// Places an order as somebody does who has a trace already; returns its id.
async fn place_traced(world: &World) -> String {
    let post = Request::post(world.order.http_port().await, "/orders", &an_order());
    let answer = post.header("traceparent", &format!("00-{TRACE}-{CALLER}-01")).send().await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Stops all three, first those that take part last.
async fn stop(world: &mut World) {
    for process in [&mut world.email, &mut world.analytics, &mut world.order] {
        process.terminate();
        assert_eq!(process.exit_code().await, 0, "{}", process.log());
    }
}

/// The spans of the customer's trace by this name, in the order of their ends.
fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.trace_id == TRACE && span.name == name).collect()
}

fn the<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let [span] = named(spans, name)[..] else { panic!("not one {name:?} in {spans:#?}") };
    span
}

#[tokio::test]
async fn an_order_is_one_trace_from_the_customer_to_the_mail_server() {
    let collector = Collector::start().await;
    let smtp = SmtpServer::start(SmtpOptions::new());
    let plan = traced(Plan::on(&Broker::shared().await), &collector.endpoint()).email("SMTP_URL", smtp.url());
    let mut world = plan.start().await;
    place_traced(&world).await;
    world
        .eventually(
            "it is mailed and counted",
            async |w| (smtp.mails().len(), w.counted("order.placed").await),
            |&seen| seen == (1, 1.0),
        )
        .await;
    stop(&mut world).await;

    let spans = collector.spans();
    let [request, send] = ["POST /orders", "send order-exchange"].map(|name| the(&spans, name));
    let [email, analytics] = ["process email-queue", "process analytics-queue"].map(|name| the(&spans, name));
    let mail = the(&spans, "smtp send");
    for (span, service, kind, parent) in [
        (request, "order", "Server", CALLER),
        (send, "order", "Producer", &request.span_id),
        (email, "email", "Consumer", &send.span_id),
        (analytics, "analytics", "Consumer", &send.span_id),
        (mail, "email", "Client", &email.span_id),
    ] {
        let seen = (span.service.as_str(), span.kind.as_str(), span.parent_id.as_str(), span.failed);
        assert_eq!(seen, (service, kind, parent, false), "{span:#?}");
        assert!(span.links.is_empty(), "{span:#?}");
    }
    for (name, value) in
        [("http.request.method", "POST"), ("http.route", "/orders"), ("http.response.status_code", "202")]
    {
        assert_eq!(request.attributes[name], value, "{request:#?}");
    }
    let message = &send.attributes["messaging.message.id"];
    for (name, value) in [
        ("messaging.system", "rabbitmq"),
        ("messaging.operation.type", "send"),
        ("messaging.destination.name", "order-exchange"),
        ("messaging.rabbitmq.destination.routing_key", "order.placed"),
        ("server.address", "127.0.0.1"),
    ] {
        assert_eq!(send.attributes[name], value, "{send:#?}");
    }
    for process in [email, analytics] {
        assert_eq!(&process.attributes["messaging.message.id"], message, "{process:#?}");
    }
}

#[tokio::test]
async fn a_second_attempt_is_linked_to_the_first_in_the_same_trace() {
    let collector = Collector::start().await;
    let mut smtp = SmtpServer::start(SmtpOptions::new());
    smtp.trouble(At::Rcpt, &Trouble::Reply("451 later"), Some(1));
    let plan = traced(Plan::on(&Broker::shared().await), &collector.endpoint());
    let mut world = plan.email("SMTP_URL", smtp.url()).email("RETRY_DELAYS", "100ms").start().await;
    place_traced(&world).await;
    world.eventually("the mail arrives", async |_| smtp.mails().len(), |&mails| mails == 1).await;
    stop(&mut world).await;

    let spans = collector.spans();
    let send = the(&spans, "send order-exchange");
    let [first, second] = named(&spans, "process email-queue")[..] else { panic!("not two attempts: {spans:#?}") };
    assert_eq!((first.failed, second.failed), (true, false));
    for attempt in [first, second] {
        assert_eq!(attempt.parent_id, send.span_id, "{attempt:#?}");
    }
    assert!(first.links.is_empty(), "{first:#?}");
    assert_eq!(second.links, [(TRACE.to_owned(), first.span_id.clone())]);
    let mails = named(&spans, "smtp send").into_iter().map(|span| (span.parent_id.clone(), span.failed));
    assert_eq!(mails.collect::<Vec<_>>(), [(first.span_id.clone(), true), (second.span_id.clone(), false)]);
}

#[tokio::test]
async fn each_line_about_an_order_names_its_trace_even_without_a_collector() {
    let mut smtp = SmtpServer::start(SmtpOptions::new());
    smtp.trouble(At::Rcpt, &Trouble::Reply("451 later"), Some(1));
    smtp.trouble(At::Data, &Trouble::Reply("550 5.6.0 never"), Some(1));
    let plan = Plan::on(&Broker::shared().await).email("SMTP_URL", smtp.url()).email("RETRY_DELAYS", "100ms");
    let world =
        plan.email("LOG_LEVEL", "debug").analytics("LOG_LEVEL", "debug").order("LOG_LEVEL", "debug").start().await;
    place_traced(&world).await;
    let dead = async |w: &World| w.broker.depth("email-queue.dead").await;
    world.eventually("it is deferred, then refused", dead, |&depth| depth == Some(1)).await;
    world.eventually("it is counted", async |w| w.counted("order.placed").await, |&count| count == 1.0).await;

    let lines = [world.email.log_lines(), world.analytics.log_lines()].concat();
    let about = |line: &&serde_json::Value| line.get("event_id").is_some();
    let about: Vec<_> = lines.iter().filter(about).collect();
    let said: BTreeSet<_> = about.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(said, BTreeSet::from(["counted", "email postponed", "event postponed", "event is a dead letter"]));
    for line in about {
        assert_eq!(line["trace_id"], TRACE, "{line}");
    }
}

#[tokio::test]
async fn a_mail_in_the_log_names_its_trace() {
    let world = World::start().await;
    place_traced(&world).await;
    world.eventually("one mail", async |w| w.mails(), |mails| mails.len() == 1).await;
    let lines = world.email.log_lines();
    let mail = lines.iter().find(|line| line["message"].as_str().unwrap().starts_with("Sending email for: ")).unwrap();
    assert_eq!(mail["trace_id"], TRACE, "{mail}");
}

#[tokio::test]
async fn nothing_is_sent_unless_it_is_asked_for() {
    let collector = Collector::start().await;
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    let unasked = [
        vec![],
        vec![endpoint.clone(), ("OTEL_TRACES_EXPORTER", "none".to_owned())],
        vec![endpoint, ("OTEL_SDK_DISABLED", "true".to_owned())],
    ];
    for variables in unasked {
        let mut plan = Plan::on(&Broker::shared().await);
        for (name, value) in &variables {
            plan = plan.order(name, value).email(name, value).analytics(name, value);
        }
        let mut world = plan.start().await;
        place_traced(&world).await;
        world.eventually("one mail", async |w| w.mails(), |mails| mails.len() == 1).await;
        stop(&mut world).await;
        assert_eq!(collector.spans().len(), 0, "{variables:?}");
        // Where nobody is asked for, nobody is missed.
        assert!(!world.email.log().contains("traces"), "{variables:?}: {}", world.email.log());
    }
}

#[tokio::test]
async fn a_collector_that_is_away_disturbs_no_order_and_no_stop() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let mut world = traced(Plan::on(&Broker::shared().await), &nobody).start().await;
    for _ in 0..20 {
        place_traced(&world).await;
    }
    world.eventually("twenty mails", async |w| w.mails(), |mails| mails.len() == 20).await;
    world.eventually("twenty counted", async |w| w.counted("order.placed").await, |&count| count == 20.0).await;
    stop(&mut world).await;
    for process in [&world.order, &world.email, &world.analytics] {
        let said = process.log_lines().into_iter().filter(|line| line["level"] == "warn" || line["level"] == "error");
        let said: Vec<_> = said.map(|line| line["message"].as_str().unwrap().to_owned()).collect();
        assert!(said.iter().all(|line| line.contains("traces")), "{said:?}");
    }
}
