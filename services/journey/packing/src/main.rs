//! Asks for a parcel for each order. Only the fault journey runs this service: it hears one event and publishes another.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use chassis::{ConsumerSettings, Env, Exit, Health, Process};
use events::EventData;
use messaging::{Client, Exchange, Failure, Handler, Publisher, PublisherOptions, Received, State, Subscription};
use serde::{Deserialize, Serialize};
use tracing::debug;

/// What the service reads of an order. It ignores every other field.
#[derive(Serialize, Deserialize)]
struct OrderPlaced {
    id: String,
    items: Vec<Item>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    quantity: u32,
}

impl EventData for OrderPlaced {
    const TYPE: &'static str = "order.placed";
}

/// The event that the service publishes.
#[derive(Serialize, Deserialize)]
struct ParcelRequested {
    order: String,
    pieces: u32,
}

impl EventData for ParcelRequested {
    const TYPE: &'static str = "parcel.requested";

    fn subject(&self) -> Option<String> {
        Some(self.order.clone())
    }
}

/// Publishes a request for a parcel for each order.
struct Packing {
    parcels: Publisher<ParcelRequested>,
}

impl Handler for Packing {
    type Event = OrderPlaced;

    async fn handle(&self, event: &Received<OrderPlaced>) -> Result<(), Failure> {
        let order = &event.data;
        // The quantities come from outside, and nobody has checked their sum.
        let pieces = order.items.iter().fold(0_u32, |sum, item| sum.saturating_add(item.quantity));
        let request = event.follow_up("urn:packing", ParcelRequested { order: order.id.clone(), pieces });
        self.parcels.publish(request).await?;
        debug!(event_id = event.id, "parcel requested");
        Ok(())
    }

    async fn probe(&self) -> Result<(), String> {
        match &*self.parcels.state().borrow() {
            state if state.is_serving() => Ok(()),
            other => Err(format!("the publisher is {}", other.name())),
        }
    }
}

/// The settings of the consumer and of the publisher.
struct Config {
    consumer: ConsumerSettings,
    publisher: PublisherOptions,
}

impl Config {
    fn from_env(env: &mut Env) -> Self {
        Self { consumer: ConsumerSettings::from_env(env), publisher: PublisherOptions::from_env(env) }
    }
}

async fn serve(config: Config, process: &Process) -> Result<(), Exit> {
    let Config { consumer, publisher } = config;
    let client = Client::new(consumer.endpoint.named(process.name()), process.registry())?;
    let parcels = client.publisher(Exchange::topic("parcel-exchange")).options(publisher).start()?;
    let orders = Subscription::queue("packing-queue").bound_to("order-exchange", [OrderPlaced::TYPE]);
    let packing = Packing { parcels: parcels.clone() };
    let consumer = client.consumer(orders, packing).options(consumer.options).build()?;
    let ops = process.serve_ops(move || health(&client.state())).await?;

    let shutdown = process.shutdown();
    let stop = async {
        shutdown.requested().await;
    };
    let ended = consumer.run(stop, process.settings().shutdown_timeout).await;
    let deadline = shutdown.requested().await;
    // After the consumer, because the handlers publish until they have ended.
    deadline.step("publisher", parcels.close(deadline.instant())).await;
    deadline.step("ops", ops.drain()).await;
    Ok(ended?)
}

/// Ready while both the publisher is connected and the consumer consumes.
fn health(state: &State) -> Health {
    Health::of(state, *state == State::Consuming)
}

fn main() -> ExitCode {
    chassis::run("packing", Config::from_env, serve)
}
