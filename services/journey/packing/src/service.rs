//! The life of the service: it starts a consumer and a publisher, and ends them in this order.

use chassis::{ConsumerSettings, Env, Exit, Health, Process};
use events::EventData;
use messaging::{Client, Exchange, PublisherOptions, State, Subscription};

use crate::handler::{OrderPlaced, Packing};

/// The settings of the consumer and of the publisher.
pub(crate) struct Config {
    consumer: ConsumerSettings,
    publisher: PublisherOptions,
}

impl Config {
    pub(crate) fn from_env(env: &mut Env) -> Self {
        Self { consumer: ConsumerSettings::from_env(env), publisher: PublisherOptions::from_env(env) }
    }
}

/// Consumes and publishes until a stop is requested.
pub(crate) async fn serve(config: Config, process: &Process) -> Result<(), Exit> {
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
