//! Whose word counts in a message's headers.

use lapin::message::Delivery;
use lapin::types::ShortString;

use crate::link::Version;

/// From this version on a quorum queue counts every return as acquired, and only some as delivered.
const COUNTS_ACQUIRED: Version = Version { major: 4, minor: 3 };

/// Who reads messages. Anybody may publish headers of our names; what tells a copy of ours is that it comes through the default exchange and carries
/// our user's name as `user_id`, which the broker lets nobody else write. Nothing else does: a client may write `x-death` as it likes.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Our user's name; none for whoever reads dead letters, where each speaks for itself alone.
    user: Option<ShortString>,
    counts_acquired: bool,
}

impl Reader {
    /// A consumer, which reads as this user.
    pub(crate) fn consumer(user: &str, broker: Option<Version>) -> Self {
        let counts_acquired = broker.is_some_and(|version| version >= COUNTS_ACQUIRED);
        Self { user: ShortString::try_new(user.to_owned()).ok(), counts_acquired }
    }

    pub(super) fn user(&self) -> Option<&ShortString> {
        self.user.as_ref()
    }

    /// Whether a copy of ours may be what was delivered: whether it came through the default exchange.
    pub(super) fn may_be_copy(&self, delivery: &Delivery) -> bool {
        self.user.is_none() || delivery.exchange.as_str().is_empty()
    }

    /// Whether nobody else can have written what was delivered.
    pub(super) fn is_ours(&self, delivery: &Delivery) -> bool {
        self.may_be_copy(delivery) && (self.user.is_none() || *delivery.properties.user_id() == self.user)
    }

    /// How often a delivery came back, of what its headers say was delivered and acquired. `None` where the queue counts nothing.
    pub(super) fn returns(&self, delivered: Option<u32>, acquired: Option<u32>) -> Option<u32> {
        if !self.counts_acquired {
            return delivered;
        }
        // The broker says nothing of what was never delivered, and then leaves what a client wrote. It always says what was acquired.
        acquired.map(|acquired| delivered.unwrap_or(0).min(acquired))
    }
}
