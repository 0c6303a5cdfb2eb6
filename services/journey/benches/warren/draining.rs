//! Draining a backlog from a quorum queue: `messaging` with decoding and dedupe, bare lapin, the official Go client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use contract::OrderEvent;
use journey::Broker;
use messaging::{Consumer, ConsumerOptions, Failure, Handler, Received, Subscription};
use tokio::sync::Notify;
use tracing::debug;

use crate::rounds::{self, Figures};
use crate::{bare, golang, publishing, sample};

/// The backlog of each measurement.
const BACKLOG: usize = 60_000;
/// What the yardsticks prefetch: as much as `messaging` does by default.
const PREFETCH: u16 = 128;
const SUBSCRIPTION: Subscription = Subscription::queue(sample::QUEUE).bound_to(sample::EXCHANGE, &["order.placed"]);

/// Does what a log-only handler does.
struct LogOnly {
    left: Arc<AtomicUsize>,
    done: Arc<Notify>,
}

impl Handler for LogOnly {
    type Event = OrderEvent;

    async fn handle(&self, event: &Received<OrderEvent>) -> Result<(), Failure> {
        debug!(event.id = event.id, "handled");
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.notify_one();
        }
        Ok(())
    }
}

/// Measures and prints the rates, `rounds` times.
pub(crate) async fn measure(broker: &Broker, rounds: usize) {
    let [mut messaging, mut lapin, mut go] = [(); 3].map(|()| Figures::default());
    let url = broker.url();
    for _ in 0..rounds {
        backlog(broker).await;
        messaging.push(drain(broker).await);
        backlog(broker).await;
        lapin.push(bare::drain_acknowledging_each(&url, sample::QUEUE, PREFETCH, BACKLOG).await);
        backlog(broker).await;
        let (n, prefetch) = (BACKLOG.to_string(), PREFETCH.to_string());
        let arguments = [
            "-mode",
            "drain",
            "-auto=false",
            "-n",
            &n,
            "-pf",
            &prefetch,
            "-q",
            sample::QUEUE,
            "-qt",
            "quorum",
            "-url",
            &url,
        ];
        if let Some(rate) = golang::rate(&arguments).await {
            go.push(rate);
        }
    }
    let head = ["messaging", "lapin, acknowledging each", "Go client", "against Go"].map(String::from).to_vec();
    let row = vec![messaging.show("/s"), lapin.show("/s"), go.show("/s"), messaging.against(&go)];
    rounds::print(&format!("Draining a backlog of {BACKLOG} (events a second)"), &[head, row]);
}

async fn backlog(broker: &Broker) {
    sample::fresh_queue(broker, sample::QUEUE).await;
    publishing::publish(broker, 256, BACKLOG).await;
}

async fn drain(broker: &Broker) -> f64 {
    let (left, done) = (Arc::new(AtomicUsize::new(BACKLOG)), Arc::new(Notify::new()));
    let handler = LogOnly { left, done: Arc::clone(&done) };
    let registry = prometheus::Registry::new();
    let consumer =
        Consumer::new(sample::endpoint(broker), SUBSCRIPTION, ConsumerOptions::default(), handler, &registry)
            .expect("a fresh registry takes the metrics");
    let started = Instant::now();
    let mut rate = 0.0;
    let stop = async {
        done.notified().await;
        rate = BACKLOG as f64 / started.elapsed().as_secs_f64();
    };
    consumer.run(stop, Duration::from_secs(5)).await.expect("nothing is left to drain");
    rate
}
