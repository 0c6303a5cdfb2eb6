//! The metrics of connections, as each publisher and consumer sees its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::{Owner, registered};
use crate::Error;

/// The role of a connection. Its name is the label `connection`, and part of the connection's name at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The connection publishes events or copies.
    Publish,
    /// The connection consumes.
    Consume,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Consume => "consume",
        }
    }
}

/// The metrics of every connection.
#[derive(Debug)]
pub(super) struct LinkFamilies {
    connected: IntGaugeVec,
    blocked: IntGaugeVec,
    reconnects: IntCounterVec,
    certificate_not_after: IntGaugeVec,
}

/// The metrics of one owner's connection, and of all its later connections in the same role.
#[derive(Debug, Clone)]
pub(crate) struct LinkMetrics {
    connected: IntGauge,
    blocked: IntGauge,
    reconnects: IntCounter,
    certificate_not_after: IntGauge,
    /// The number of the connection that it had last; 0 before the first.
    last: Arc<AtomicU64>,
}

impl LinkFamilies {
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let labels = Owner::labels("connection");
        let gauge = |name, help| registered(registry, IntGaugeVec::new(Opts::new(name, help), &labels)?);
        let reconnects =
            Opts::new("messaging_reconnects_total", "Connections that this publisher or consumer had after its first.");
        Ok(Self {
            connected: gauge("messaging_connected", "Whether the connection to the broker is open.")?,
            blocked: gauge("messaging_blocked", "Whether an alarm of the broker holds back what is published.")?,
            reconnects: registered(registry, IntCounterVec::new(reconnects, &labels)?)?,
            certificate_not_after: gauge(
                "messaging_broker_certificate_not_after_seconds",
                "When the broker's certificate expires, in seconds since 1970; 0 without TLS.",
            )?,
        })
    }

    pub(super) fn of(&self, role: Role, owner: Owner<'_>) -> LinkMetrics {
        let labels = owner.values(role.name());
        LinkMetrics {
            connected: self.connected.with_label_values(&labels),
            blocked: self.blocked.with_label_values(&labels),
            reconnects: self.reconnects.with_label_values(&labels),
            certificate_not_after: self.certificate_not_after.with_label_values(&labels),
            last: Arc::default(),
        }
    }
}

impl LinkMetrics {
    /// Notes that the owner has the connection of this number.
    pub(crate) fn opened(&self, number: u64, certificate_not_after: Option<i64>) {
        let last = self.last.swap(number, Ordering::Relaxed);
        if last != 0 && last != number {
            self.reconnects.inc();
        }
        self.connected.set(1);
        self.certificate_not_after.set(certificate_not_after.unwrap_or(0));
    }

    pub(crate) fn blocked(&self, blocked: bool) {
        self.blocked.set(blocked.into());
    }

    pub(crate) fn closed(&self) {
        self.connected.set(0);
        self.blocked.set(0);
    }
}
