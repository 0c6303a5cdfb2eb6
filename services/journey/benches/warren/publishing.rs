//! Confirmed publishing to one quorum queue: `messaging`, bare lapin, the official Go client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contract::{CloudEvent, OrderEvent};
use journey::Broker;
use messaging::{Publisher, PublisherOptions};
use tokio::time::Instant;

use crate::rounds::{self, Figures};
use crate::{bare, golang, sample};

/// Events handed over and not yet confirmed, a row each.
const IN_FLIGHT: [usize; 4] = [1, 16, 256, 1024];
/// What the yardsticks publish: the size of the Go client's messages.
const BODY: [u8; 300] = [b'x'; 300];

#[derive(Default)]
struct Row {
    messaging: Figures,
    awaiting: Figures,
    pipelined: Figures,
    go: Figures,
}

/// Measures and prints every row, `rounds` times, and gives back the median rate of `messaging` at each number in flight.
pub(crate) async fn measure(broker: &Broker, rounds: usize) -> Vec<(usize, f64)> {
    sample::fresh_queue(broker, sample::QUEUE).await;
    let mut rows: Vec<(usize, Row)> = IN_FLIGHT.iter().map(|n| (*n, Row::default())).collect();
    for _ in 0..rounds {
        for (in_flight, row) in &mut rows {
            measure_row(broker, *in_flight, row).await;
        }
    }
    print(&rows);
    rows.iter().map(|(in_flight, row)| (*in_flight, row.messaging.median())).collect()
}

async fn measure_row(broker: &Broker, in_flight: usize, row: &mut Row) {
    let url = broker.url();
    let total = sample::messages(in_flight);
    row.messaging.push(publish(broker, in_flight, total).await);
    sample::fresh_queue(broker, sample::QUEUE).await;
    if in_flight == 1 {
        row.awaiting.push(bare::publish_awaiting_each(&url, sample::QUEUE, &BODY, total).await);
        sample::fresh_queue(broker, sample::QUEUE).await;
    }
    row.pipelined.push(bare::publish_pipelined(&url, sample::QUEUE, &BODY, in_flight, total).await);
    sample::fresh_queue(broker, sample::QUEUE).await;
    let (n, w) = (total.to_string(), in_flight.to_string());
    let arguments = ["-mode", "pub", "-n", &n, "-w", &w, "-q", sample::QUEUE, "-qt", "quorum", "-url", &url];
    if let Some(rate) = golang::rate(&arguments).await {
        row.go.push(rate);
    }
    sample::fresh_queue(broker, sample::QUEUE).await;
}

/// Publishes `total` orders through `messaging`, `in_flight` at a time, each encoded on its way. Events a second.
pub(crate) async fn publish(broker: &Broker, in_flight: usize, total: usize) -> f64 {
    let registry = prometheus::Registry::new();
    let options = PublisherOptions::default();
    let publisher = Publisher::start::<OrderEvent>(sample::endpoint(broker), sample::EXCHANGE, options, &registry)
        .expect("a fresh registry takes the metrics");
    sample::eventually_connected(&publisher).await;
    let left = Arc::new(AtomicUsize::new(total));
    let started = Instant::now();
    let tasks: Vec<_> = (0..in_flight)
        .map(|_| {
            let (publisher, left) = (publisher.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                    let event: CloudEvent<OrderEvent> = sample::placed();
                    let deadline = Instant::now() + Duration::from_secs(60);
                    publisher.publish(event.encode(), deadline).await.expect("the broker confirms");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a publishing task panicked");
    }
    let rate = total as f64 / started.elapsed().as_secs_f64();
    publisher.close(Instant::now() + Duration::from_secs(5)).await;
    rate
}

fn print(rows: &[(usize, Row)]) {
    let mut cells = vec![
        ["in flight", "messaging", "lapin, awaiting each", "lapin, pipelined", "Go client", "against Go"]
            .map(String::from)
            .to_vec(),
    ];
    for (in_flight, row) in rows {
        cells.push(vec![
            in_flight.to_string(),
            row.messaging.show("/s"),
            row.awaiting.show("/s"),
            row.pipelined.show("/s"),
            row.go.show("/s"),
            row.messaging.against(&row.go),
        ]);
    }
    rounds::print("Confirmed publishing, quorum queue (events a second)", &cells);
}
