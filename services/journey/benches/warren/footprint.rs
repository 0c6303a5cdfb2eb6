//! What the processes cost: memory, time to ready, size on disk.

use std::fs;
use std::time::{Duration, Instant};

use journey::{Broker, Plan, Process, Request};

use crate::cost::{peak_mib, resident_mib};
use crate::queues::Queues;
use crate::rounds::{self, Figures};
use crate::{load, sample};

const SERVICES: [&str; 3] = ["order", "email", "analytics"];
/// Orders that pass through all three services before their memory counts as loaded.
const LOAD: usize = 60_000;

/// Measures and prints idle and loaded memory, time to ready, and size of each service.
pub(crate) async fn measure(queues: &Queues, rounds: usize) {
    queues.fresh().await;
    let broker = &queues.broker;
    let mut ready = SERVICES.map(|_| Figures::default());
    for _ in 0..rounds {
        for (service, figures) in SERVICES.iter().zip(&mut ready) {
            figures.push(start_to_ready(broker, service).await);
        }
    }
    let world = Plan::on(broker).email("LOG_LEVEL", "info").start().await;
    let processes = [&world.order, &world.email, &world.analytics];
    let idle = processes.map(|process| resident_mib(process.id()));
    let address = ([127, 0, 0, 1], world.order.http_port().await).into();
    load::post_orders(address, sample::ORDER, 256, LOAD).await;
    world.eventually("everything is counted", async |w| w.counted("order.placed").await, |n| *n >= LOAD as f64).await;
    let loaded = processes.map(|process| peak_mib(process.id()));
    let mut cells =
        vec![["service", "idle", "most under load", "start to ready", "static binary"].map(String::from).to_vec()];
    for (index, service) in SERVICES.iter().enumerate() {
        cells.push(vec![
            (*service).to_owned(),
            format!("{:.1} MiB", idle[index]),
            format!("{:.1} MiB", loaded[index]),
            ready[index].show(" ms"),
            size(service),
        ]);
    }
    rounds::print("Footprint (resident memory; stripped binary of this build)", &cells);
}

/// Milliseconds from the start of the process to its first `200` at `/readyz`, with broker and topology there.
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
