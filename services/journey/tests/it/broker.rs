//! The broker that everything else is tested on is the one that the design describes.

use journey::{Alarm, Authority, Broker, Cluster, Options, eventually};
use lapin::{BasicProperties, Channel};

#[tokio::test]
async fn a_queue_declared_without_arguments_is_a_quorum_queue() {
    let own = Broker::start().await;
    own.declare("email-queue", "order-exchange", &["order.placed"]).await;
    assert_eq!(own.management("queues/%2f/email-queue").await["type"], "quorum");

    let shared = Broker::shared().await;
    shared.declare("email-queue", "order-exchange", &["order.placed"]).await;
    let queue = format!("queues/{}/email-queue", shared.vhost());
    assert_eq!(shared.management(&queue).await["type"], "quorum");
}

/// Or everything else that should pass on another version would pass on this one.
#[tokio::test]
async fn the_nodes_are_of_the_version_that_was_asked_for() {
    let broker = Broker::shared().await;
    let least = if asked_for().as_deref() == Some("4.3") { (4, 3) } else { (4, 0) };
    assert!(broker.is_at_least(least).await);
}

#[allow(clippy::disallowed_methods, reason = "the stage is no service: it has no Config")]
fn asked_for() -> Option<String> {
    std::env::var("BROKER").ok()
}

#[tokio::test]
async fn each_consumers_queue_has_its_policy_and_no_other_queue_has_one() {
    let broker = Broker::start().await;
    for queue in ["email-queue", "analytics-queue", "other-queue"] {
        broker.declare(queue, "order-exchange", &["order.placed"]).await;
    }
    for queue in ["email-queue", "analytics-queue"] {
        let path = format!("queues/%2f/{queue}");
        let described =
            eventually("the policy shows", || broker.management(&path), |seen| seen["policy"] == queue).await;
        let definition = &described["effective_policy_definition"];
        assert_eq!(definition["delivery-limit"], 100);
        assert_eq!(definition["dead-letter-exchange"], "");
        assert_eq!(definition["dead-letter-routing-key"], format!("{queue}.dead"));
        assert_eq!(definition["dead-letter-strategy"], "at-least-once");
        assert_eq!(definition["overflow"], "reject-publish");
    }
    let other = broker.management("queues/%2f/other-queue").await;
    assert!(other["policy"].is_null(), "{other}");
}

#[tokio::test]
async fn a_stock_broker_makes_a_classic_queue() {
    let broker = Broker::with(Options::new().stock()).await;
    broker.declare("email-queue", "order-exchange", &["order.placed"]).await;
    assert_eq!(broker.management("queues/%2f/email-queue").await["type"], "classic");
}

#[tokio::test]
async fn a_killed_broker_comes_back_with_what_it_confirmed() {
    let broker = Broker::start().await;
    broker.declare("email-queue", "order-exchange", &["order.placed"]).await;
    let persistent = BasicProperties::default().with_delivery_mode(2);
    assert!(broker.publish("order-exchange", "order.placed", persistent, b"an order").await);
    broker.kill().await;
    broker.restart().await;
    eventually("the queue is back", || broker.depth("email-queue"), |&depth| depth == Some(1)).await;
    assert_eq!(broker.take("email-queue").await[0].text(), "an order");
}

#[tokio::test]
async fn an_alarm_blocks_those_who_publish_until_it_is_cleared() {
    let broker = Broker::start().await;
    broker.declare("email-queue", "order-exchange", &["order.placed"]).await;
    for alarm in [Alarm::Memory, Alarm::Disk] {
        broker.set_alarm(alarm).await;
        let alarms = || async {
            broker.management("nodes").await[0]["mem_alarm"] == true
                || broker.management("nodes").await[0]["disk_free_alarm"] == true
        };
        eventually("the alarm is on", alarms, |&on| on).await;
        let client = broker.client().await;
        let connection = client.connection.status().clone();
        let published = tokio::spawn(async move {
            client.publish("order-exchange", "order.placed", BasicProperties::default(), b"an order").await
        });
        eventually("it is told so", async || connection.blocked(), |&blocked| blocked).await;
        assert!(!published.is_finished());
        broker.clear_alarm(alarm).await;
        assert!(published.await.unwrap());
    }
}

#[tokio::test]
async fn three_nodes_keep_each_queue_three_times() {
    let cluster = Cluster::start().await;
    let [first, second, _] = &cluster.nodes;
    first.declare("email-queue", "order-exchange", &["order.placed"]).await;
    let members =
        || async { first.management("queues/%2f/email-queue").await["members"].as_array().map_or(0, Vec::len) };
    eventually("the queue has three members", members, |&count| count == 3).await;
    assert!(first.publish("order-exchange", "order.placed", BasicProperties::default(), b"an order").await);
    first.kill().await;
    eventually("another node has the order", || second.depth("email-queue"), |&depth| depth == Some(1)).await;
}

#[tokio::test]
async fn a_service_may_do_what_it_needs_and_no_more() {
    let broker = Broker::start().await;
    broker.client_as("order").await.declare("email-queue", "order-exchange", &["order.placed"]).await;
    broker.client_as("email").await.declare("email-queue", "order-exchange", &["order.placed"]).await;
    let order = broker.client_as("order").await;
    assert!(order.publish("order-exchange", "order.placed", BasicProperties::default(), b"an order").await);
    let email = broker.client_as("email").await;
    let purge = async |channel: &Channel| channel.queue_purge("analytics-queue".into(), Default::default()).await;
    let refused = email.ask(purge).await;
    assert!(refused.unwrap_err().to_string().contains("ACCESS_REFUSED"));
}

#[tokio::test]
async fn a_broker_with_a_certificate_listens_for_tls() {
    let authority = Authority::new("test authority");
    let broker = Broker::with(Options::new().tls(&authority.certify(&["localhost"]))).await;
    let url = broker.tls_url("localhost");
    let port: u16 = url.rsplit(':').next().unwrap().trim_end_matches("/%2f").parse().unwrap();
    let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
    assert!(connected.is_ok(), "{url}");
}
