//! What a consumer subscribes to: its queue, and the routing keys that are bound to it.

/// A queue and its bindings, as one constant beside the handler.
///
/// ```
/// use messaging::Subscription;
/// const SUBSCRIPTION: Subscription = Subscription::queue("email-queue").bound_to("order-exchange", &["order.placed"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    queue: &'static str,
    exchange: &'static str,
    keys: &'static [&'static str],
}

impl Subscription {
    /// Names the queue. Nothing is bound to it until [`bound_to`](Self::bound_to).
    pub const fn queue(queue: &'static str) -> Self {
        Self { queue, exchange: "", keys: &[] }
    }

    /// Binds the queue to a direct exchange with these routing keys.
    pub const fn bound_to(self, exchange: &'static str, keys: &'static [&'static str]) -> Self {
        Self { exchange, keys, ..self }
    }

    /// The queue's name.
    pub const fn queue_name(&self) -> &'static str {
        self.queue
    }

    /// The exchange the queue is bound to.
    pub const fn exchange(&self) -> &'static str {
        self.exchange
    }

    /// The routing keys it is bound with.
    pub const fn keys(&self) -> &'static [&'static str] {
        self.keys
    }
}
