//! An exchange, and which queues it copies an event to.

use std::borrow::Cow;
use std::fmt;

use crate::{Error, name};

/// A durable exchange. A text alone names a direct exchange.
///
/// ```
/// use messaging::Exchange;
/// assert_eq!(Exchange::from("order-exchange"), Exchange::direct("order-exchange"));
/// let stock = Exchange::topic("stock");
/// assert_eq!((stock.name(), stock.kind().name()), ("stock", "topic"));
/// ```
///
/// If an exchange of that name exists with another kind, [`State::TopologyConflict`](crate::State::TopologyConflict)
/// names both kinds. A consumer declares each exchange that it binds to, and a publisher the one that it publishes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Exchange {
    name: Cow<'static, str>,
    kind: ExchangeKind,
}

/// Which queues an exchange copies an event to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExchangeKind {
    /// To the queues that are bound with exactly the event's routing key.
    Direct,
    /// To the queues that are bound with a pattern that fits the event's routing key. In a pattern `*` stands for one
    /// word and `#` for any number of words; dots separate words.
    Topic,
    /// To every queue that is bound.
    Fanout,
}

impl Exchange {
    /// Names a direct exchange.
    pub fn direct(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), kind: ExchangeKind::Direct }
    }

    /// Names a topic exchange.
    pub fn topic(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), kind: ExchangeKind::Topic }
    }

    /// Names a fanout exchange.
    pub fn fanout(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), kind: ExchangeKind::Fanout }
    }

    /// The exchange's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which queues it copies an event to.
    pub fn kind(&self) -> ExchangeKind {
        self.kind
    }

    /// # Errors
    /// [`Error::Invalid`]: AMQP cannot carry the name, or it is the default exchange.
    pub(crate) fn check(&self) -> Result<(), Error> {
        name::check("exchange", &self.name)
    }

    /// Checks a routing key or pattern with which a queue is bound to this exchange.
    ///
    /// # Errors
    /// [`Error::Invalid`] names it and says what this kind of exchange expects.
    pub(crate) fn check_key(&self, key: &str) -> Result<(), Error> {
        name::check("routing key", key)?;
        let wild = |word: &str| word.contains(['*', '#']);
        let expected = match self.kind {
            ExchangeKind::Direct if wild(key) => "a key without * and #; only Exchange::topic takes patterns",
            ExchangeKind::Topic if key.split('.').any(|word| wild(word) && word.len() > 1) => {
                "a pattern in which * and # are whole words, such as stock.# or *.low"
            }
            ExchangeKind::Fanout => "no key, because a fanout exchange ignores it; use bound_to_all",
            ExchangeKind::Direct | ExchangeKind::Topic => return Ok(()),
        };
        let what = format!("routing key {} for {self}", name::shown(key));
        Err(Error::Invalid { what, expected: expected.to_owned() })
    }
}

impl ExchangeKind {
    /// The kind's name, as AMQP spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Topic => "topic",
            Self::Fanout => "fanout",
        }
    }
}

impl From<&'static str> for Exchange {
    fn from(name: &'static str) -> Self {
        Self::direct(name)
    }
}

impl From<String> for Exchange {
    fn from(name: String) -> Self {
        Self::direct(name)
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} exchange {}", self.kind.name(), name::shown(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_the_kind_of_exchange_cannot_use_is_refused() {
        let refused = [
            (Exchange::direct("e"), "order.*", "direct exchange \"e\""),
            (Exchange::direct("e"), "#", "only Exchange::topic"),
            (Exchange::topic("e"), "order*", "whole words"),
            (Exchange::topic("e"), "order.##", "whole words"),
            (Exchange::fanout("e"), "order.placed", "bound_to_all"),
            (Exchange::topic("e"), "", "1 to 255 bytes"),
        ];
        for (exchange, key, told) in refused {
            let error = exchange.check_key(key).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        for key in ["#", "*", "stock.#", "*.low.*", "stock.low"] {
            assert!(Exchange::topic("e").check_key(key).is_ok(), "{key}");
        }
    }
}
