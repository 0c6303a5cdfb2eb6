//! A queue that has to be bound before events may be published.

use crate::name;

/// A queue, and the routing keys with which it must be bound. It is declared as its consumer declares it: durable and
/// without arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredQueue {
    /// The queue's name.
    pub queue: String,
    /// The routing keys, at least one.
    pub routing_keys: Vec<String>,
}

impl RequiredQueue {
    /// Reads `QUEUE:KEY+KEY,QUEUE:KEY`.
    pub(super) fn parse_list(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(|item| Self::parse(item.trim())).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let (queue, keys) = text.split_once(':')?;
        let routing_keys: Vec<_> = keys.split('+').map(str::to_owned).collect();
        let valid = is_name(queue) && routing_keys.iter().all(|key| is_name(key));
        valid.then(|| Self { queue: queue.to_owned(), routing_keys })
    }
}

// A space would be a slip in a list.
fn is_name(text: &str) -> bool {
    name::is_name(text) && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_and_their_keys_are_read() {
        let required =
            RequiredQueue::parse_list("email-queue:order.placed, analytics-queue:order.placed+order.cancelled");
        let queue = |queue: &str, keys: &[&str]| RequiredQueue {
            queue: queue.to_owned(),
            routing_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let expected =
            [queue("email-queue", &["order.placed"]), queue("analytics-queue", &["order.placed", "order.cancelled"])];
        assert_eq!(required.as_deref(), Some(&expected[..]));
    }

    #[test]
    fn a_malformed_list_is_refused() {
        for text in ["", "q", "q:", ":k", "q:k,", "q:k+", "q:a b", &format!("{}:k", "q".repeat(256))] {
            assert_eq!(RequiredQueue::parse_list(text), None, "{text}");
        }
    }
}
