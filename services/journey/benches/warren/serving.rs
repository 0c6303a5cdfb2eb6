//! Measures how fast the order process answers `POST /orders` over keep-alive connections. Each order is confirmed.

use std::net::SocketAddr;

use journey::Process;

use crate::cost;
use crate::latencies::Latencies;
use crate::load::post_orders;
use crate::publishing::{alike, publish};
use crate::queues::Queues;
use crate::rounds::{self, Figures};
use crate::sample;

/// How many requests are sent at once, each on a connection of its own, in each row.
const AT_ONCE: [usize; 4] = [1, 16, 256, 1024];

/// An order process, and the queue behind it.
struct Shop<'a> {
    queues: &'a Queues,
    order: Process,
    address: SocketAddr,
    rows: [Row; AT_ONCE.len()],
}

#[derive(Default)]
struct Row {
    at_once: usize,
    rate: Figures,
    /// Events a second that `messaging` publishes without HTTP before it.
    alone: Figures,
    latencies: Latencies,
    cpu: Figures,
}

/// Measures and prints every row, `rounds` times.
pub(crate) async fn measure(both: &[Queues], rounds: usize) {
    let mut shops = Vec::new();
    for queues in both {
        shops.push(Shop::open(queues).await);
    }
    for _ in 0..rounds {
        for shop in &mut shops {
            shop.measure().await;
        }
    }
    print(&shops);
}

impl<'a> Shop<'a> {
    async fn open(queues: &'a Queues) -> Self {
        queues.fresh().await;
        let mut order = Process::start("order", [("AMQP_URL", queues.broker.url())]);
        order.ready().await;
        let address = SocketAddr::from(([127, 0, 0, 1], order.http_port().await));
        Self { queues, order, address, rows: AT_ONCE.map(|at_once| Row { at_once, ..Row::default() }) }
    }

    async fn measure(&mut self) {
        let body = sample::placed().encode().body;
        for row in &mut self.rows {
            let total = sample::messages(row.at_once);
            self.queues.fresh().await;
            row.alone.push(publish(&self.queues.broker, alike(&body, row.at_once, total)).await);
            self.queues.fresh().await;
            let before = cost::cpu_seconds(self.order.id());
            let round = post_orders(self.address, sample::ORDER, row.at_once, total).await;
            let spent = cost::cpu_seconds(self.order.id()) - before;
            row.rate.push(round.rate);
            row.latencies.note(round.latencies);
            row.cpu.push(spent / total as f64 * 100_000.0);
        }
        self.queues.fresh().await;
    }
}

fn print(shops: &[Shop<'_>]) {
    let [first, last] = [&["queue", "at once", "orders"][..], &["CPU per 100,000", "against messaging alone"]];
    let mut cells = vec![[first, &Latencies::HEAD, last].concat().into_iter().map(String::from).collect()];
    for (shop, row) in shops.iter().flat_map(|shop| shop.rows.iter().map(move |row| (shop, row))) {
        let against = row.rate.against(&row.alone);
        let first = [shop.queues.kind.to_owned(), row.at_once.to_string(), row.rate.show("/s")];
        let last = [row.cpu.show(" s"), against];
        cells.push(first.into_iter().chain(row.latencies.show()).chain(last).collect());
    }
    rounds::print("POST /orders, confirmed (CPU: seconds of the order process)", &cells);
}
