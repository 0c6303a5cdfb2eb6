//! RabbitMQ nodes that a test may share, fill, freeze and kill.

mod admin;
mod amqp;
mod cluster;
mod definitions;
mod guise;
mod message;
mod node;
mod options;

use std::sync::Arc;

use tokio::sync::OnceCell;

pub use admin::Alarm;
pub use amqp::Client;
pub use cluster::Cluster;
pub use message::Message;
use node::Node;
pub use options::Options;

use crate::{Disk, binaries::built};

/// A running broker, and the vhost in it that this handle speaks of.
#[derive(Debug, Clone)]
pub struct Broker {
    node: Arc<Node>,
    vhost: String,
    shared: bool,
    /// The port that its URLs name, where that is not the node's own.
    front: Option<u16>,
}

impl Broker {
    /// The node that all tests of this process share, with a new vhost of the caller's own: the product's names are free
    /// in it, its default queue type is quorum and the product's policies are set. Faults that others would feel are
    /// refused.
    pub async fn shared() -> Self {
        static SHARED: OnceCell<Arc<Node>> = OnceCell::const_new();
        let start = || async { Arc::new(Node::start(Options::new()).await) };
        let (node, ()) = tokio::join!(SHARED.get_or_init(start), built());
        let vhost = format!("test-{}", uuid::Uuid::now_v7().simple());
        let broker = Self { node: node.clone(), vhost, shared: true, front: None };
        broker.make_vhost("quorum").await;
        broker
    }

    /// A node of one's own, with the definitions that Warren gives every broker.
    pub async fn start() -> Self {
        Self::with(Options::new()).await
    }

    /// A node of one's own with other options.
    pub async fn with(options: Options) -> Self {
        let (node, ()) = tokio::join!(Node::start(options), built());
        Self::of(node)
    }

    /// A node of one's own that is not there yet: its ports are known, and [`Broker::restart`] starts it.
    pub fn late() -> Self {
        Self::of(Node::prepare(Options::new()))
    }

    fn of(node: Node) -> Self {
        Self { node: Arc::new(node), vhost: "/".to_owned(), shared: false, front: None }
    }

    /// An `AMQP_URL` for the user guest.
    pub fn url(&self) -> String {
        self.url_as("guest")
    }

    /// An `AMQP_URL` for `order`, `email`, `analytics` or `redrive`: users with the rights that the chart gives them.
    pub fn url_as(&self, user: &str) -> String {
        self.url_at("amqp", user, "127.0.0.1", self.front.unwrap_or(self.node.ports.amqp))
    }

    /// An `amqps://` URL under this host name; the node needs [`Options::tls`].
    pub fn tls_url(&self, host: &str) -> String {
        self.url_at("amqps", "guest", host, self.node.ports.tls)
    }

    /// An `AMQP_URL` that leads through a [`Proxy`](crate::Proxy) or another port.
    pub fn url_through(&self, port: u16) -> String {
        self.url_at("amqp", "guest", "127.0.0.1", port)
    }

    /// The same broker, as its clients see it through a [`Proxy`](crate::Proxy).
    pub fn through(&self, proxy: &crate::Proxy) -> Self {
        Self { front: Some(proxy.port()), ..self.clone() }
    }

    fn url_at(&self, scheme: &str, user: &str, host: &str, port: u16) -> String {
        format!("{scheme}://{user}:{user}@{host}:{port}/{}", self.vhost_in_urls())
    }

    /// The vhost's name.
    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    pub(crate) fn vhost_in_urls(&self) -> String {
        self.vhost.replace('/', "%2f")
    }

    /// The port of plain AMQP.
    pub fn port(&self) -> u16 {
        self.node.ports.amqp
    }

    /// The port of the management page and API.
    pub fn management_port(&self) -> u16 {
        self.node.ports.management
    }

    /// What the node has logged so far.
    pub fn log(&self) -> String {
        self.node.log()
    }

    /// `kill -9`: nothing is flushed or closed.
    ///
    /// Waits until the queues declared so far are on disk, because RabbitMQ forgets a quorum queue with all that it
    /// confirmed if it is killed within about half a second after the queue's first declaration.
    pub async fn kill(&self) {
        self.own_node().kill().await;
    }

    /// Ends the node as an operator does, with SIGTERM.
    pub async fn stop(&self) {
        self.own_node().stop().await;
    }

    /// Starts the node again, on the same ports and with the same data; a running one is killed first.
    pub async fn restart(&self) {
        self.own_node().restart().await;
    }

    /// Starts the node again without waiting until it answers.
    pub fn restart_soon(&self) {
        self.own_node().launch();
    }

    /// Waits until the node answers, after [`Broker::restart_soon`].
    pub async fn answers(&self) {
        self.own_node().answers().await;
    }

    /// SIGSTOP: the sockets stay open, nobody answers.
    pub fn freeze(&self) {
        self.own_node().freeze();
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.own_node().thaw();
    }

    /// Leaves so many bytes of room on its disk, which [`Options::disk`] made.
    pub fn fill_disk(&self, leave: u64) {
        self.disk().fill(leave);
    }

    /// Makes room on its disk again.
    pub fn make_room(&self) {
        self.disk().make_room();
    }

    fn disk(&self) -> &Disk {
        self.own_node().disk.as_ref().expect("it was given a disk of its own")
    }

    fn own_node(&self) -> &Node {
        assert!(!self.shared, "the shared broker is not to be broken: take Broker::start()");
        &self.node
    }
}
