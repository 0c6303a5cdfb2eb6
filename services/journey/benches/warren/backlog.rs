//! Measures how fast each consumer works while a million events wait, and how much memory it takes.

use std::time::{Duration, Instant};

use journey::{Process, SmtpOptions, SmtpServer, free_port};
use tokio::time::sleep;

use crate::publishing;
use crate::queues::Queues;
use crate::rounds::{self, Figures};

const WAITING: usize = 1_000_000;
/// How long `email` is watched. It does not finish its backlog.
const WATCHED: Duration = Duration::from_secs(10);
/// The longest that a backlog may take to drain, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(600);
const ANALYTICS_QUEUE: &str = "analytics-queue";

/// Each row: a service, and what it does with its backlog.
const DOES: [[&str; 2]; 4] = [
    ["analytics", "counts them all"],
    ["email", "waits for its mail server"],
    ["email", "sends mails"],
    ["email", "writes mails to its log"],
];

#[derive(Default)]
struct Row {
    /// Events a second.
    rate: Figures,
    /// The most memory, in MiB.
    memory: Figures,
}

/// Lets each service work on a million events, `rounds` times, and prints how fast it was and the most memory that it
/// took.
pub(crate) async fn measure(queues: &Queues, rounds: usize) {
    let mut rows = DOES.map(|_| Row::default());
    for _ in 0..rounds {
        queues.fresh().await;
        queues.fresh_named(ANALYTICS_QUEUE).await;
        for _ in 0..10 {
            publishing::publish(&queues.broker, publishing::orders(1024, WAITING / 10)).await;
        }
        let [counting, waiting, sending, writing] = &mut rows;
        drained(queues, counting).await;
        watched(queues, waiting, Some(format!("smtp://127.0.0.1:{}", free_port()))).await;
        let server = SmtpServer::start(SmtpOptions::new().brief());
        watched(queues, sending, Some(server.url())).await;
        watched(queues, writing, None).await;
        queues.fresh().await;
        queues.broker.delete_queue(ANALYTICS_QUEUE).await;
    }
    let head = ["service", "what it does", "events", "most memory"].map(String::from).to_vec();
    let line = |(does, row): (&[&str; 2], &Row)| {
        let figures = [row.rate.show("/s"), row.memory.show(" MiB")];
        does.map(String::from).into_iter().chain(figures).collect()
    };
    let cells: Vec<_> = [head].into_iter().chain(DOES.iter().zip(&rows).map(line)).collect();
    rounds::print(&format!("With {WAITING} events waiting (resident memory)"), &cells);
}

/// Runs analytics until it has counted all events.
async fn drained(queues: &Queues, row: &mut Row) {
    let mut analytics = Process::start("analytics", [("AMQP_URL", queues.broker.url())]);
    let started = Instant::now();
    let counted = async || analytics.metric("analytics_orders_total", &[("event", "order.placed")]).await;
    while counted().await < WAITING as f64 {
        assert!(started.elapsed() < PATIENCE, "{} of {WAITING} events counted", counted().await);
        sleep(Duration::from_millis(100)).await;
    }
    row.note(WAITING as f64, started.elapsed(), &analytics);
    end(&mut analytics).await;
}

/// Runs email for [`WATCHED`].
async fn watched(queues: &Queues, row: &mut Row, smtp_url: Option<String>) {
    let smtp_url = smtp_url.map(|url| ("SMTP_URL", url));
    let mut email = Process::start("email", [("AMQP_URL", queues.broker.url())].into_iter().chain(smtp_url));
    sleep(WATCHED).await;
    let sent = email.metric("email_sent_total", &[("outcome", "sent")]).await;
    row.note(sent, WATCHED, &email);
    end(&mut email).await;
}

impl Row {
    fn note(&mut self, handled: f64, time: Duration, process: &Process) {
        self.rate.push(handled / time.as_secs_f64());
        self.memory.push(process.peak_mib());
    }
}

/// Stops a consumer. The next one would take the deliveries of a killed one for suspects.
async fn end(process: &mut Process) {
    process.terminate();
    assert_eq!(process.exit_code().await, 0, "{}", process.log());
}
