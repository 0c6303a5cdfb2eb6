//! Why a letter is dead: a closed set, so that it can be counted and filtered by.

use std::fmt;

/// Why a message is in the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadReason {
    /// It is not an event that the consumer knows.
    Undecodable,
    /// The handler said that it will never work.
    ForGood,
    /// Each of its attempts failed.
    Attempts,
    /// It ended the process `MAX_DELIVERIES` times, the last ones while it was handled alone.
    MaxDeliveries,
    /// The broker's own limit was reached.
    DeliveryLimit,
    /// Another consumer of the queue refused it.
    Rejected,
    /// Somebody else put it there.
    Unknown,
}

impl DeadReason {
    /// Every reason there is.
    pub const ALL: [Self; 7] = [
        Self::Undecodable,
        Self::ForGood,
        Self::Attempts,
        Self::MaxDeliveries,
        Self::DeliveryLimit,
        Self::Rejected,
        Self::Unknown,
    ];

    /// The reason as headers, logs and `REASON` spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::ForGood => "for-good",
            Self::Attempts => "attempts",
            Self::MaxDeliveries => "max-deliveries",
            Self::DeliveryLimit => "delivery-limit",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
