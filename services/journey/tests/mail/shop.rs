//! Orders in a queue, the email service, a mail server, and the books between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::ready,
    time::{Duration, Instant},
};

use contract::{CONTENT_TYPE, NewOrder};
use jiff::Timestamp;
use journey::{Answer, Broker, Process, eventually};
use lapin::BasicProperties;
use serde_json::json;
use tokio::time::sleep;

use crate::{mail::Mail, server::Server};

const DEAD: &str = "email-queue.dead";

/// How long nothing at all may happen before it is sure that nothing will.
const PATIENCE: Duration = Duration::from_secs(180);

/// The email service between a broker and a mail server.
pub(crate) struct Shop {
    broker: Broker,
    pub(crate) server: Server,
    pub(crate) email: Process,
    /// Whom the mail of each event goes to.
    orders: BTreeMap<String, String>,
}

impl Shop {
    /// Starts the service with these variables; `SMTP_URL` is the server's own unless it is among them.
    pub(crate) async fn open(server: Server, variables: &[(&str, &str)]) -> Self {
        let broker = Broker::shared().await;
        let mut environment = BTreeMap::from([
            ("AMQP_URL", broker.url_as("email")),
            ("SMTP_URL", server.url("")),
            ("EMAIL_FROM", "Warren <warren@example.org>".to_owned()),
            ("RETRY_DELAYS", "100ms,100ms,100ms,100ms".to_owned()),
        ]);
        environment.extend(variables.iter().map(|&(name, value)| (name, value.to_owned())));
        let mut email = Process::start("email", environment);
        email.ready().await;
        Self { broker, server, email, orders: BTreeMap::new() }
    }

    /// Publishes an order for each of these addresses, as `order` does.
    pub(crate) async fn place(&mut self, customers: &[String]) {
        self.place_orders(customers, 1).await;
    }

    /// The same, of so many items each.
    pub(crate) async fn place_orders(&mut self, customers: &[String], items: usize) {
        let client = self.broker.client().await;
        let item = json!({"sku": "TEA-1", "name": "Earl Grey & Söhne", "quantity": 2, "unit_price": 450});
        for customer in customers {
            let order = json!({
                "customer": {"name": "Ada Lovelace", "email": customer},
                "items": vec![&item; items],
            });
            let order = NewOrder::parse(order.to_string().as_bytes()).expect("it is an order");
            let event = order.place(None, Timestamp::now()).encode();
            let properties = BasicProperties::default()
                .with_content_type(CONTENT_TYPE.into())
                .with_message_id(event.id.as_str().into())
                .with_delivery_mode(2);
            assert!(client.publish("order-exchange", event.event_type, properties, &event.body).await);
            self.orders.insert(event.id, customer.clone());
        }
    }

    /// Waits until the service is paused, and these words are in the reason.
    pub(crate) async fn paused(&self, words: &str) {
        let readyz = || async { self.email.ops("/readyz").await };
        let paused = |answer: &Answer| {
            let said = answer.json();
            answer.status == 503 && said["state"] == "paused" && said["reason"].to_string().contains(words)
        };
        eventually(&format!("paused, because of {words}"), readyz, paused).await;
    }

    /// Waits until every order is a mail in the mailbox or, for these addresses alone, a dead letter; then ends the service, and sees that
    /// each was mailed once. Gives the server, which has all mails.
    pub(crate) async fn balances(mut self, dead: &[String]) -> Server {
        self.settles(self.orders.len() - dead.len(), dead.len()).await;
        self.email.terminate();
        assert_eq!(self.email.exit_code().await, 0, "{}", self.email.log());
        assert_eq!(self.waiting().await, [Some(0); 2], "{}", self.email.log());
        let held = || ready((self.server.holds(), self.server.log()));
        eventually("the server delivers", held, |(held, _)| held.is_empty()).await;
        let letters = self.broker.take(DEAD).await;
        let blamed = letters.iter().map(|letter| {
            let id = letter.json()["id"].as_str().expect("an event has an id").to_owned();
            self.orders[&id].as_str()
        });
        assert_eq!(sorted(blamed), sorted(dead.iter().map(String::as_str)), "{}", self.email.log());
        let mails = self.server.mails();
        let meant = self.orders.values().filter(|customer| !dead.contains(customer)).map(String::as_str);
        assert_eq!(sorted(mails.iter().map(Mail::recipient)), sorted(meant));
        let ids: BTreeSet<_> = mails.iter().map(Mail::id).collect();
        assert_eq!(ids.len(), mails.len(), "each mail has an id of its own");
        self.server
    }

    /// How many orders wait in the queue, and how many in the one for those that were put off.
    async fn waiting(&self) -> [Option<u32>; 2] {
        [self.broker.depth("email-queue").await, self.broker.depth("email-queue.retry.100ms").await]
    }

    /// Waits for so many mails and dead letters, as long as they become more.
    async fn settles(&self, mails: usize, letters: usize) {
        let (mut last, mut moved) = ((0, 0), Instant::now());
        loop {
            let seen = (self.server.delivered(), self.broker.depth(DEAD).await.unwrap_or(0) as usize);
            if seen.0 >= mails && seen.1 >= letters {
                return;
            }
            if seen != last {
                (last, moved) = (seen, Instant::now());
            }
            if moved.elapsed() > PATIENCE {
                let (waiting, in_hand) = (self.waiting().await, self.email.metric("messaging_in_flight", &[]).await);
                panic!(
                    "{seen:?} of {mails} mails and {letters} dead letters; {waiting:?} wait, {in_hand} in hand: {:?}\n{}\n{}",
                    self.email.ops("/readyz").await,
                    self.email.log(),
                    self.server.log()
                );
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn sorted<'a>(customers: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut customers: Vec<_> = customers.collect();
    customers.sort_unstable();
    customers
}

/// So many customers of one domain that every server here delivers.
pub(crate) fn customers(name: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{name}-{number}@example.com")).collect()
}
