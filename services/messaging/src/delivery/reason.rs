//! Why a message is dead: a closed set, so that metrics and redrive can tell the reasons apart.

use std::fmt;

/// Why a message is in the dead queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadReason {
    /// The consumer cannot decode it as an event that it knows.
    Undecodable,
    /// The handler said that no attempt will work.
    ForGood,
    /// All its attempts failed.
    Attempts,
    /// Its handling ended the process `MAX_DELIVERIES` times. The last times it was handled alone.
    MaxDeliveries,
    /// It reached the broker's own delivery limit.
    DeliveryLimit,
    /// Another consumer of the queue refused it.
    Rejected,
    /// Another program put it there.
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

    /// The reason, as headers, logs and `REASON` spell it.
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
