//! The guide's own programs, written for a plain client, work unchanged beside Warren.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use journey::{Broker, Client, Options, Plan, Request, World, an_order, eventually};
use lapin::{
    BasicProperties, Channel,
    options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions},
    types::FieldTable,
};
use serde_json::Value;
use tokio::task::JoinHandle;

const TEXT: &str = "NEW ORDER CREATED";

/// The guide's publisher: declares the exchange and publishes a text, without confirms.
async fn guide_publishes(broker: &Broker) {
    let client = broker.client().await;
    client.declare_exchange("order-exchange").await;
    let properties = BasicProperties::default().with_content_type("text/plain".into());
    let options = BasicPublishOptions::default();
    let publish = async |channel: &Channel| {
        let (exchange, key) = ("order-exchange".into(), "order.placed".into());
        channel.basic_publish(exchange, key, options, TEXT.as_bytes(), properties).await?.await
    };
    client.ask(publish).await.unwrap();
}

/// The guide's consumer: declares exchange and queue without arguments, binds, reads, acknowledges each.
struct GuideConsumer {
    bodies: Arc<Mutex<Vec<String>>>,
    _client: Client,
    reading: JoinHandle<()>,
}

impl GuideConsumer {
    async fn start(broker: &Broker) -> Self {
        let client = broker.client().await;
        client.declare("email-queue", "order-exchange", &["order.placed"]).await;
        let options = BasicConsumeOptions::default();
        let consume = async |channel: &Channel| {
            channel.basic_consume("email-queue".into(), "".into(), options, FieldTable::default()).await
        };
        let mut deliveries = client.ask(consume).await.unwrap();
        let bodies = Arc::<Mutex<Vec<String>>>::default();
        let read = bodies.clone();
        let reading = tokio::spawn(async move {
            while let Some(delivery) = deliveries.next().await {
                let delivery = delivery.unwrap();
                read.lock().unwrap().push(String::from_utf8(delivery.data.clone()).unwrap());
                delivery.ack(BasicAckOptions::default()).await.unwrap();
            }
        });
        Self { bodies, _client: client, reading }
    }

    fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }
}

impl Drop for GuideConsumer {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn warren_hears_the_guide(world: &World) {
    guide_publishes(&world.broker).await;
    world.eventually("its mail", async |world| world.mails(), |mails| mails.iter().any(|mail| mail == TEXT)).await;
    world.eventually("its count", async |world| world.counted("order.placed").await, |&count| count == 1.0).await;
    let revenue = world.analytics.metric("analytics_revenue_minor_units_total", &[]).await;
    assert_eq!(revenue, 0.0, "nobody knows what it cost");
    assert_eq!(world.broker.depth("email-queue.dead").await.unwrap_or(0), 0);
}

#[tokio::test]
async fn warren_mails_and_counts_what_the_guides_publisher_says() {
    warren_hears_the_guide(&World::start().await).await;
}

#[tokio::test]
async fn the_guides_programs_work_on_a_broker_with_classic_queues_too() {
    let broker = Broker::with(Options::new().stock()).await;
    let plan = Plan::on(&broker).order("AMQP_URL", broker.url());
    let world = plan.email("AMQP_URL", broker.url()).analytics("AMQP_URL", broker.url()).start().await;
    warren_hears_the_guide(&world).await;
}

#[tokio::test]
async fn what_the_guide_says_before_warren_has_started_is_mailed_later() {
    let broker = Broker::shared().await;
    drop(GuideConsumer::start(&broker).await);
    eventually("the guide has left", || broker.consumers("email-queue"), |&count| count == Some(0)).await;
    guide_publishes(&broker).await;
    let mut email = Plan::on(&broker).launch("email");
    email.ready().await;
    eventually("its mail", || async { email.logged("Sending email for: ") }, |mails| mails == &[TEXT]).await;
}

#[tokio::test]
async fn the_guides_consumer_reads_what_warren_says_whoever_comes_first() {
    for guide_is_first in [true, false] {
        let broker = Broker::shared().await;
        let start_guide = async || GuideConsumer::start(&broker).await;
        let start_order = async || {
            let mut order = Plan::on(&broker).launch("order");
            order.ready().await;
            order
        };
        let (guide, order) = match guide_is_first {
            true => (start_guide().await, start_order().await),
            false => {
                let order = start_order().await;
                (start_guide().await, order)
            }
        };
        let placed = Request::post(order.http_port().await, "/orders", &an_order()).send().await;
        assert_eq!(placed.status, 202, "{placed:?}");
        let bodies = eventually("it reads one", || async { guide.bodies() }, |bodies| bodies.len() == 1).await;
        let event: Value = serde_json::from_str(&bodies[0]).unwrap();
        assert_eq!(event["type"], "order.placed");
        assert_eq!(event["subject"], placed.json()["id"]);
    }
}

#[tokio::test]
async fn the_guides_consumer_takes_its_share_beside_email() {
    let world = World::start().await;
    let guide = GuideConsumer::start(&world.broker).await;
    let placed = Cell::new(0);
    let shares = async |world: &World| (guide.bodies().len(), world.mails().len());
    let place_and_look = async |world: &World| {
        world.place(&an_order()).await;
        placed.set(placed.get() + 1);
        shares(world).await
    };
    world.eventually("both read something", place_and_look, |(guide, mails)| *guide > 0 && *mails > 0).await;
    world.eventually("every order is read once", shares, |(guide, mails)| guide + mails == placed.get()).await;
}
