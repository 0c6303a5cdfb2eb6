//! Measures how fast a backlog is drained from a queue: by `messaging`, which also decodes and finds duplicates, by bare
//! lapin, by the official Go client, and by the [`floor`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use contract::OrderEvent;
use journey::Broker;
use messaging::{Client, Failure, Handler, Received, Subscription};
use tokio::sync::Notify;
use tracing::debug;

use crate::cost::Contender;
use crate::queues::Queues;
use crate::{bare, floor, golang, publishing, rounds, sample};

/// The backlog of each measurement.
const BACKLOG: usize = 60_000;
/// The prefetch of the other clients, which is the default of `messaging`.
const PREFETCH: u16 = 128;

/// The queue that is drained.
pub(crate) fn subscription() -> Subscription {
    Subscription::queue(sample::QUEUE).bound_to(sample::EXCHANGE, ["order.placed"])
}

/// A handler that only logs, and counts the events that are left.
struct LogOnly {
    left: Arc<AtomicUsize>,
    done: Arc<Notify>,
}

impl Handler for LogOnly {
    type Event = OrderEvent;

    async fn handle(&self, event: &Received<OrderEvent>) -> Result<(), Failure> {
        debug!(event_id = event.id, "handled");
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.notify_one();
        }
        Ok(())
    }
}

/// The contenders on the queues of one type.
struct Row<'a> {
    queues: &'a Queues,
    messaging: Contender,
    lapin: Contender,
    go: Contender,
    floor: Contender,
}

/// Measures and prints the rates, `rounds` times.
pub(crate) async fn measure(both: &[Queues], rounds: usize) {
    let mut rows: Vec<Row> = both.iter().map(Row::new).collect();
    for _ in 0..rounds {
        for row in &mut rows {
            row.measure().await;
        }
    }
    print(&rows);
}

impl<'a> Row<'a> {
    fn new(queues: &'a Queues) -> Self {
        let [messaging, lapin, go, floor] = [(); 4].map(|()| Contender::default());
        Self { queues, messaging, lapin, go, floor }
    }

    async fn measure(&mut self) {
        let (queues, url) = (self.queues, self.queues.broker.url());
        backlog(queues).await;
        self.messaging.run(BACKLOG, drain(&queues.broker)).await;
        backlog(queues).await;
        self.lapin.run(BACKLOG, bare::drain_acknowledging_each(&url, sample::QUEUE, PREFETCH, BACKLOG)).await;
        backlog(queues).await;
        let (n, prefetch) = (BACKLOG.to_string(), PREFETCH.to_string());
        let what = ["-mode", "drain", "-auto=false", "-n", &n, "-pf", &prefetch];
        let whence = ["-q", sample::QUEUE, "-qt", queues.kind, "-url", &url];
        self.go.run_apart(BACKLOG, golang::rate(&[&what[..], &whence].concat())).await;
        backlog(queues).await;
        self.floor.run(BACKLOG, floor::drain(&queues.broker, sample::QUEUE, PREFETCH, BACKLOG)).await;
        queues.fresh().await;
    }
}

async fn backlog(queues: &Queues) {
    queues.fresh().await;
    publishing::publish(&queues.broker, publishing::orders(256, BACKLOG)).await;
}

async fn drain(broker: &Broker) -> f64 {
    let (left, done) = (Arc::new(AtomicUsize::new(BACKLOG)), Arc::new(Notify::new()));
    let handler = LogOnly { left, done: Arc::clone(&done) };
    let registry = prometheus::Registry::new();
    let client = Client::new(sample::endpoint(broker), &registry).expect("a fresh registry takes the metrics");
    let consumer = client.consumer(subscription(), handler).build().expect("the queue has no other consumer");
    let started = Instant::now();
    let mut rate = 0.0;
    let stop = async {
        done.notified().await;
        rate = BACKLOG as f64 / started.elapsed().as_secs_f64();
    };
    consumer.run(stop, Duration::from_secs(5)).await.expect("nothing is left to drain");
    rate
}

fn print(rows: &[Row<'_>]) {
    let head = ["queue", "messaging", "lapin, acknowledging each", "Go client", "floor"].map(String::from);
    let mut rates = vec![head.iter().cloned().chain(["against Go", "against floor"].map(String::from)).collect()];
    let mut costs = vec![head.to_vec()];
    for row in rows {
        let all = [&row.messaging, &row.lapin, &row.go, &row.floor];
        let name = || [row.queues.kind.to_owned()].into_iter();
        let against = [&row.go, &row.floor].map(|other| row.messaging.rate.against(&other.rate));
        rates.push(name().chain(all.map(|one| one.rate.show("/s"))).chain(against).collect());
        costs.push(name().chain(all.map(|one| one.cpu.show(" s"))).collect());
    }
    rounds::print(&format!("Draining a backlog of {BACKLOG} (events a second)"), &rates);
    rounds::print("What it takes the client (CPU seconds per 100,000 events)", &costs);
}
