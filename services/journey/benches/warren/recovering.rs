//! Measures how soon a consumer works again after its broker was killed and started.

use std::io;
use std::time::{Duration, Instant};

use contract::OrderEvent;
use journey::Broker;
use messaging::{Client, Failure, Handler, Received, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::queues::Queues;
use crate::rounds::{self, Figures};
use crate::{draining, publishing, sample};

/// How many events wait when the consumer starts; the broker is killed among the first of them.
const BACKLOG: usize = 60_000;

/// How long an event is handled: about as long as a mail takes, so that enough events still wait when the broker dies.
const HANDLING: Duration = Duration::from_millis(5);
/// How long broker and consumer may take to be back, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A handler that reports when each event was handled.
struct Clock(mpsc::UnboundedSender<Instant>);

impl Handler for Clock {
    type Event = OrderEvent;

    async fn handle(&self, _: &Received<OrderEvent>) -> Result<(), Failure> {
        sleep(HANDLING).await;
        // Nobody listens once the round is over.
        let _ = self.0.send(Instant::now());
        Ok(())
    }
}

/// Measures the time, `rounds` times, on a broker of its own, and prints it.
pub(crate) async fn measure(rounds: usize) {
    let broker = Broker::start().await;
    let queues = Queues::quorum(&broker);
    let mut figures = Figures::default();
    for _ in 0..rounds {
        queues.fresh().await;
        publishing::publish(&broker, publishing::orders(256, BACKLOG)).await;
        figures.push(recovery(&broker).await);
    }
    let title = "Recovery: broker killed and started again (from its port answering AMQP to the first event handled)";
    rounds::print(title, &[vec!["messaging".to_owned()], vec![figures.show(" ms")]]);
}

/// Kills and starts the broker, and returns the milliseconds from its answer to the first event that is handled.
async fn recovery(broker: &Broker) -> f64 {
    let (sender, mut handled) = mpsc::unbounded_channel();
    let registry = prometheus::Registry::new();
    let endpoint = sample::endpoint(broker);
    let client = Client::new(endpoint, &registry).expect("a fresh registry takes the metrics");
    let consumer = client.consumer(draining::subscription(), Clock(sender)).build().expect("it is the only one");
    let mut state = consumer.state();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(consumer.run(async { drop(stopped.await) }, Duration::from_secs(30)));
    handled.recv().await.expect("the consumer runs");
    broker.kill().await;
    state.wait_for(|state| *state != State::Consuming).await.expect("the consumer runs");
    // The consumer may still handle events that were delivered before.
    while timeout(Duration::from_millis(100), handled.recv()).await.is_ok() {}
    broker.restart_soon();
    let answered = timeout(PATIENCE, greeting(broker.port())).await.expect("the broker starts");
    let first = timeout(PATIENCE, handled.recv()).await.expect("it recovers").expect("it runs");
    drop(stop);
    running.await.expect("the consumer does not panic").expect("little is in hand");
    first.saturating_duration_since(answered).as_secs_f64() * 1000.0
}

/// Waits until the broker answers on a new connection, and returns when it did.
async fn greeting(port: u16) -> Instant {
    // A broker that boots may take a connection and never greet.
    while !matches!(timeout(Duration::from_millis(250), greeted(port)).await, Ok(Ok(()))) {
        sleep(Duration::from_millis(1)).await;
    }
    Instant::now()
}

async fn greeted(port: u16) -> io::Result<()> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    connection.write_all(b"AMQP\0\0\x09\x01").await?;
    connection.read_exact(&mut [0; 7]).await.map(drop)
}
