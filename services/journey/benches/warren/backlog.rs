//! What a million events that wait cost each service that consumes them: measured once, after all else.

use std::time::{Duration, Instant};

use journey::{Process, SmtpOptions, SmtpServer, free_port};
use tokio::time::sleep;

use crate::queues::Queues;
use crate::{publishing, rounds};

const WAITING: usize = 1_000_000;
/// How long a service that does not end its backlog is watched.
const WATCHED: Duration = Duration::from_secs(10);
/// The longest that a backlog may take to drain, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(600);
const ANALYTICS_QUEUE: &str = "analytics-queue";

/// Lets the services work on a million events each, and prints the most memory that they took.
pub(crate) async fn measure(queues: &Queues) {
    queues.fresh().await;
    queues.fresh_named(ANALYTICS_QUEUE).await;
    for _ in 0..10 {
        publishing::publish(&queues.broker, publishing::orders(1024, WAITING / 10)).await;
    }
    let head = ["service", "what it does", "events handled", "most memory"].map(String::from).to_vec();
    let mut cells = vec![head, drained(queues).await];
    let away = format!("smtp://127.0.0.1:{}", free_port());
    cells.push(watched(queues, "waits for its mail server", Some(away)).await);
    let server = SmtpServer::start(SmtpOptions::new().brief());
    cells.push(watched(queues, "sends mails", Some(server.url())).await);
    cells.push(watched(queues, "writes mails to its log", None).await);
    rounds::print(&format!("With {WAITING} events waiting (resident memory)"), &cells);
    queues.fresh().await;
    queues.broker.delete_queue(ANALYTICS_QUEUE).await;
}

/// Analytics, until it has counted them all.
async fn drained(queues: &Queues) -> Vec<String> {
    let mut analytics = Process::start("analytics", [("AMQP_URL", queues.broker.url())]);
    let started = Instant::now();
    let counted = async || analytics.metric("analytics_orders_total", &[("event", "order.placed")]).await;
    while counted().await < WAITING as f64 {
        assert!(started.elapsed() < PATIENCE, "{} of {WAITING} events counted", counted().await);
        sleep(Duration::from_millis(100)).await;
    }
    let does = format!("counts them all, in {:.0} s", started.elapsed().as_secs_f64());
    let row = row("analytics", &does, WAITING as f64, &analytics);
    end(&mut analytics).await;
    row
}

/// Email, for a while.
async fn watched(queues: &Queues, does: &str, smtp_url: Option<String>) -> Vec<String> {
    let smtp_url = smtp_url.map(|url| ("SMTP_URL", url));
    let mut email = Process::start("email", [("AMQP_URL", queues.broker.url())].into_iter().chain(smtp_url));
    sleep(WATCHED).await;
    let sent = email.metric("email_sent_total", &[("outcome", "sent")]).await;
    let row = row("email", &format!("{does}, for {} s", WATCHED.as_secs()), sent, &email);
    end(&mut email).await;
    row
}

fn row(service: &str, does: &str, handled: f64, process: &Process) -> Vec<String> {
    vec![service.to_owned(), does.to_owned(), format!("{handled:.0}"), format!("{:.1} MiB", process.peak_mib())]
}

/// A killed consumer would leave suspects to the next.
async fn end(process: &mut Process) {
    process.terminate();
    assert_eq!(process.exit_code().await, 0, "{}", process.log());
}
