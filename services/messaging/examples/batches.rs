//! A service that writes events in batches: up to 100 orders go to the disk together, and each is settled by itself.
//!
//! The ledger is a file, and a sync of the disk costs the same for one order as for 100. A transaction of a database
//! takes its place.
//!
//! `cargo run --package messaging --example batches -- FILE` runs it beside the shop, on the broker of `make run` or
//! `deploy/broker`.

use std::fs::OpenOptions;
use std::future::{Future, pending};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use events::EventData;
use messaging::{AmqpUrl, BatchHandler, Batches, Client, Endpoint, Error, Failure, Received, Subscription};
use prometheus::Registry;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

/// What this service reads of an order. A batch holds clones of its events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderPlaced {
    /// The order's id.
    pub id: String,
    /// The currency of its prices.
    pub currency: String,
}

impl EventData for OrderPlaced {
    const TYPE: &'static str = "order.placed";
}

/// Writes each order as a line of a file.
pub struct Ledger {
    /// The file.
    pub file: PathBuf,
}

impl Ledger {
    /// Returns when the lines are on the disk.
    async fn append(&self, lines: String) -> io::Result<()> {
        let file = self.file.clone();
        // Files block their thread, so this uses a thread that is there for it.
        let written = spawn_blocking(move || {
            let mut file = OpenOptions::new().create(true).append(true).open(file)?;
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        });
        written.await?
    }
}

impl BatchHandler for Ledger {
    type Event = OrderPlaced;

    async fn handle_batch(&self, events: &[Received<OrderPlaced>]) -> Vec<Result<(), Failure>> {
        let results: Vec<_> = events.iter().map(|event| in_euros(&event.data)).collect();
        // Delivery is at least once, so a line may come twice. A table would have a unique key.
        let sound = events.iter().zip(&results).filter(|(_, result)| result.is_ok());
        let lines: String = sound.map(|(event, _)| format!("{}\n", event.data.id)).collect();
        match self.append(lines).await {
            Ok(()) => results,
            // No order is at fault. The consumer pauses until one can be written.
            Err(error) => vec![Err(Failure::outage(format!("the ledger: {error}"))); events.len()],
        }
    }
}

fn in_euros(order: &OrderPlaced) -> Result<(), Failure> {
    match order.currency.as_str() {
        "EUR" => Ok(()),
        other => Err(Failure::for_good(format!("the ledger is in EUR, and the order in {other}"))),
    }
}

/// Runs the service until `stop` resolves.
///
/// # Errors
/// Events were still being handled at the end.
pub async fn serve(client: &Client, ledger: Ledger, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let orders = Subscription::queue("ledger-queue").bound_to("order-exchange", [OrderPlaced::TYPE]);
    let ledger = Batches::new(ledger).size(100).wait(Duration::from_millis(20));
    // While 100 orders are written, the next 100 are gathered.
    let consumer = client.consumer(orders, ledger).concurrency(200).build()?;
    consumer.run(stop, Duration::from_secs(20)).await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let file = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("ledger"), PathBuf::from);
    let endpoint = Endpoint::new(AmqpUrl::default(), "ledger");
    let client = Client::new(endpoint, &Registry::new())?;
    serve(&client, Ledger { file }, pending()).await
}
