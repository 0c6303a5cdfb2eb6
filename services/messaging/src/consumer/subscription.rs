//! What a consumer subscribes to: its queue, and what is bound to it.

use std::collections::HashMap;
use std::time::Duration;

use events::Event;

use crate::{Error, Exchange, ExchangeKind, name};

/// The default name of a queue's dead queue, for events that no attempt will handle.
pub(crate) fn dead(queue: &str) -> String {
    format!("{queue}.dead")
}

/// A queue and its bindings.
///
/// ```
/// use messaging::{Exchange, Subscription};
/// let email = Subscription::queue("email-queue").bound_to("order-exchange", ["order.placed"]);
/// // Names may come from the configuration, and a queue may be bound to several exchanges.
/// let (queue, pattern) = (String::from("restock-queue"), String::from("stock.#"));
/// let restock = Subscription::queue(queue)
///     .bound_to(Exchange::topic("stock"), [pattern])
///     .bound_to_all(Exchange::fanout("audit"));
/// assert_eq!(restock.queue_name(), "restock-queue");
/// ```
///
/// A consumer that is made from it checks its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    queue: String,
    bindings: Vec<(Exchange, Keys)>,
    dead_queue: Option<String>,
    delay_queues: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Keys {
    These(Vec<String>),
    All,
}

impl Subscription {
    /// Names the queue. Without a binding, only what is published to the queue by its name reaches it.
    pub fn queue(queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), bindings: Vec::new(), dead_queue: None, delay_queues: None }
    }

    /// Binds the queue to an exchange with these routing keys, or with these patterns if it is a topic exchange.
    #[must_use]
    pub fn bound_to<K: Into<String>>(
        mut self,
        exchange: impl Into<Exchange>,
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        let keys = keys.into_iter().map(Into::into).collect();
        self.bindings.push((exchange.into(), Keys::These(keys)));
        self
    }

    /// Binds the queue to a fanout or topic exchange, so that everything published to the exchange reaches it.
    #[must_use]
    pub fn bound_to_all(mut self, exchange: impl Into<Exchange>) -> Self {
        self.bindings.push((exchange.into(), Keys::All));
        self
    }

    /// Names the dead queue, in place of `<queue>.dead`. Two queues need two dead queues, because a redrive moves
    /// whatever a dead queue holds to one queue. Tell the redrive the name (`DEAD_QUEUE`), and the broker, if a policy
    /// of it dead-letters what is in the queue.
    #[must_use]
    pub fn dead_queue(self, name: impl Into<String>) -> Self {
        Self { dead_queue: Some(name.into()), ..self }
    }

    /// Names the delay queues `<prefix>.<delay>`, such as `<prefix>.10s`, in place of `<queue>.retry.<delay>`. Two
    /// queues need two prefixes, because an expired event goes back to one queue.
    #[must_use]
    pub fn delay_queues(self, prefix: impl Into<String>) -> Self {
        Self { delay_queues: Some(prefix.into()), ..self }
    }

    pub(crate) fn dead_queue_name(&self) -> String {
        self.dead_queue.clone().unwrap_or_else(|| dead(&self.queue))
    }

    /// The name of a delay queue, where events wait for their next attempt. Each delay has a queue; the name contains
    /// the delay as it is written in the setting.
    pub(crate) fn delay_queue_name(&self, delay: Duration) -> String {
        let delay = humantime::format_duration(delay).to_string().replace(' ', "");
        match &self.delay_queues {
            Some(prefix) => format!("{prefix}.{delay}"),
            None => format!("{}.retry.{delay}", self.queue),
        }
    }

    /// The queue's name.
    pub fn queue_name(&self) -> &str {
        &self.queue
    }

    /// Each binding: the exchange, and the routing key or pattern.
    pub fn bindings(&self) -> impl Iterator<Item = (&Exchange, &str)> {
        self.bindings.iter().flat_map(|(exchange, keys)| {
            let all = match exchange.kind() {
                ExchangeKind::Topic => "#",
                ExchangeKind::Direct | ExchangeKind::Fanout => "",
            };
            let (these, all) = match keys {
                Keys::These(keys) => (keys.as_slice(), None),
                Keys::All => (&[][..], Some(all)),
            };
            these.iter().map(String::as_str).chain(all).map(move |key| (exchange, key))
        })
    }

    /// # Errors
    /// [`Error::Invalid`]: a name cannot be used, or a binding does not fit its exchange.
    pub(crate) fn check(&self) -> Result<(), Error> {
        name::check("queue", &self.queue)?;
        let mut kinds = HashMap::new();
        for (exchange, keys) in &self.bindings {
            exchange.check()?;
            let invalid = |expected: &str| {
                let what = format!("binding of queue {} to {exchange}", name::shown(&self.queue));
                Err(Error::Invalid { what, expected: expected.to_owned() })
            };
            match keys {
                Keys::These(keys) if keys.is_empty() => return invalid("at least one routing key, or bound_to_all"),
                Keys::These(keys) => keys.iter().try_for_each(|key| exchange.check_key(key))?,
                Keys::All if exchange.kind() == ExchangeKind::Direct => {
                    return invalid("routing keys, because a direct exchange has no key that stands for all");
                }
                Keys::All => {}
            }
            if *kinds.entry(exchange.name()).or_insert(exchange.kind()) != exchange.kind() {
                return invalid("an exchange of one kind; another binding names it with another kind");
            }
        }
        Ok(())
    }

    /// The event types that have series of their own. If every binding names its routing keys, those are the types.
    /// A pattern is no type, so otherwise every type of the handler's events has series.
    pub(crate) fn known_types<E: Event>(&self) -> Vec<&str> {
        let direct = |(exchange, _): &(&Exchange, &str)| exchange.kind() == ExchangeKind::Direct;
        let types = match self.bindings.is_empty() || !self.bindings().all(|binding| direct(&binding)) {
            true => E::TYPES,
            false => &[],
        };
        let keys = self.bindings().filter(direct).map(|(_, key)| key).filter(|key| !types.contains(key));
        types.iter().copied().chain(keys).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;

    use events::DecodeError;
    use serde::Serialize;
    use serde_json::value::RawValue;

    use super::*;

    struct OrderEvent;

    impl Event for OrderEvent {
        const TYPES: &'static [&'static str] = &["order.placed", "order.cancelled"];

        fn event_type(&self) -> &'static str {
            "order.placed"
        }

        fn subject(&self) -> Option<impl Display + '_> {
            None::<&str>
        }

        fn data(&self) -> impl Serialize + '_ {}

        fn from_data(_: &str, _: &RawValue) -> Result<Self, DecodeError> {
            Ok(Self)
        }
    }

    #[test]
    fn names_and_bindings_that_cannot_be_used_are_refused_with_what_was_expected() {
        let queue = || Subscription::queue("q");
        let long = "k".repeat(256);
        let refused = [
            (Subscription::queue(""), "queue \"\": expected a name of 1 to 255 bytes"),
            (Subscription::queue("q".repeat(256)), "it has 256 bytes"),
            (queue().bound_to("", ["k"]), "exchange \"\": expected a name"),
            (
                queue().bound_to("e", Vec::<String>::new()),
                "queue \"q\" to direct exchange \"e\": expected at least one",
            ),
            (queue().bound_to("e", [long]), "routing key \"kkk"),
            (queue().bound_to("e", ["order.*"]), "Exchange::topic"),
            (queue().bound_to_all("e"), "expected routing keys"),
            (queue().bound_to("e", ["k"]).bound_to_all(Exchange::fanout("e")), "of one kind"),
        ];
        for (subscription, told) in refused {
            let error = subscription.check().unwrap_err();
            assert!(error.is_configuration() && error.to_string().contains(told), "{error}");
        }
        let sound = queue().bound_to(Exchange::topic("t"), ["a.#"]).bound_to_all(Exchange::fanout("f"));
        assert!(sound.bound_to("e", ["a", "b"]).check().is_ok());
    }

    #[test]
    fn what_is_bound_to_all_is_bound_as_its_exchange_wants_it() {
        let all = Subscription::queue("q").bound_to_all(Exchange::topic("t")).bound_to_all(Exchange::fanout("f"));
        assert_eq!(all.bindings().map(|(_, key)| key).collect::<Vec<_>>(), ["#", ""]);
    }

    #[test]
    fn patterns_are_no_labels() {
        let types = |subscription: Subscription| {
            subscription.known_types::<OrderEvent>().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let queue = || Subscription::queue("q");
        assert_eq!(types(queue().bound_to("e", ["order.placed"])), ["order.placed"]);
        assert_eq!(types(queue().bound_to(Exchange::topic("t"), ["order.#"])), OrderEvent::TYPES);
        assert_eq!(types(queue()), OrderEvent::TYPES);
        let both = queue().bound_to_all(Exchange::fanout("f")).bound_to("e", ["order.placed", "text"]);
        assert_eq!(types(both), ["order.placed", "order.cancelled", "text"]);
    }
}
