//! The tools of Warren's tests and benchmarks: real processes, real broker nodes, real faults.
//!
//! # What a test says
//!
//! ```no_run
//! # use journey::{Alarm, Broker, Collector, Options, Plan, Process, Proxy, SmtpOptions, SmtpServer, World};
//! # use journey::{At, Trouble, an_order, eventually, in_time};
//! # async fn example() {
//! let broker = Broker::shared().await;                  // one node for all; a vhost, and so all names, of the test's own
//! let broker = Broker::start().await;                   // a node to break: about five seconds
//! let broker = Broker::with(Options::new().stock().line("consumer_timeout = 60000")).await;
//! let broker = Broker::late();                          // ports are known, nothing listens until `restart`
//! let url = broker.url_as("email");                     // AMQP_URL; `url()` is guest, `tls_url("localhost")` is TLS
//! broker.kill().await;                                  // and `stop`, `restart`, `freeze`, `thaw`, `close_connections`
//! broker.set_alarm(Alarm::Memory).await;                // and `clear_alarm`
//! broker.fill_disk(1_000_000);                          // and `make_room`; with `Disk::allow` and `Options::disk`
//! broker.delete_binding("email-queue", "order-exchange", "order.placed").await;
//! let dead = broker.take("email-queue.dead").await;     // and `depth`, `consumers`, `peek`, `publish`, `declare`
//! in_time("it ends", async {}).await;                    // what has to end by itself
//! eventually("it is empty", || broker.depth("email-queue"), |&depth| depth == Some(0)).await;
//!
//! let world = World::start().await;                     // order, email and analytics on the shared broker, ready
//! let world = Plan::on(&broker).email("CONCURRENCY", "1").start().await;
//! let id = world.place(&an_order()).await;              // and `post` (the answer), `cancel`, `mails`, `counted`
//! world.eventually("one mail", async |w| w.mails(), |mails| mails.len() == 1).await;
//!
//! let mut email = Process::start("email", [("AMQP_URL", broker.url())]);    // or `Plan::launch("email")`
//! email.ready().await;                                  // and `state`, `ops("/readyz")`, `log`, `logged`
//! let sent = email.metric("email_sent_total", &[("outcome", "sent")]).await;
//! email.terminate();                                    // and `kill`, `freeze`, `thaw`, `signal`
//! assert_eq!(email.exit_code().await, 0);
//!
//! let proxy = Proxy::to(broker.port()).await;           // `broker.through(&proxy)`; `cut`, `reset`, `refuse`, `freeze`, `delay`, `thin`, `pass`
//! let newer = broker.posing_as_4_3().await;             // a proxy that makes it a RabbitMQ 4.3 to `broker.through(&newer)`
//! let collector = Collector::start().await;             // OTLP: `endpoint()`, `spans()`
//!
//! let mut smtp = SmtpServer::start(SmtpOptions::new()); // `url()` is SMTP_URL; `mails`, `sessions`, `stop`, `start_again`, `freeze`
//! smtp.trouble(At::Rcpt, &Trouble::Reply("451 later"), Some(1)); // and `recover`; with `starttls`, `tls`, `login` in the options
//! # }
//! ```
//!
//! Everything that is started here ends with its handle, and at the latest with the test process, however that ends.
//! This crate panics where other code returns errors, because a test without its tools has to fail.

mod binaries;
mod broker;
mod certificates;
mod child;
mod collector;
mod disk;
mod eventually;
mod folder;
mod http;
mod metrics;
mod ports;
mod process;
mod proxy;
mod smtp;
mod world;

pub use binaries::binary;
pub use broker::{Alarm, Broker, Client, Cluster, Message, Options};
pub use certificates::{Authority, Identity};
pub use child::Child;
pub use collector::{Collector, Span};
pub use disk::Disk;
pub use eventually::{eventually, eventually_within, in_time};
pub use folder::Folder;
pub use http::{Answer, Request, raw};
pub use metrics::Metrics;
pub use ports::free_port;
pub use process::Process;
pub use proxy::{Proxy, Way};
pub use smtp::{At, Delivered, SmtpOptions, SmtpServer, Trouble};
pub use world::{Plan, REQUIRED_QUEUES, World, an_order};
