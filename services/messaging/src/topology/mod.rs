//! The exchanges, queues and bindings that somebody relies on, and how they are made sure of.
//!
//! A keeper declares everything when a connection begins. Later it asks only for what shows that all is still there, because every process asks again
//! every few seconds, and nobody is told of a deleted exchange or binding:
//!
//! - Each binding is bound again. A binding cannot be looked at in any other way, and the broker refuses to bind what is not there: this one
//!   question shows, or restores, the binding, and shows its queue and its exchange.
//! - One of the exchanges and queues is declared, in turn: what it is now is told by nothing else, and a delay or dead queue is shown by no binding.
//! - When any of this fails, and when a copy for one of those queues was returned, everything is declared again. The copy is tried again until then.
//!
//! A broker may belong to others. What its user may not declare is looked at instead; what it may not even look at (RabbitMQ 4.3 wants one right
//! on an object for that, 4.0 none) or bind (this needs the right to write to the queue and to read the exchange) is taken as it is, and the log says so once.

use std::sync::Mutex;
use std::time::Duration;

use lapin::types::FieldTable;
use tracing::info;

use crate::Error;

mod asking;
mod keeper;
mod object;
pub(crate) use keeper::Keeper;
pub(crate) use object::Object;

/// How often it is asserted again, because the broker tells nobody that an exchange or a binding was deleted.
pub(crate) const ASSERT_EVERY: Duration = Duration::from_secs(5);

/// Objects that should exist, in the order in which they are declared. The first is vital to whoever relies on them: a publisher's exchange, a
/// consumer's queue.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    objects: Vec<Object>,
    /// What was last said to be taken as it is.
    told: Mutex<String>,
}

impl Topology {
    /// And a durable direct exchange without arguments.
    pub(crate) fn exchange(self, name: impl Into<String>) -> Self {
        self.and(Object::Exchange { name: name.into() })
    }

    /// And a durable queue.
    pub(crate) fn queue(self, name: impl Into<String>, arguments: FieldTable) -> Self {
        self.and(Object::Queue { name: name.into(), arguments })
    }

    /// And a binding of a queue to an exchange, both named before.
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

    /// What it means that the broker refuses what is published.
    pub(crate) fn refused(&self, reason: String) -> Error {
        let object = self.objects.first().map_or_else(|| "the default exchange".to_owned(), ToString::to_string);
        Error::AccessRefused { object, reason }
    }

    /// Says what is taken as it is, unless it was said before.
    fn tell(&self, taken: Vec<&Object>) {
        let objects = taken.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut told = self.told.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !objects.is_empty() && *told != objects {
            info!(objects, "this user may not declare these: they are taken as they are");
            *told = objects;
        }
    }
}
