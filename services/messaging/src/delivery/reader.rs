//! Decides whose headers are believed.

use std::sync::Arc;

use lapin::message::Delivery as RawDelivery;

use crate::link::Version;
use crate::user_name::UserName;

/// From this version on, a quorum queue counts every return as acquired, and only some as delivered.
const COUNTS_ACQUIRED: Version = Version { major: 4, minor: 3 };

/// The reader of messages. Anybody may publish headers with Warren's names. Two facts prove a copy of the consumer's
/// own: it came through the default exchange, and it carries the consumer's user name as `user_id`, which the broker
/// lets nobody else write. Nothing else proves it: a client may write any `x-death`.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The consumer's user name. None for a reader of dead letters, where each letter speaks only for itself.
    user: Option<Arc<UserName>>,
    counts_acquired: bool,
    /// The bytes of the largest frame. A copy's properties and headers have to fit in one.
    frame_max: usize,
}

impl Reader {
    /// The reader of a consumer with this user name, on a connection with this largest frame.
    pub(crate) fn consumer(user: Arc<UserName>, broker: Option<Version>, frame_max: usize) -> Self {
        let counts_acquired = broker.is_some_and(|version| version >= COUNTS_ACQUIRED);
        Self { user: Some(user), counts_acquired, frame_max }
    }

    /// The reader of dead letters, on a connection with this largest frame.
    pub(crate) fn dead_letters(frame_max: usize) -> Self {
        Self { user: None, counts_acquired: false, frame_max }
    }

    pub(super) fn frame_max(&self) -> usize {
        self.frame_max
    }

    pub(super) fn user(&self) -> Option<&Arc<UserName>> {
        self.user.as_ref()
    }

    /// Whether a delivery may be a copy of the consumer's own: whether it came through the default exchange.
    pub(super) fn may_be_copy(&self, delivery: &RawDelivery) -> bool {
        self.user.is_none() || delivery.exchange.as_str().is_empty()
    }

    /// Whether only this consumer's user can have written a delivery.
    pub(super) fn is_ours(&self, delivery: &RawDelivery) -> bool {
        let user_id = delivery.properties.user_id().as_ref();
        self.may_be_copy(delivery) && self.user.as_ref().is_none_or(|user| user.is(user_id))
    }

    /// How often a delivery came back, from the headers that count deliveries and acquisitions. `None` if the queue
    /// counts nothing.
    pub(super) fn returns(&self, delivered: Option<u32>, acquired: Option<u32>) -> Option<u32> {
        if !self.counts_acquired {
            return delivered;
        }
        // On a first delivery the broker sets no count of deliveries, and leaves a header that a client wrote. It
        // always sets the count of acquisitions.
        acquired.map(|acquired| delivered.unwrap_or(0).min(acquired))
    }
}
