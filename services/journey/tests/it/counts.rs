//! What a scrape shows: every series at zero from the start, and afterwards what really happened.

use journey::{Broker, Plan, Process, Request, World, an_order};
use lapin::BasicProperties;

/// Metrics that every service has, and one label of each where there is one.
const EVERY_SERVICE: &[(&str, &str, &[&str])] = &[
    ("messaging_in_flight", "", &[]),
    (
        "messaging_state",
        "state",
        &[
            "connecting",
            "connected",
            "blocked",
            "consuming",
            "paused",
            "access-refused",
            "topology-conflict",
            "draining",
            "stopped",
        ],
    ),
    ("messaging_connected", "connection", &["publish"]),
    ("messaging_blocked", "connection", &["publish"]),
    ("messaging_reconnects_total", "connection", &["publish"]),
    ("messaging_broker_certificate_not_after_seconds", "connection", &["publish"]),
    ("warren_memory_limit_bytes", "", &[]),
    ("process_cpu_seconds_total", "", &[]),
    ("process_resident_memory_bytes", "", &[]),
    ("process_open_fds", "", &[]),
    ("process_start_time_seconds", "", &[]),
];

const CONSUMER: &[(&str, &str, &[&str])] = &[
    ("messaging_connected", "connection", &["consume"]),
    ("messaging_blocked", "connection", &["consume"]),
    ("messaging_reconnects_total", "connection", &["consume"]),
    (
        "messaging_consumed_total",
        "outcome",
        &["handled", "duplicate", "delayed", "dead", "undecodable", "suspect", "given-back", "postponed"],
    ),
    ("messaging_consumed_total", "routing_key", &["order.placed", "other"]),
    ("messaging_consumer_active", "queue", &[]),
    ("messaging_redriven_total", "queue", &[]),
    ("messaging_not_remembered_total", "queue", &[]),
    ("messaging_process_duration_seconds_count", "queue", &[]),
    ("messaging_process_duration_seconds_sum", "queue", &[]),
    ("messaging_event_age_seconds_count", "queue", &[]),
    ("messaging_oldest_event_timestamp_seconds", "queue", &[]),
];

const ORDER: &[(&str, &str, &[&str])] = &[
    ("messaging_published_total", "exchange", &["order-exchange"]),
    ("messaging_published_total", "routing_key", &["order.placed", "order.cancelled", "other"]),
    (
        "messaging_published_total",
        "outcome",
        &[
            "confirmed",
            "unavailable",
            "blocked",
            "access-refused",
            "topology-conflict",
            "unroutable",
            "rejected",
            "unconfirmed",
            "overloaded",
            "abandoned",
        ],
    ),
    ("messaging_publish_duration_seconds_count", "exchange", &["order-exchange"]),
    (
        "http_server_request_duration_seconds_count",
        "route",
        &["/orders", "/orders/{id}/cancel", "/openapi.json", "other"],
    ),
    ("http_server_request_duration_seconds_count", "method", &["POST", "GET", "HEAD", "OPTIONS", "other"]),
    (
        "http_server_request_duration_seconds_count",
        "status",
        &["200", "202", "204", "400", "404", "405", "408", "413", "415", "422", "499", "503"],
    ),
];

const EMAIL: &[(&str, &str, &[&str])] = &[
    ("email_sent_total", "transport", &["log", "smtp"]),
    ("email_sent_total", "outcome", &["sent", "deferred", "refused", "unanswered", "outage"]),
];

const ANALYTICS: &[(&str, &str, &[&str])] = &[
    ("analytics_orders_total", "event", &["order.placed", "order.cancelled"]),
    ("analytics_revenue_minor_units_total", "currency", &["EUR"]),
    ("messaging_consumed_total", "routing_key", &["order.cancelled"]),
];

async fn shows(process: &Process, service: &str, wanted: &[(&str, &str, &[&str])]) {
    let metrics = process.metrics().await;
    let queue = format!("{service}-queue");
    for &(name, label, values) in wanted {
        let own = [queue.as_str()];
        let values: &[&str] = match (label, values) {
            ("queue", []) => &own,
            _ => values,
        };
        let labels: Vec<Vec<(&str, &str)>> = match label {
            "" => vec![vec![]],
            label => values.iter().map(|value| vec![(label, *value)]).collect(),
        };
        for labels in labels {
            assert!(metrics.has(name, &labels), "{service} does not show {name} {labels:?}");
            let counts = name.ends_with("_total") && !name.starts_with("process_") || name.ends_with("_count");
            assert!(!counts || metrics.sum(name, &labels) == 0.0, "{service} counted {name} {labels:?}");
        }
    }
}

#[tokio::test]
async fn every_series_is_there_at_zero_from_the_start() {
    let world = World::start().await;
    for (service, process, own) in [
        ("order", &world.order, [ORDER, &[]]),
        ("email", &world.email, [CONSUMER, EMAIL]),
        ("analytics", &world.analytics, [CONSUMER, ANALYTICS]),
    ] {
        for wanted in [EVERY_SERVICE, own[0], own[1]] {
            shows(process, service, wanted).await;
        }
        let labels = [("service", service), ("version", env!("CARGO_PKG_VERSION"))];
        assert_eq!(process.metric("warren_build_info", &labels).await, 1.0);
        assert_eq!(process.metric("messaging_state", &[]).await, 1.0, "one state at a time");
    }
    assert_eq!(world.order.metric("messaging_state", &[("state", "connected")]).await, 1.0);
    assert_eq!(world.email.metric("messaging_state", &[("state", "consuming")]).await, 1.0);
    assert_eq!(world.analytics.metric("messaging_consumer_active", &[("queue", "analytics-queue")]).await, 1.0);
}

#[tokio::test]
async fn what_was_published_is_what_was_consumed() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.place(&an_order()).await);
    }
    for id in &ids[..2] {
        world.cancel(id).await;
    }
    world.eventually("five mails", async |w| w.mails().len(), |&mails| mails == 5).await;
    world.eventually("two cancellations", async |w| w.counted("order.cancelled").await, |&count| count == 2.0).await;

    let published = async |key| {
        let labels = [("exchange", "order-exchange"), ("routing_key", key), ("outcome", "confirmed")];
        world.order.metric("messaging_published_total", &labels).await
    };
    assert_eq!((published("order.placed").await, published("order.cancelled").await), (5.0, 2.0));
    let consumed = async |w: &World| {
        let handled = [("outcome", "handled")];
        let placed = [("routing_key", "order.placed"), ("outcome", "handled")];
        let cancelled = [("routing_key", "order.cancelled"), ("outcome", "handled")];
        [
            w.email.metric("messaging_consumed_total", &handled).await,
            w.analytics.metric("messaging_consumed_total", &placed).await,
            w.analytics.metric("messaging_consumed_total", &cancelled).await,
        ]
    };
    world.eventually("all are settled", consumed, |&seen| seen == [5.0, 5.0, 2.0]).await;
    for (process, all) in [(&world.email, 5.0), (&world.analytics, 7.0)] {
        for name in [
            "messaging_consumed_total",
            "messaging_process_duration_seconds_count",
            "messaging_event_age_seconds_count",
        ] {
            assert_eq!(process.metric(name, &[]).await, all, "{name}");
        }
        let age = process.metric("messaging_event_age_seconds_sum", &[]).await;
        assert!(age > 0.0 && age < 600.0, "{age}");
    }
    assert_eq!(world.order.metric("messaging_published_total", &[]).await, 7.0);
    assert_eq!(world.order.metric("messaging_publish_duration_seconds_count", &[]).await, 7.0);
    assert_eq!(world.order.metric("http_server_request_duration_seconds_count", &[("status", "202")]).await, 7.0);
    assert_eq!(world.email.metric("email_sent_total", &[("transport", "log"), ("outcome", "sent")]).await, 5.0);
    assert_eq!(world.counted("order.placed").await, 5.0);
    assert_eq!(world.analytics.metric("analytics_revenue_minor_units_total", &[("currency", "EUR")]).await, 4500.0);
}

/// Who can publish or call must not be able to make series without end.
#[tokio::test]
async fn labels_that_come_from_outside_are_bounded() {
    let broker = Broker::shared().await;
    let world = Plan::on(&broker).start().await;
    for number in 0..3 {
        let key = format!("order.surprise-{number}");
        broker.declare("email-queue", "order-exchange", &[&key]).await;
        assert!(broker.publish("order-exchange", &key, BasicProperties::default(), b"?").await);
    }
    let other = async |w: &World| {
        w.email.metric("messaging_consumed_total", &[("routing_key", "other"), ("outcome", "undecodable")]).await
    };
    world.eventually("three of another key", other, |&count| count == 3.0).await;
    let port = world.order.http_port().await;
    for (method, path) in [("GET", "/surprise-1"), ("SURPRISE", "/orders"), ("POST", "/orders/surprise-2/cancel")] {
        assert!(Request::new(port, method, path).send().await.status.is_client_error());
    }
    for process in [&world.order, &world.email] {
        let shown = process.ops("/metrics").await;
        assert!(!shown.text().to_lowercase().contains("surprise"), "{}", shown.text());
    }
}
