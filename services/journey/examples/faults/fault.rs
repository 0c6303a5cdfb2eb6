//! What can break, by name.

/// Where a fault can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// One broker node.
    OneNode,
    /// Three joined nodes.
    ThreeNodes,
}

impl Stage {
    /// Its name in what is printed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneNode => "one node",
            Self::ThreeNodes => "three nodes",
        }
    }
}

macro_rules! faults {
    ($($fault:ident $name:literal $stage:ident),* $(,)?) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Fault { $($fault),* }

        impl Fault {
            /// Every kind.
            pub(crate) const ALL: [Self; [$(Self::$fault),*].len()] = [$(Self::$fault),*];

            /// The name that `FAULT` takes.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$fault => $name),* }
            }

            /// Where it is played.
            pub(crate) fn stage(self) -> Stage {
                match self { $(Self::$fault => Stage::$stage),* }
            }
        }
    };
}

faults! {
    BrokerKilled "broker-killed" OneNode,
    BrokerStopped "broker-stopped" OneNode,
    BrokerFrozen "broker-frozen" OneNode,
    BrokerFrozenLong "broker-frozen-long" OneNode,
    MemoryAlarm "memory-alarm" OneNode,
    DiskAlarm "disk-alarm" OneNode,
    ConnectionsClosed "connections-closed" OneNode,
    ConsumerCancelled "consumer-cancelled" OneNode,
    QueueDeleted "queue-deleted" OneNode,
    ExchangeDeleted "exchange-deleted" OneNode,
    PolicyChanged "policy-changed" OneNode,
    PasswordChanged "password-changed" OneNode,
    NetworkCut "network-cut" OneNode,
    NetworkOneWay "network-one-way" OneNode,
    NetworkHalfOpen "network-half-open" OneNode,
    NetworkSlow "network-slow" OneNode,
    NetworkByteByByte "network-byte-by-byte" OneNode,
    NetworkResets "network-resets" OneNode,
    SmtpStopped "smtp-stopped" OneNode,
    SmtpBusy "smtp-busy" OneNode,
    SmtpRefusesSome "smtp-refuses-some" OneNode,
    SmtpSilent "smtp-silent" OneNode,
    SmtpSlow "smtp-slow" OneNode,
    EmailKilled "email-killed" OneNode,
    EmailStopped "email-stopped" OneNode,
    EmailFrozen "email-frozen" OneNode,
    OrderKilled "order-killed" OneNode,
    OrderStopped "order-stopped" OneNode,
    OrderFrozen "order-frozen" OneNode,
    AnalyticsKilled "analytics-killed" OneNode,
    DescriptorsShort "descriptors-short" OneNode,
    EverythingRestarted "everything-restarted" OneNode,
    NodeKilled "node-killed" ThreeNodes,
    EachNodeKilled "each-node-killed" ThreeNodes,
    LeaderMoved "leader-moved" ThreeNodes,
    MinorityLost "minority-lost" ThreeNodes,
    MajorityLost "majority-lost" ThreeNodes,
}
