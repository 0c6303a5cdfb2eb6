//! What order answers, for everything that can happen to an order on its way.

use journey::{Alarm, Answer, Broker, Plan, Process, Proxy, REQUIRED_QUEUES, Request, World, an_order, eventually};
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

/// The order service alone, ready.
async fn order(plan: Plan) -> (Process, u16) {
    let mut order = plan.launch("order");
    order.ready().await;
    let port = order.http_port().await;
    (order, port)
}

async fn place(port: u16) -> Answer {
    Request::post(port, "/orders", &an_order()).send().await
}

async fn place_with_key(port: u16, key: &str) -> Answer {
    Request::post(port, "/orders", &an_order()).header("idempotency-key", key).send().await
}

/// How many events ended so.
async fn published(order: &Process, outcome: &str) -> f64 {
    order.metric("messaging_published_total", &[("outcome", outcome)]).await
}

fn refused_as(answer: &Answer, status: u16, problem: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["type"], format!("urn:warren:problem:{problem}"), "{answer:?}");
    assert_eq!(answer.header("retry-after").is_empty(), status != 503, "{answer:?}");
}

#[tokio::test]
async fn an_accepted_order_is_held_by_every_required_queue() {
    let broker = Broker::shared().await;
    let (order, port) = order(Plan::on(&broker)).await;

    let answer = place(port).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (202, "application/json"));
    let body = answer.json();
    let id = body["id"].as_str().unwrap();
    assert_eq!(body, json!({"id": id, "status": "accepted", "total": 900, "currency": "EUR"}));
    assert_eq!(answer.header("location"), "", "there is nothing to be read");

    let cancelled = Request::new(port, "POST", &format!("/orders/{id}/cancel")).send().await;
    assert_eq!(cancelled.status, 202);
    assert_eq!(published(&order, "confirmed").await, 2.0);
    assert_eq!(cancelled.json(), json!({"id": id, "status": "accepted"}));

    let types = |messages: Vec<journey::Message>| -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        messages
            .iter()
            .map(|message| message.json())
            .map(|event| (text(&event["type"]), text(&event["subject"])))
            .collect()
    };
    let placed = ("order.placed".to_owned(), id.to_owned());
    assert_eq!(types(broker.take("email-queue").await), std::slice::from_ref(&placed));
    assert_eq!(types(broker.take("analytics-queue").await), [placed, ("order.cancelled".to_owned(), id.to_owned())]);
}

#[tokio::test]
async fn what_is_not_an_order_is_told_what_is_wrong_with_it() {
    let (_order, port) = order(Plan::on(&Broker::shared().await)).await;
    let post = || Request::new(port, "POST", "/orders").header("content-type", "application/json");
    let refusals = [
        (post().body("{"), 400, "malformed-body"),
        (post().body(&b"\xff"[..]), 400, "malformed-body"),
        (post().body("[".repeat(60_000)), 400, "malformed-body"),
        (post().json(&an_order()).header("idempotency-key", "a b"), 400, "malformed-idempotency-key"),
        (Request::new(port, "POST", "/orders/1/cancel"), 400, "malformed-order-id"),
        (post().body(" ".repeat(65_537)), 413, "body-too-large"),
        (post().body(" ".repeat(5_000_000)), 413, "body-too-large"),
        (Request::new(port, "POST", "/orders").body(an_order().to_string()), 415, "unsupported-media-type"),
        (post().body("{}"), 422, "invalid-body"),
        (post().body(r#"{"customer": 1, "items": [], "extra": null}"#), 422, "invalid-body"),
        (post().body(&b"\xff\xfe{\0}\0"[..]), 400, "malformed-body"),
        (Request::get(port, "/nothing"), 404, "unknown-path"),
        (Request::get(port, "/orders"), 405, "method-not-allowed"),
    ];
    for (request, status, problem) in refusals {
        refused_as(&request.send().await, status, problem);
    }
    assert_eq!(place(port).await.status, 202);
}

#[tokio::test]
async fn what_proxies_and_other_clients_send_is_an_order_like_any_other() {
    let (_order, port) = order(Plan::on(&Broker::shared().await)).await;
    let text = an_order().to_string();
    let with_type = |media_type: &str, body: String| {
        Request::new(port, "POST", "/orders").header("content-type", media_type).body(body)
    };
    for request in [
        with_type("application/json; charset=utf-8", format!("\u{feff}{text}")),
        with_type("application/json;charset=UTF-8", text.clone()),
        Request::post(port, "/orders?source=shop", &an_order()).header("x-forwarded-for", "::1, 10.0.0.1"),
    ] {
        assert_eq!(request.send().await.status, 202);
    }
}

#[tokio::test]
async fn the_root_answers_health_checks_while_orders_are_taken_and_not_otherwise() {
    let broker = Broker::shared().await;
    let (mut ready, port) = order(Plan::on(&broker).order("DRAIN_DELAY", "10m").order("SHUTDOWN_TIMEOUT", "20m")).await;
    for method in ["GET", "HEAD"] {
        assert_eq!(Request::new(port, method, "/").send().await.status, 200);
    }
    assert_eq!(
        ready.metric("http_server_request_duration_seconds_count", &[("route", "/"), ("status", "200")]).await,
        2.0
    );
    ready.terminate();
    let root = async || Request::get(port, "/").send().await;
    let draining = eventually("it drains", root, |answer| answer.status == 503).await;
    refused_as(&draining, 503, "not-ready");
    assert_eq!(draining.json()["detail"], "draining");

    let starting = Process::start("order", [("AMQP_URL", "amqp://127.0.0.1:1".to_owned())]);
    let port = starting.http_port().await;
    let root = async || Request::get(port, "/").send().await;
    let told = eventually("it says why", root, |answer| answer.text().contains("refused")).await;
    refused_as(&told, 503, "not-ready");
}

#[tokio::test]
async fn an_order_rides_out_a_gap_and_is_refused_after_its_deadline() {
    let broker = Broker::shared().await;
    let proxy = Proxy::to(broker.port()).await;
    let plan = Plan::on(&broker).order("AMQP_URL", broker.url_through(proxy.port())).order("READINESS_GRACE", "10m");
    let (hasty, hasty_port) = order(plan.clone().order("PUBLISH_TIMEOUT", "300ms")).await;
    let (patient, port) = order(plan.order("PUBLISH_TIMEOUT", "50s").order("SHUTDOWN_TIMEOUT", "2m")).await;

    proxy.refuse();
    for order in [&hasty, &patient] {
        eventually("the connection is lost", || order.state(), |state| state == "connecting").await;
    }
    refused_as(&place(hasty_port).await, 503, "broker-unavailable");
    assert_eq!((published(&hasty, "unavailable").await, published(&hasty, "blocked").await), (1.0, 0.0));
    assert_eq!(hasty.ops("/readyz").await.status, 200, "a short trouble does not make it unready");

    let waiting = tokio::spawn(place(port));
    let in_flight = || patient.metric("messaging_in_flight", &[]);
    eventually("the order waits", in_flight, |&count| count >= 1.0).await;
    proxy.pass();
    assert_eq!(waiting.await.unwrap().status, 202);
    assert_eq!(broker.depth("email-queue").await, Some(1));
}

#[tokio::test]
async fn an_order_is_unready_before_its_first_connection_and_after_the_grace() {
    let broker = Broker::shared().await;
    let proxy = Proxy::to(broker.port()).await;
    proxy.refuse();
    let plan = Plan::on(&broker).order("AMQP_URL", broker.url_through(proxy.port()));
    let order = plan.order("READINESS_GRACE", "1s").order("PUBLISH_TIMEOUT", "100ms").launch("order");
    let readiness = || async { (order.ops("/readyz").await.status.as_u16(), order.state().await) };
    assert_eq!(readiness().await, (503, "connecting".to_owned()));
    refused_as(&place(order.http_port().await).await, 503, "broker-unavailable");
    let publish = [("connection", "publish")];
    for reconnects in [0.0, 1.0] {
        proxy.pass();
        eventually("it is ready", readiness, |seen| *seen == (200, "connected".to_owned())).await;
        assert_eq!(order.metric("messaging_connected", &publish).await, 1.0);
        assert_eq!(order.metric("messaging_reconnects_total", &publish).await, reconnects);
        proxy.refuse();
        eventually("its grace is over", readiness, |seen| *seen == (503, "connecting".to_owned())).await;
        assert_eq!(order.metric("messaging_connected", &publish).await, 0.0);
    }
}

#[tokio::test]
async fn an_alarm_of_the_broker_holds_orders_back_and_says_so() {
    for alarm in [Alarm::Memory, Alarm::Disk] {
        let broker = Broker::start().await;
        let (order, port) = order(Plan::on(&broker).order("PUBLISH_TIMEOUT", "3s")).await;
        assert_eq!(place(port).await.status, 202);
        broker.set_alarm(alarm).await;
        // A broker tells those who publish that it is blocked only once they publish: that one was sent.
        let first = place(port).await;
        assert_eq!(first.status, 503, "{first:?}");
        eventually("the alarm is known", || order.state(), |state| state == "blocked").await;
        refused_as(&place(port).await, 503, "broker-blocked");
        assert!(published(&order, "blocked").await > 0.0);
        assert_eq!(published(&order, "unavailable").await, 0.0);
        assert_eq!(order.ops("/readyz").await.status, 200);
        let blocked = || order.metric("messaging_blocked", &[("connection", "publish")]);
        assert_eq!(blocked().await, 1.0);

        let waiting = tokio::spawn(async move {
            eventually("an order is accepted", || place(port), |answer| answer.status == 202).await
        });
        broker.clear_alarm(alarm).await;
        waiting.await.unwrap();
        assert_eq!(blocked().await, 0.0);
    }
}

#[tokio::test]
async fn an_order_that_no_queue_would_hold_is_not_accepted() {
    let broker = Broker::shared().await;
    let mut order = Process::start("order", [("AMQP_URL", broker.url())]);
    order.ready().await;
    let port = order.http_port().await;
    refused_as(&place(port).await, 503, "unroutable");
    broker.declare("email-queue", "order-exchange", &["order.placed"]).await;
    assert_eq!(place(port).await.status, 202);
    // Nobody hears of cancellations yet.
    let cancel = Request::new(port, "POST", "/orders/019379a2-7c5e-7d35-8f6e-3a1b9c0d2e4f/cancel");
    refused_as(&cancel.send().await, 503, "unroutable");
    assert_eq!((published(&order, "unroutable").await, published(&order, "confirmed").await), (2.0, 1.0));
}

#[tokio::test]
async fn an_order_that_the_broker_rejects_is_not_accepted() {
    let broker = Broker::shared().await;
    let (order, port) = order(Plan::on(&broker).order("REQUIRED_QUEUES", "analytics-queue:order.cancelled")).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("classic"));
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    let client = broker.client().await;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    client.declare_queue("full", durable, arguments).await.unwrap();
    client.bind("full", "order-exchange", "order.placed").await;

    assert_eq!(place(port).await.status, 202);
    refused_as(&place(port).await, 503, "rejected-by-broker");
    assert_eq!(published(&order, "rejected").await, 1.0);
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[tokio::test]
async fn an_unconfirmed_order_that_is_repeated_with_its_key_is_one_email() {
    let broker = Broker::shared().await;
    let proxy = Proxy::to(broker.port()).await;
    let plan = Plan::on(&broker).order("AMQP_URL", broker.url_through(proxy.port()));
    let world = plan.order("PUBLISH_TIMEOUT", "3s").start().await;
    let port = world.order.http_port().await;

    proxy.freeze();
    refused_as(&place_with_key(port, "basket-1").await, 503, "unconfirmed");
    assert_eq!(published(&world.order, "unconfirmed").await, 1.0);
    proxy.pass();
    let repeated = || place_with_key(port, "basket-1");
    let accepted = eventually("the repetition is accepted", repeated, |answer| answer.status == 202).await;
    let again = place_with_key(port, "basket-1").await;
    assert_eq!(again.json()["id"], accepted.json()["id"]);

    // What was sent before it has been handled when its mail is there.
    let last = world
        .place(&json!({"customer": {"name": "Eve", "email": "eve@example.com"}, "items": an_order()["items"]}))
        .await;
    world
        .eventually("the last mail", async |world| world.mails(), |mails| mails.iter().any(|mail| mail.contains(&last)))
        .await;
    let first = accepted.json()["id"].as_str().unwrap().to_owned();
    world
        .eventually(
            "the first mail",
            async |world| world.mails(),
            |mails| mails.iter().any(|mail| mail.contains(&first)),
        )
        .await;
    assert_eq!(world.mails().len(), 2, "{:?}", world.mails());
}

#[tokio::test]
async fn more_orders_than_may_wait_are_refused_at_once() {
    let broker = Broker::shared().await;
    let proxy = Proxy::to(broker.port()).await;
    let plan = Plan::on(&broker).order("AMQP_URL", broker.url_through(proxy.port()));
    let plan = plan.order("PUBLISH_MAX_PENDING", "1").order("PUBLISH_TIMEOUT", "1m").order("SHUTDOWN_TIMEOUT", "2m");
    let (order, port) = order(plan).await;
    proxy.freeze();
    let (mut first, mut second) = (tokio::spawn(place(port)), tokio::spawn(place(port)));
    // Which of the two comes first, nobody knows; the other one has to wait for the broker.
    let (refused, waiting) = tokio::select! {
        answer = &mut first => (answer, second),
        answer = &mut second => (answer, first),
    };
    refused_as(&refused.unwrap(), 503, "overloaded");
    assert_eq!(published(&order, "overloaded").await, 1.0);
    proxy.pass();
    assert_eq!(waiting.await.unwrap().status, 202);
}

#[tokio::test]
async fn the_ready_order_service_has_bound_its_required_queues() {
    let broker = Broker::shared().await;
    let (_order, _port) = order(Plan::on(&broker)).await;
    for required in REQUIRED_QUEUES.split(',') {
        let queue = required.split(':').next().unwrap();
        assert_eq!(broker.depth(queue).await, Some(0), "{queue}");
    }
}

/// What `helm test` runs, and what Compose asks.
#[tokio::test]
async fn the_commands_tell_by_their_exit_codes_what_they_found() {
    let world = World::start().await;
    let address = async |process: &Process| format!("127.0.0.1:{}", process.ops_port().await);
    let metrics = [
        ("CHECK_ORDER_METRICS", address(&world.order).await),
        ("CHECK_EMAIL_METRICS", address(&world.email).await),
        ("CHECK_ANALYTICS_METRICS", address(&world.analytics).await),
    ];
    let url = ("CHECK_ORDER_URL", format!("http://127.0.0.1:{}/orders", world.order.http_port().await));
    let check = |variables: Vec<(&'static str, String)>| Process::start_with("order", &["check"], variables);

    let mut shown = check(metrics.iter().cloned().chain([url.clone()]).collect());
    assert_eq!(shown.exit_code().await, 0, "{}", shown.log());
    for line in ["accepted: ", "published\n", "emailed\n", "counted\n"] {
        assert!(shown.log().contains(line), "{}", shown.log());
    }
    let silent = ("CHECK_MAILS", "false".to_owned());
    let mut cancelled = check(vec![metrics[0].clone(), metrics[2].clone(), url.clone(), silent]);
    assert_eq!(cancelled.exit_code().await, 0, "{}", cancelled.log());
    for line in ["published\n", "counted\n"] {
        assert!(cancelled.log().contains(line), "{}", cancelled.log());
    }
    // The analytics service never shows an email.
    let wrong = ("CHECK_EMAIL_METRICS", metrics[2].1.clone());
    let mut missing = check(vec![url.clone(), wrong, ("CHECK_TIMEOUT", "1s".to_owned())]);
    assert_eq!(missing.exit_code().await, 1, "{}", missing.log());
    assert!(missing.log().contains("failed: no metrics to show it emailed"), "{}", missing.log());
    let mut misconfigured = check(vec![("CHECK_ORDER_URL", "orders".to_owned())]);
    assert_eq!(misconfigured.exit_code().await, 64, "{}", misconfigured.log());

    let healthcheck = |address: String| Process::start_with("order", &["healthcheck"], [("OPS_ADDR", address)]);
    assert_eq!(healthcheck(address(&world.order).await).exit_code().await, 0);
    let free = format!("127.0.0.1:{}", journey::free_port());
    assert_eq!(healthcheck(free).exit_code().await, 1);
}
