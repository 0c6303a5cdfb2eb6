//! A service that hears and speaks over a topic exchange: two consumers and a publisher in one process.
//!
//! ```text
//!                       ┌── stock.low ──► restock-queue ──► Buyer ──┐
//! topic exchange stock ─┤                                           │ publishes stock.ordered
//!          ▲            └── stock.# ────► ledger-queue ───► Ledger  │
//!          └────────────────────────────────────────────────────────┘
//! ```
//!
//! `cargo run -p messaging --example restock` runs it on the broker that `make run` or `deploy/broker` started.

use std::fmt::Display;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use events::{DecodeError, Event};
use messaging::{AmqpUrl, Client, Endpoint, Error, Exchange, Failure, Handler, Publisher, Received, Subscription};
use prometheus::Registry;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

/// How long an event may wait for the broker's confirm.
const CONFIRM: Duration = Duration::from_secs(5);
/// How long a stop may take.
const DRAIN: Duration = Duration::from_secs(20);

/// What happens to the stock of one article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stock {
    /// Only so many pieces are left.
    Low(Article),
    /// So many pieces were ordered.
    Ordered(Article),
}

/// An article, and a number of pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Article {
    /// Which article.
    pub sku: String,
    /// How many pieces.
    pub pieces: u32,
}

impl Event for Stock {
    const TYPES: &'static [&'static str] = &["stock.low", "stock.ordered"];

    fn event_type(&self) -> &'static str {
        match self {
            Self::Low(_) => "stock.low",
            Self::Ordered(_) => "stock.ordered",
        }
    }

    fn subject(&self) -> Option<impl Display + '_> {
        let (Self::Low(article) | Self::Ordered(article)) = self;
        Some(&article.sku)
    }

    fn data(&self) -> impl Serialize + '_ {
        let (Self::Low(article) | Self::Ordered(article)) = self;
        article
    }

    fn from_data(event_type: &str, data: &RawValue) -> Result<Self, DecodeError> {
        let article = serde_json::from_str(data.get()).map_err(|error| DecodeError::NotJson(error.to_string()))?;
        Ok(if event_type == "stock.low" { Self::Low(article) } else { Self::Ordered(article) })
    }
}

/// Hears that stock is low, and says that it ordered more.
struct Buyer {
    publisher: Publisher<Stock>,
}

impl Handler for Buyer {
    type Event = Stock;

    async fn handle(&self, event: &Received<Stock>) -> Result<(), Failure> {
        let Stock::Low(article) = &event.data else { return Ok(()) };
        let ordered = Stock::Ordered(Article { pieces: 100 - article.pieces.min(100), ..article.clone() });
        // Its id derives from what was heard: if this runs twice, both events are the same to whoever hears them.
        let ordered = event.follow_up("urn:example:restock", ordered);
        // The event that was heard is acknowledged only after the broker has confirmed this one.
        let confirmed = self.publisher.publish(ordered).await;
        confirmed.map_err(|error| Failure::later(error).after(Duration::from_secs(10)))
    }
}

/// Writes down everything that happens to the stock.
#[derive(Clone, Default)]
pub struct Ledger {
    lines: Arc<Mutex<Vec<Stock>>>,
}

impl Ledger {
    /// All that was written so far.
    pub fn lines(&self) -> Vec<Stock> {
        self.lines.lock().expect("no writer panics").clone()
    }
}

impl Handler for Ledger {
    type Event = Stock;

    async fn handle(&self, event: &Received<Stock>) -> Result<(), Failure> {
        println!("{} {:?}", event.event_type, event.data);
        self.lines.lock().expect("no writer panics").push(event.data.clone());
        Ok(())
    }
}

/// Makes the service and runs it until `stop` resolves.
///
/// # Errors
/// Events were still being handled at the end.
pub async fn serve(client: &Client, ledger: Ledger, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let stock = || Exchange::topic("stock");
    // Whatever is published is in the ledger, even if the ledger's consumer was never up before.
    let publisher =
        client.publisher::<Stock>(stock()).timeout(CONFIRM).required_queue("ledger-queue", ["stock.#"]).start()?;

    let low = Subscription::queue("restock-queue").bound_to(stock(), ["stock.low"]);
    let buyer = client.consumer(low, Buyer { publisher: publisher.clone() }).concurrency(4).build()?;
    let all = Subscription::queue("ledger-queue").bound_to(stock(), ["stock.#"]);
    let ledger = client.consumer(all, ledger).retry_delays([1, 10, 60].map(Duration::from_secs)).build()?;

    let (stopping, stopped) = tokio::sync::watch::channel(());
    let until_stopped = || {
        let mut stopped = stopped.clone();
        async move { drop(stopped.changed().await) }
    };
    let running = async { tokio::join!(buyer.run(until_stopped(), DRAIN), ledger.run(until_stopped(), DRAIN)) };
    let (drained, ()) = tokio::join!(running, async {
        stop.await;
        stopping.send_replace(());
    });
    // The publisher closes last, because the buyer still publishes while it drains.
    publisher.close(Instant::now() + CONFIRM).await;
    drained.0.and(drained.1)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let endpoint = Endpoint::new(AmqpUrl::default(), "restock");
    // A real service shows the registry's series on `/metrics` and `client.state()` on `/readyz`.
    let client = Client::new(endpoint, &Registry::new())?;
    serve(&client, Ledger::default(), pending()).await
}
