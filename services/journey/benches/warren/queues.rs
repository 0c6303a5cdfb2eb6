//! The queues of one type that the sections fill and empty.

use journey::Broker;

use crate::sample;

/// A vhost of the benchmark's broker, and the type of the queues that are declared in it without arguments.
pub(crate) struct Queues {
    pub(crate) broker: Broker,
    /// `quorum` or `classic`.
    pub(crate) kind: &'static str,
}

impl Queues {
    /// The queues of every broker that has Warren's definitions.
    pub(crate) fn quorum(broker: &Broker) -> Self {
        Self { broker: broker.clone(), kind: "quorum" }
    }

    /// The queues of a broker without any definitions.
    pub(crate) async fn classic(broker: &Broker) -> Self {
        Self { broker: broker.with_classic_queues().await, kind: "classic" }
    }

    /// Deletes the queue with all that the last row left in it, and declares the queue and its binding again.
    pub(crate) async fn fresh(&self) {
        self.fresh_named(sample::QUEUE).await;
    }

    /// The same with another queue.
    pub(crate) async fn fresh_named(&self, queue: &str) {
        self.broker.delete_queue(queue).await;
        self.broker.declare(queue, sample::EXCHANGE, &["order.placed"]).await;
    }
}
