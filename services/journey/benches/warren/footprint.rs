//! Measures each service's memory, its time from start to ready, and the size of its binary.

use std::fs;
use std::time::{Duration, Instant};

use journey::{Broker, Plan, Process, Request};

use crate::queues::Queues;
use crate::rounds::{self, Figures};
use crate::{load, sample};

const SERVICES: [&str; 3] = ["order", "email", "analytics"];
/// The orders that pass through all three services before their memory under load is measured.
const LOAD: usize = 60_000;

/// The figures of one service.
#[derive(Default)]
struct Row {
    idle: Figures,
    loaded: Figures,
    ready: Figures,
}

/// Measures and prints idle and loaded memory, time to ready, and size of each service.
pub(crate) async fn measure(queues: &Queues, rounds: usize) {
    let mut rows = SERVICES.map(|_| Row::default());
    for _ in 0..rounds {
        queues.fresh().await;
        for (service, row) in SERVICES.iter().zip(&mut rows) {
            row.ready.push(start_to_ready(&queues.broker, service).await);
        }
        measure_memory(&queues.broker, &mut rows).await;
    }
    print(&rows);
}

async fn measure_memory(broker: &Broker, rows: &mut [Row; 3]) {
    let mut world = Plan::on(broker).start().await;
    for (row, process) in rows.iter_mut().zip([&world.order, &world.email, &world.analytics]) {
        row.idle.push(process.resident_mib());
    }
    let address = ([127, 0, 0, 1], world.order.http_port().await).into();
    load::post_orders(address, sample::ORDER, 256, LOAD).await;
    world.eventually("everything is counted", async |w| w.counted("order.placed").await, |n| *n >= LOAD as f64).await;
    for (row, process) in rows.iter_mut().zip([&world.order, &world.email, &world.analytics]) {
        row.loaded.push(process.peak_mib());
    }
    // The next round's consumer would take the deliveries of a killed one for suspects.
    for consumer in [&mut world.email, &mut world.analytics] {
        consumer.terminate();
        consumer.exit_code().await;
    }
}

fn print(rows: &[Row; 3]) {
    let head = ["service", "idle", "most under load", "start to ready", "static binary"].map(String::from).to_vec();
    let line = |(service, row): (&&str, &Row)| {
        let figures = [row.idle.show(" MiB"), row.loaded.show(" MiB"), row.ready.show(" ms")];
        [(*service).to_owned()].into_iter().chain(figures).chain([size(service)]).collect()
    };
    let cells: Vec<_> = [head].into_iter().chain(SERVICES.iter().zip(rows).map(line)).collect();
    rounds::print("Footprint (resident memory; stripped binary of this build)", &cells);
}

/// Milliseconds from the start of the process to its first `200` at `/readyz`. The broker runs, and the queues are there.
async fn start_to_ready(broker: &Broker, service: &str) -> f64 {
    let port = journey::free_port();
    let started = Instant::now();
    let process = Process::start(service, [("AMQP_URL", broker.url()), ("OPS_ADDR", format!("127.0.0.1:{port}"))]);
    loop {
        let ready = Request::get(port, "/readyz").try_send().await;
        if ready.is_ok_and(|answer| answer.status.is_success()) {
            return started.elapsed().as_secs_f64() * 1000.0;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{service} does not become ready:\n{}", process.log());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn size(service: &str) -> String {
    let bytes = fs::metadata(journey::binary(service)).expect("the service was built").len();
    format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0)
}
