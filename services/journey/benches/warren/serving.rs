//! `POST /orders` by the order process, confirmed, over keep-alive connections.

use std::net::SocketAddr;
use std::time::Duration;

use journey::{Broker, Process};

use crate::footprint;
use crate::load::{Round, post_orders};
use crate::rounds::{self, Figures};
use crate::sample;

/// Requests at once, each on its own connection, a row each.
const AT_ONCE: [usize; 4] = [1, 16, 256, 1024];

#[derive(Default)]
struct Row {
    rate: Figures,
    p50: Figures,
    p99: Figures,
    p999: Figures,
    cpu: Figures,
}

/// Measures and prints every row, `rounds` times; `alone` is what `messaging` reached by itself in the same run.
pub(crate) async fn measure(broker: &Broker, rounds: usize, alone: &[(usize, f64)]) {
    let mut order = Process::start("order", [("AMQP_URL", broker.url())]);
    order.ready().await;
    let address = SocketAddr::from(([127, 0, 0, 1], order.http_port().await));
    let mut rows: Vec<(usize, Row)> = AT_ONCE.iter().map(|n| (*n, Row::default())).collect();
    for _ in 0..rounds {
        for (at_once, row) in &mut rows {
            sample::fresh_queue(broker, sample::QUEUE).await;
            let total = sample::messages(*at_once);
            let before = footprint::cpu_seconds(order.id());
            let round = post_orders(address, sample::ORDER, *at_once, total).await;
            let spent = footprint::cpu_seconds(order.id()) - before;
            row.note(&round, spent / total as f64 * 100_000.0);
        }
    }
    print(&rows, alone);
}

impl Row {
    fn note(&mut self, round: &Round, cpu_seconds: f64) {
        self.rate.push(round.rate);
        self.p50.push(milliseconds(round.quantile(0.5)));
        self.p99.push(milliseconds(round.quantile(0.99)));
        self.p999.push(milliseconds(round.quantile(0.999)));
        self.cpu.push(cpu_seconds);
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn print(rows: &[(usize, Row)], alone: &[(usize, f64)]) {
    let head = ["at once", "orders", "p50", "p99", "p99.9", "CPU per 100,000", "against messaging alone"];
    let mut cells = vec![head.map(String::from).to_vec()];
    for (at_once, row) in rows {
        let alone = alone.iter().find(|(in_flight, _)| in_flight == at_once);
        cells.push(vec![
            at_once.to_string(),
            row.rate.show("/s"),
            row.p50.show(" ms"),
            row.p99.show(" ms"),
            row.p999.show(" ms"),
            row.cpu.show(" s"),
            alone.map_or("–".into(), |(_, rate)| format!("{:.2}×", row.rate.median() / rate)),
        ]);
    }
    rounds::print("POST /orders, confirmed (median of the rounds; lowest–highest)", &cells);
}
