//! Measures confirmed publishing to one queue: by `messaging`, bare lapin, the official Go client, and the [`floor`].

use std::time::Duration;

use bytes::Bytes;
use contract::OrderEvent;
use events::Encoded;
use journey::Broker;
use messaging::Client;
use messaging::inside::publish_encoded;
use tokio::time::Instant;
use uuid::Uuid;

use crate::cost::Contender;
use crate::queues::Queues;
use crate::{bare, floor, golang, rounds, sample};

/// How many events wait for their confirm at once, in each row.
const IN_FLIGHT: [usize; 4] = [1, 16, 256, 1024];
/// The body of every message, as long as the bodies of the Go client.
const BODY: [u8; 300] = [b'x'; 300];

struct Row<'a> {
    queues: &'a Queues,
    in_flight: usize,
    messaging: Contender,
    awaiting: Contender,
    pipelined: Contender,
    go: Contender,
    floor: Contender,
}

/// Measures and prints every row, `rounds` times.
pub(crate) async fn measure(both: &[Queues], rounds: usize) {
    let mut rows: Vec<Row> =
        both.iter().flat_map(|queues| IN_FLIGHT.map(|in_flight| Row::new(queues, in_flight))).collect();
    for _ in 0..rounds {
        for row in &mut rows {
            row.measure().await;
        }
    }
    print(&rows);
}

impl<'a> Row<'a> {
    fn new(queues: &'a Queues, in_flight: usize) -> Self {
        let [messaging, awaiting, pipelined, go, floor] = [(); 5].map(|()| Contender::default());
        Self { queues, in_flight, messaging, awaiting, pipelined, go, floor }
    }

    async fn measure(&mut self) {
        let (queues, in_flight) = (self.queues, self.in_flight);
        let (url, total) = (queues.broker.url(), sample::messages(in_flight));
        queues.fresh().await;
        let events = alike(&Bytes::from_static(&BODY), in_flight, total);
        self.messaging.run(total, publish(&queues.broker, events)).await;
        if in_flight == 1 {
            queues.fresh().await;
            self.awaiting.run(total, bare::publish_awaiting_each(&url, sample::QUEUE, &BODY, total)).await;
        }
        queues.fresh().await;
        self.pipelined.run(total, bare::publish_pipelined(&url, sample::QUEUE, &BODY, in_flight, total)).await;
        queues.fresh().await;
        let (n, w) = (total.to_string(), in_flight.to_string());
        let arguments = ["-mode", "pub", "-n", &n, "-w", &w, "-q", sample::QUEUE, "-qt", queues.kind, "-url", &url];
        self.go.run_apart(total, golang::rate(&arguments)).await;
        queues.fresh().await;
        self.floor.run(total, floor::publish(&queues.broker, sample::QUEUE, &BODY, in_flight, total)).await;
        queues.fresh().await;
    }
}

/// Encodes `total` orders, and divides them into `shares`.
pub(crate) fn orders(shares: usize, total: usize) -> Vec<Vec<Encoded>> {
    shared(shares, total, || sample::placed().encode())
}

/// Makes `total` events with this body, each with an id of its own, and divides them into `shares`.
pub(crate) fn alike(body: &Bytes, shares: usize, total: usize) -> Vec<Vec<Encoded>> {
    let one = Encoded { body: body.clone(), ..sample::placed().encode() };
    shared(shares, total, || Encoded { id: Uuid::now_v7().to_string(), ..one.clone() })
}

fn shared(shares: usize, total: usize, event: impl Fn() -> Encoded) -> Vec<Vec<Encoded>> {
    let share = |first| (first..total).step_by(shares).map(|_| event()).collect();
    (0..shares).map(share).collect()
}

/// Publishes events by `messaging`, one of each share at a time. Returns events a second.
pub(crate) async fn publish(broker: &Broker, shares: Vec<Vec<Encoded>>) -> f64 {
    let total: usize = shares.iter().map(Vec::len).sum();
    let registry = prometheus::Registry::new();
    let client = Client::new(sample::endpoint(broker), &registry).expect("a fresh registry takes the metrics");
    let publisher = client.publisher::<OrderEvent>(sample::EXCHANGE).start().expect("the options are the defaults");
    sample::eventually_connected(&publisher).await;
    let started = Instant::now();
    let tasks = shares.into_iter().map(|events| {
        let publisher = publisher.clone();
        tokio::spawn(async move {
            for event in events {
                let deadline = Instant::now() + Duration::from_secs(60);
                publish_encoded(&publisher, event, deadline).await.expect("the broker confirms");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("a publishing task panicked");
    }
    let rate = total as f64 / started.elapsed().as_secs_f64();
    publisher.close(Instant::now() + Duration::from_secs(5)).await;
    rate
}

fn print(rows: &[Row<'_>]) {
    let contenders = ["messaging", "lapin, awaiting each", "lapin, pipelined", "Go client", "floor"];
    let head = |rest: &[&str]| ["queue", "in flight"].iter().chain(rest).map(|cell| (*cell).to_owned()).collect();
    let mut rates = vec![head(&[&contenders[..], &["against Go", "against floor"]].concat())];
    let mut costs = vec![head(&contenders)];
    for row in rows {
        let name = || [row.queues.kind.to_owned(), row.in_flight.to_string()];
        let all = [&row.messaging, &row.awaiting, &row.pipelined, &row.go, &row.floor];
        let against = [&row.go, &row.floor].map(|other| row.messaging.rate.against(&other.rate));
        rates.push(name().into_iter().chain(all.map(|one| one.rate.show("/s"))).chain(against).collect());
        costs.push(name().into_iter().chain(all.map(|one| one.cpu.show(" s"))).collect());
    }
    rounds::print("Confirmed publishing to one queue (events a second)", &rates);
    rounds::print("What it takes the client (CPU seconds per 100,000 events)", &costs);
}
