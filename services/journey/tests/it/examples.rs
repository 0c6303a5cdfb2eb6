//! The documented examples run, on a real broker.

use std::time::Duration;

use events::CloudEvent;
use journey::{Broker, eventually, in_time};
use messaging::{Client, Endpoint, Exchange};
use prometheus::Registry;
use tokio::sync::oneshot;
use tokio::time::Instant;

#[allow(dead_code, unreachable_pub, reason = "it is a program of its own, and the test takes the place of its main")]
#[path = "../../../messaging/examples/restock.rs"]
mod restock;
use restock::{Article, Ledger, Stock};

fn client(broker: &Broker, name: &str) -> Client {
    let endpoint = Endpoint::new(broker.url().parse().unwrap(), name);
    Client::new(endpoint, &Registry::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_hears_of_low_stock_orders_more_and_hears_of_the_order() {
    let (broker, ledger) = (Broker::shared().await, Ledger::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let service = client(&broker, "restock");
    let running = {
        let (service, ledger) = (service.clone(), ledger.clone());
        tokio::spawn(async move { restock::serve(&service, ledger, async { drop(stopped.await) }).await })
    };
    eventually("all of it is ready", async || service.state(), |state| state.name() == "consuming").await;

    let warehouse = client(&broker, "warehouse").publisher::<Stock>(Exchange::topic("stock")).start().unwrap();
    let article = |pieces| Article { sku: "TEA-1".to_owned(), pieces };
    let low = CloudEvent::new("urn:example:warehouse", Stock::Low(article(3)));
    warehouse.publish_by(low, Instant::now() + Duration::from_secs(20)).await.unwrap();

    let lines = eventually("both events are written", async || ledger.lines(), |lines| lines.len() == 2).await;
    assert!(lines.contains(&Stock::Low(article(3))) && lines.contains(&Stock::Ordered(article(97))), "{lines:?}");
    drop(stop);
    in_time("it stops", running).await.unwrap().unwrap();
    assert_eq!(broker.depth("restock-queue").await, Some(0), "what it heard is acknowledged");
}
