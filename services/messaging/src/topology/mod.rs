//! The exchanges, queues and bindings that a publisher or consumer relies on, and how it makes sure of them.
//!
//! A keeper declares everything when a session begins. Every process asks again every few seconds, because the
//! broker tells nobody of a deleted exchange or binding. So a keeper later asks only for what shows that everything
//! is still there:
//!
//! - It binds each binding again. Nothing else can look at a binding, and the broker refuses to bind what does not
//!   exist. So this one question shows or restores the binding, and shows its queue and its exchange.
//! - It declares one of the exchanges and queues, in turn. Nothing else says what an object is now, and no binding
//!   shows a delay or dead queue.
//! - When any of this fails, or a copy for one of those queues was returned, it declares everything again. The copy
//!   is tried again until then.
//!
//! A broker may belong to others. A keeper looks at an object that its user may not declare. It uses an object as it
//! is, and logs that once, if the user may not even look at it (RabbitMQ 4.3 wants some right on the object for that,
//! 4.0 none) or bind it (this needs the right to write to the queue and to read the exchange).

use std::sync::Mutex;
use std::time::Duration;

use lapin::types::FieldTable;
use tracing::info;

use crate::{Error, Exchange};

mod asking;
mod keeper;
mod object;
pub(crate) use keeper::Keeper;
pub(crate) use object::Object;

/// The time between two assertions. The broker tells nobody that an exchange or a binding was deleted.
pub(crate) const ASSERT_EVERY: Duration = Duration::from_secs(5);

/// The objects that should exist, in the order in which they are declared. The first is vital to its user: a
/// publisher's exchange, a consumer's queue.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    objects: Vec<Object>,
    /// The objects that were last logged as used as they are.
    told: Mutex<String>,
}

impl Topology {
    /// Adds a durable exchange without arguments.
    pub(crate) fn exchange(self, exchange: &Exchange) -> Self {
        self.and(Object::Exchange { name: exchange.name().to_owned(), kind: exchange.kind() })
    }

    /// Adds a durable queue.
    pub(crate) fn queue(self, name: impl Into<String>, arguments: FieldTable) -> Self {
        self.and(Object::Queue { name: name.into(), arguments })
    }

    /// Adds a binding of a queue to an exchange, both added before.
    pub(crate) fn binding(
        self,
        queue: impl Into<String>,
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
    ) -> Self {
        self.and(Object::Binding { queue: queue.into(), exchange: exchange.into(), routing_key: routing_key.into() })
    }

    fn and(mut self, object: Object) -> Self {
        if !self.objects.contains(&object) {
            self.objects.push(object);
        }
        self
    }

    /// The error that it means when the broker refuses what is published.
    pub(crate) fn refused(&self, reason: String) -> Error {
        let object = self.objects.first().map_or_else(|| "the default exchange".to_owned(), ToString::to_string);
        Error::AccessRefused { object, reason }
    }

    /// Logs what is used as it is, unless that was logged before.
    fn tell(&self, taken: Vec<&Object>) {
        let objects = taken.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut told = self.told.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !objects.is_empty() && *told != objects {
            info!(objects, "this user may not declare these objects; they are used as they are");
            *told = objects;
        }
    }
}
