//! An object that can be declared.

use std::fmt;

use lapin::types::FieldTable;

use crate::ExchangeKind;

/// An exchange, a queue, or a binding. Its `Display` names it for errors and logs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Object {
    Exchange { name: String, kind: ExchangeKind },
    Queue { name: String, arguments: FieldTable },
    Binding { queue: String, exchange: String, routing_key: String },
}

impl Object {
    pub(super) fn is_binding(&self) -> bool {
        matches!(self, Self::Binding { .. })
    }

    /// Whether this is a binding from this exchange, or to this queue.
    pub(super) fn binds(&self, other: &Object) -> bool {
        match (self, other) {
            (Self::Binding { exchange, .. }, Self::Exchange { name, .. }) => exchange == name,
            (Self::Binding { queue, .. }, Self::Queue { name, .. }) => queue == name,
            _ => false,
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange { name, .. } => write!(f, "exchange {name:?}"),
            Self::Queue { name, .. } => write!(f, "queue {name:?}"),
            Self::Binding { queue, exchange, routing_key } => {
                write!(f, "binding {routing_key:?} of queue {queue:?} to exchange {exchange:?}")
            }
        }
    }
}
