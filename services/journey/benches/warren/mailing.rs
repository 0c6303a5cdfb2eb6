//! Measures the way from an order to its mail: the order process, the broker, the email process and a real SMTP server.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use journey::{Delivered, Process, SmtpOptions, SmtpServer, eventually};
use uuid::Uuid;

use crate::cost::cpu_seconds;
use crate::customers::{Accepted, order_after_mails, order_steadily};
use crate::latencies::Latencies;
use crate::queues::Queues;
use crate::rounds::{self, Figures};

/// The number of orders that the highest rate is measured with.
const TOTAL: usize = 10_000;
/// How long orders come at half of the highest rate, in seconds.
const STEADY: f64 = 5.0;

/// The processes on this way.
struct Road {
    smtp: SmtpServer,
    email: Process,
    order: Process,
    address: SocketAddr,
}

#[derive(Default)]
struct Row {
    top: Figures,
    half: Figures,
    cpu: [Figures; 3],
    since_request: Latencies,
    since_answer: Latencies,
}

/// Measures the highest rate, and the latency at half of it, `rounds` times, and prints both.
pub(crate) async fn measure(queues: &Queues, rounds: usize) {
    queues.fresh().await;
    let road = Road::open(queues).await;
    let mut row = Row::default();
    for _ in 0..rounds {
        road.measure(&mut row).await;
    }
    print(&row);
}

impl Road {
    async fn open(queues: &Queues) -> Self {
        let smtp = SmtpServer::start(SmtpOptions::new().brief());
        let url = queues.broker.url();
        let mut email = Process::start("email", [("AMQP_URL", url.clone()), ("SMTP_URL", smtp.url())]);
        let mut order = Process::start("order", [("AMQP_URL", url)]);
        email.ready().await;
        order.ready().await;
        let address = SocketAddr::from(([127, 0, 0, 1], order.http_port().await));
        Self { smtp, email, order, address }
    }

    async fn measure(&self, row: &mut Row) {
        let processes = [self.order.id(), self.email.id(), self.smtp.id()];
        let before = processes.map(cpu_seconds);
        let top = order_after_mails(self.address, &self.smtp, TOTAL).await;
        for ((figures, process), before) in row.cpu.iter_mut().zip(processes).zip(before) {
            figures.push((cpu_seconds(process) - before) / (TOTAL as f64 / top));
        }
        let total = (top / 2.0 * STEADY) as usize;
        let earlier = self.smtp.look(<[_]>::len);
        let accepted = order_steadily(self.address, top / 2.0, total).await;
        let come = || std::future::ready(self.smtp.look(<[_]>::len) - earlier);
        eventually("every order is mailed", come, |mails| *mails >= total).await;
        let mailed = self.smtp.look(|mails| mails[earlier..].iter().map(mailed).collect());
        row.top.push(top);
        row.half.push(top / 2.0);
        row.since_request.note(latencies(&accepted, &mailed, |order| order.begun));
        row.since_answer.note(latencies(&accepted, &mailed, |order| order.answered));
    }
}

/// The event that the mail's `Message-ID` names, and when the server had taken the mail.
fn mailed(mail: &Delivered) -> (Uuid, SystemTime) {
    let id = mail.header("message-id").trim_start_matches('<').split('@').next().and_then(|id| id.parse().ok());
    (id.expect("an order's mail names its event"), mail.at())
}

/// The time from each order to its mail. A mail may come before its order's `202`; then the time is zero.
fn latencies(
    accepted: &[Accepted],
    mailed: &HashMap<Uuid, SystemTime>,
    since: impl Fn(&Accepted) -> SystemTime,
) -> Vec<Duration> {
    let took = |order: &Accepted| {
        let mailed = mailed.get(&order.event).expect("every order that was accepted is mailed");
        mailed.duration_since(since(order)).unwrap_or_default()
    };
    accepted.iter().map(took).collect()
}

fn print(row: &Row) {
    let head = ["mails", "order", "email", "mail server"].map(String::from).to_vec();
    let [order, email, smtp] = &row.cpu;
    let cells = vec![row.top.show("/s"), order.show(""), email.show(""), smtp.show("")];
    rounds::print(
        "Order to mail, as fast as mails come out (and the processors that each process takes)",
        &[head, cells],
    );
    let head = ["orders", "mailed after"].into_iter().chain(Latencies::HEAD).map(String::from).collect();
    let line = |since: &str, latencies: &Latencies| {
        [row.half.show("/s"), since.to_owned()].into_iter().chain(latencies.show()).collect()
    };
    let lines = [head, line("the request", &row.since_request), line("its 202", &row.since_answer)];
    rounds::print("Order to mail, at half that rate (until the mail server has taken the mail)", &lines);
}
