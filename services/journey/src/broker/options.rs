//! The options of a node.

use crate::Identity;

/// The options of a node. An option that is not set is as in production.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(super) stock: bool,
    pub(super) lines: Vec<String>,
    pub(super) advanced: Option<String>,
    pub(super) tls: Option<Identity>,
    pub(super) asks_for_certificates: bool,
    pub(super) disk: Option<u64>,
    pub(super) member: Option<Member>,
}

/// A node's place in a cluster.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) cookie: String,
    pub(super) name_server: u16,
}

impl Options {
    /// Nothing changed.
    pub fn new() -> Self {
        Self::default()
    }

    /// A broker without any setup: no definitions, so classic queues by default, no policies, and only the user
    /// guest.
    pub fn stock(mut self) -> Self {
        self.stock = true;
        self
    }

    /// One more line of `rabbitmq.conf`, such as `max_message_size = 16777216`.
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// An `advanced.config`, in Erlang terms, for what `rabbitmq.conf` cannot say.
    pub fn advanced(mut self, terms: &str) -> Self {
        self.advanced = Some(terms.to_owned());
        self
    }

    /// Stores its data on a [`Disk`](crate::Disk) of so many bytes.
    pub fn disk(mut self, bytes: u64) -> Self {
        self.disk = Some(bytes);
        self
    }

    /// Listens for TLS as well, with this certificate.
    pub fn tls(mut self, identity: &Identity) -> Self {
        self.tls = Some(identity.clone());
        self
    }

    /// Takes connections over TLS only from those who show a certificate of the same authority. Its common name is the
    /// user of who logs in by EXTERNAL.
    pub fn asks_for_certificates(mut self) -> Self {
        self.asks_for_certificates = true;
        self
    }
}
