//! Orders in a queue, the email service, a mail server, and the books between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::ready,
    time::{Duration, Instant},
};

use contract::NewOrder;
use events::{CONTENT_TYPE, Encoded};
use futures_util::future::join_all;
use jiff::Timestamp;
use journey::{Answer, Broker, Process, eventually, eventually_within};
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
        let orders: Vec<_> = customers.iter().map(|customer| placed(customer, items)).collect();
        let published = orders.iter().map(async |event| {
            let properties = BasicProperties::default()
                .with_content_type(CONTENT_TYPE.into())
                .with_message_id(event.id.as_str().into())
                .with_delivery_mode(2);
            assert!(client.publish("order-exchange", event.event_type, properties, &event.body).await);
        });
        join_all(published).await;
        self.orders.extend(orders.into_iter().map(|event| event.id).zip(customers.iter().cloned()));
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

    /// Waits until so many mails were taken.
    pub(crate) async fn sends(&self, mails: usize) {
        let sent = || self.email.metric("email_sent_total", &[("outcome", "sent")]);
        eventually_within(PATIENCE, &format!("{mails} mails are taken"), sent, |&sent| sent >= mails as f64).await;
    }

    /// Waits until every order is a mail in the mailbox or, for these addresses alone, a dead letter; then ends the service, and sees that
    /// each was mailed once. Gives the server, which has all mails.
    pub(crate) async fn balances(mut self, dead: &[String]) -> Server {
        self.settles(dead, |server, meant| server.delivered() >= meant).await;
        self.ends(dead).await;
        let mails = self.server.mails();
        let meant = self.orders.values().filter(|customer| !dead.contains(customer)).map(String::as_str);
        assert_eq!(sorted(mails.iter().map(Mail::recipient)), sorted(meant));
        let ids: BTreeSet<_> = mails.iter().map(Mail::id).collect();
        assert_eq!(ids.len(), mails.len(), "each mail has an id of its own");
        self.server
    }

    /// The same where the server broke off mails: none is a dead letter, and so many at most were handed over once more.
    pub(crate) async fn balances_with_copies(mut self, at_most: usize) {
        let meant: BTreeSet<_> = self.orders.values().cloned().collect();
        let has_all = |server: &Server, _| {
            server.delivered() >= meant.len()
                && server.mails().iter().map(Mail::recipient).collect::<BTreeSet<_>>().len() == meant.len()
        };
        self.settles(&[], has_all).await;
        self.ends(&[]).await;
        assert!(self.email.log().contains("session was lost"), "nothing was broken off: {}", self.email.log());
        let mails = self.server.mails();
        assert!(mails.iter().all(|mail| meant.contains(mail.recipient())), "{mails:?}");
        let ids: BTreeSet<_> = mails.iter().map(Mail::id).collect();
        assert_eq!(ids.len(), meant.len(), "a copy has the id of the mail that it is a copy of");
        // Where a server that was cut off in a delivery makes it once more, both are what it took once.
        let taken: BTreeSet<_> = mails.iter().map(|mail| (mail.id(), mail.taken())).collect();
        let copies = taken.len() - ids.len();
        assert!(copies <= at_most, "{copies} mails were handed over once more: {}", self.email.log());
    }

    /// Ends the service, and sees that nothing waits any more, that the server delivers all, and that only these are dead letters.
    async fn ends(&mut self, dead: &[String]) {
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
    }

    /// How many orders wait in the queue, and how many in the one for those that were put off.
    async fn waiting(&self) -> [Option<u32>; 2] {
        [self.broker.depth("email-queue").await, self.broker.depth("email-queue.retry.100ms").await]
    }

    /// Waits until the server has what it should, of so many mails, and these addresses are dead letters, as long as mails or dead letters
    /// become more. A refusal becomes a dead letter only once a later mail is taken, so where all others are, one more order comes each time.
    async fn settles(&mut self, dead: &[String], has_all: impl Fn(&Server, usize) -> bool) {
        let client = self.broker.client().await;
        let (mut last, mut moved) = ((0, 0), Instant::now());
        loop {
            let letters = client.depth(DEAD).await.unwrap_or(0) as usize;
            let has_all = has_all(&self.server, self.orders.len() - dead.len());
            if letters >= dead.len() && has_all {
                return;
            }
            if has_all {
                self.place(&[format!("late-{}@example.com", self.orders.len())]).await;
            }
            let seen = (self.server.delivered(), letters);
            if seen != last {
                (last, moved) = (seen, Instant::now());
            }
            if moved.elapsed() > PATIENCE || letters > dead.len() {
                let (waiting, in_hand) = (self.waiting().await, self.email.metric("messaging_in_flight", &[]).await);
                panic!(
                    "{seen:?} mails and dead letters of {} and {}; {waiting:?} wait, {in_hand} in hand: {:?}\n{}\n{}",
                    self.orders.len() - dead.len(),
                    dead.len(),
                    self.email.ops("/readyz").await,
                    self.email.log(),
                    self.server.log()
                );
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// An order of so many items, as `order` encodes it.
fn placed(customer: &str, items: usize) -> Encoded {
    let item = json!({"sku": "TEA-1", "name": "Earl Grey & Söhne", "quantity": 2, "unit_price": 450});
    let order = json!({
        "customer": {"name": "Ada Lovelace", "email": customer},
        "items": vec![&item; items],
    });
    let order = NewOrder::parse(order.to_string().as_bytes()).expect("it is an order");
    order.place(None, Timestamp::now()).encode()
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
