//! A service that runs in several processes, which share a store of the events that they have handled.
//!
//! The store is a folder that every process sees, such as a volume that all of them mount. Redis or a table of the
//! service's database takes the same two functions.
//!
//! `cargo run --package messaging --example dedupe_store -- FOLDER` runs one process beside the shop, on the broker of
//! `make run` or `deploy/broker`. Start it twice.

use std::fs::{self, File};
use std::future::{Future, pending};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use events::EventData;
use messaging::{AmqpUrl, Client, DedupeStore, Endpoint, Error, EventKey, Failure, Handler, Received, Subscription};
use prometheus::Registry;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use uuid::{Uuid, uuid};

/// Holds an empty file for each event that was handled.
#[derive(Clone)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// An id may contain any character, and a file's name may not. So the name is a UUID that follows from the key.
    fn file(&self, event: EventKey<'_>) -> PathBuf {
        const EVENTS: Uuid = uuid!("5b1f6c0e-3c1c-4b5e-9d0a-0f9a6f2f7c11");
        let EventKey { queue, source, id } = event;
        self.0.join(Uuid::new_v5(&EVENTS, format!("{queue}\n{source}\n{id}").as_bytes()).to_string())
    }
}

impl DedupeStore for Folder {
    async fn was_handled(&self, event: EventKey<'_>) -> Result<bool, Failure> {
        let (folder, file) = (self.0.clone(), self.file(event));
        // A folder that is not mounted knows nothing, so that is an outage.
        let asked = off_the_runtime(move || fs::metadata(folder).and_then(|_| file.try_exists()));
        asked.await.map_err(|error| Failure::outage(format!("the folder of handled events: {error}")))
    }

    async fn remember(&self, event: EventKey<'_>) -> Result<(), String> {
        let file = self.file(event);
        // If another process was faster, its file stays.
        let entered = off_the_runtime(move || File::create(file).map(drop));
        entered.await.map_err(|error| error.to_string())
    }
}

/// Files block their thread, so this uses a thread that is there for it.
async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await?
}

/// What this service reads of an order.
#[derive(Debug, Serialize, Deserialize)]
pub struct OrderPlaced {
    /// The order's id.
    pub id: String,
}

impl EventData for OrderPlaced {
    const TYPE: &'static str = "order.placed";
}

/// Ships each order.
#[derive(Clone, Default)]
pub struct Shipping {
    shipped: Arc<Mutex<Vec<String>>>,
}

impl Shipping {
    /// The orders that were shipped so far.
    pub fn shipped(&self) -> Vec<String> {
        self.shipped.lock().expect("no shipping panics").clone()
    }
}

impl Handler for Shipping {
    type Event = OrderPlaced;

    async fn handle(&self, event: &Received<OrderPlaced>) -> Result<(), Failure> {
        println!("shipping order {}", event.data.id);
        self.shipped.lock().expect("no shipping panics").push(event.data.id.clone());
        Ok(())
    }
}

/// Runs one process until `stop` resolves.
///
/// # Errors
/// Events were still being handled at the end.
pub async fn serve(
    client: &Client,
    store: Folder,
    shipping: Shipping,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let orders = Subscription::queue("shipping-queue").bound_to("order-exchange", [OrderPlaced::TYPE]);
    let consumer = client.consumer(orders, shipping).dedupe_store(store).build()?;
    consumer.run(stop, Duration::from_secs(20)).await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let endpoint = Endpoint::new(AmqpUrl::default(), "shipping");
    let client = Client::new(endpoint, &Registry::new())?;
    serve(&client, Folder(folder), Shipping::default(), pending()).await
}
