//! Several publishers and consumers in one process, with one registry and one readiness.

use std::future::pending;
use std::time::Duration;

use contract::OrderEvent;
use events::Encoded;
use jiff::Timestamp;
use journey::{Broker, Metrics, eventually};
use messaging::inside::publish_encoded;
use messaging::{Client, Consumer, Endpoint, Error, Exchange, Subscription};
use prometheus::{Registry, TextEncoder};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::consumer::stage::{Actor, Note, message};

const WITHIN: Duration = Duration::from_secs(20);

fn client(url: &str, registry: &Registry) -> Client {
    let endpoint = Endpoint::new(url.parse().unwrap(), "test");
    Client::new(endpoint, registry).unwrap()
}

fn shown(registry: &Registry) -> Metrics {
    Metrics::parse(&TextEncoder::new().encode_to_string(&registry.gather()).unwrap())
}

fn run(consumer: Consumer<Actor>) -> JoinHandle<Result<(), Error>> {
    tokio::spawn(consumer.run(pending(), WITHIN))
}

fn note(id: &str) -> Encoded {
    let body = message(id, id).1.into();
    Encoded { id: id.to_owned(), event_type: "order.placed", time: Timestamp::now(), body }
}

async fn becomes(client: &Client, state: &str) -> messaging::State {
    eventually(state, async || client.state(), |now| now.name() == state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_hears_two_queues_and_publishes_to_two_exchanges() {
    let (broker, registry) = (Broker::shared().await, Registry::new());
    let client = client(&broker.url(), &registry);
    assert!(!client.state().is_serving(), "there is nothing yet");
    let (orders, stock) = (Actor::willing(), Actor::willing());
    let order_queue = Subscription::queue("orders").bound_to("order-exchange", ["order.placed"]);
    let stock_queue = Subscription::queue("stock").bound_to(Exchange::topic("stock"), ["order.*"]);
    let tasks = [
        run(client.consumer(order_queue, orders.clone()).build().unwrap()),
        run(client.consumer(stock_queue, stock.clone()).concurrency(2).build().unwrap()),
    ];
    becomes(&client, "consuming").await;
    let to_orders = client.publisher::<Note>("order-exchange").start().unwrap();
    let to_stock = client.publisher::<Note>(Exchange::topic("stock")).start().unwrap();
    let also_to_stock = client.publisher::<OrderEvent>(Exchange::topic("stock")).start().unwrap();
    publish_encoded(&to_orders, note("a"), Instant::now() + WITHIN).await.unwrap();
    publish_encoded(&to_stock, note("b"), Instant::now() + WITHIN).await.unwrap();
    publish_encoded(&also_to_stock, note("c"), Instant::now() + WITHIN).await.unwrap();
    orders.eventually("one order", |seen| seen.len() == 1).await;
    stock.eventually("two of stock", |seen| seen.len() == 2).await;
    becomes(&client, "consuming").await;
    let both = async || {
        let shown = shown(&registry);
        let of = |name: &str, label: &str, value: &str| shown.sum(name, &[(label, value)]);
        [
            of("messaging_consumed_total", "queue", "orders"),
            of("messaging_consumed_total", "queue", "stock"),
            of("messaging_published_total", "exchange", "order-exchange"),
            of("messaging_published_total", "exchange", "stock"),
            of("messaging_consumer_active", "queue", "orders") + of("messaging_consumer_active", "queue", "stock"),
            // Each consumer sees two connections, and the publishers to one exchange see one.
            of("messaging_connected", "queue", "orders") + of("messaging_connected", "queue", "stock"),
            of("messaging_connected", "exchange", "order-exchange") + of("messaging_connected", "exchange", "stock"),
            of("messaging_state", "queue", "orders") + of("messaging_state", "exchange", "stock"),
        ]
    };
    let expected = [1.0, 2.0, 1.0, 2.0, 2.0, 4.0, 2.0, 2.0];
    eventually("every series is its own part's", both, |values| *values == expected).await;
    tasks.iter().for_each(JoinHandle::abort);
    becomes(&client, "stopped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_ready_is_what_readiness_shows() {
    let (broker, registry) = (Broker::shared().await, Registry::new());
    broker.client().await.declare_exchange("differs").await;
    let client = client(&broker.url(), &registry);
    let _consumer = run(client.consumer(Subscription::queue("orders"), Actor::willing()).build().unwrap());
    becomes(&client, "consuming").await;
    let _publisher = client.publisher::<Note>(Exchange::fanout("differs")).start().unwrap();
    let conflict = becomes(&client, "topology-conflict").await;
    assert!(conflict.reason().unwrap().starts_with("publisher to differs: exchange \"differs\""), "{conflict:?}");
    assert!(!conflict.is_serving());
    let one = shown(&registry).sum("messaging_state", &[("queue", "orders"), ("state", "consuming")]);
    assert_eq!(one, 1.0, "the other works");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_share_a_client_is_refused_and_told_why() {
    let registry = Registry::new();
    let client = client("amqp://127.0.0.1:1", &registry);
    let second = Client::new(Endpoint { name: "second".to_owned(), ..endpoint() }, &registry).err().unwrap();
    let told = "the registry has the metrics of a messaging client already: clone that client, or give this one a registry of its own";
    assert_eq!((second.to_string(), format!("{second:?}")), (told.to_owned(), told.to_owned()));

    let consumer = || client.consumer(Subscription::queue("q"), Actor::willing()).build();
    let first = consumer().unwrap();
    let second = consumer().err().unwrap().to_string();
    assert!(second.starts_with("second consumer of queue \"q\": expected one"), "{second}");
    drop(first);
    assert_eq!(client.state().name(), "stopped", "it was dropped");
    drop(consumer().unwrap());

    let publisher = |lanes| client.publisher::<Note>("e").lanes(lanes).start();
    let (first, shared) = (publisher(2).unwrap(), publisher(2).unwrap());
    let second = publisher(3).err().unwrap().to_string();
    assert!(second.starts_with("second publisher to direct exchange \"e\": expected"), "{second}");
    let second = client.publisher::<Note>(Exchange::topic("e")).lanes(2).start().err().unwrap().to_string();
    assert!(second.starts_with("second publisher to topic exchange"), "{second}");
    drop((first, shared));
    publisher(3).unwrap();
    assert_eq!(publisher(0).err().unwrap().to_string(), "lanes 0: expected from 1 to 32");
}

fn endpoint() -> Endpoint {
    Endpoint::new("amqp://127.0.0.1:1".parse().unwrap(), "test")
}
