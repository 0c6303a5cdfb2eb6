//! All kinds of faults, and where each can be played.

use journey::Disk;

use crate::clock::Clock;

/// Where a fault can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// One broker node.
    OneNode,
    /// One broker node on a disk that can be filled.
    SmallDisk,
    /// One broker node, and services whose clocks can be moved.
    Clocks,
    /// Three joined nodes.
    ThreeNodes,
}

impl Stage {
    /// All stages, in the order in which acts are played.
    pub(crate) const ALL: [Self; 4] = [Self::OneNode, Self::SmallDisk, Self::Clocks, Self::ThreeNodes];

    /// Why this machine does not have this stage, or nothing if it has.
    pub(crate) fn lack(self) -> Option<String> {
        match self {
            Self::OneNode | Self::ThreeNodes => None,
            Self::SmallDisk => {
                let forbidden = Disk::allowed().err()?;
                Some(format!("no file system can be mounted, which takes root with CAP_SYS_ADMIN: {forbidden}"))
            }
            Self::Clocks => {
                let missing = Clock::library().is_none();
                missing.then(|| "libfaketime is missing: on Debian, apt-get install libfaketime".to_owned())
            }
        }
    }

    /// Its name in the output.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneNode => "one node",
            Self::SmallDisk => "one node on a small disk",
            Self::Clocks => "one node, and clocks to move",
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

            /// The stage on which it is played.
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
    SmtpRefusesSender "smtp-refuses-sender" OneNode,
    SmtpHangsAtRcpt "smtp-hangs-at-rcpt" OneNode,
    SmtpSlowToGreet "smtp-slow-to-greet" OneNode,
    SmtpThrottles "smtp-throttles" OneNode,
    StrangerPoisons "stranger-poisons" OneNode,
    EmailKilled "email-killed" OneNode,
    EmailStopped "email-stopped" OneNode,
    EmailFrozen "email-frozen" OneNode,
    OrderKilled "order-killed" OneNode,
    OrderStopped "order-stopped" OneNode,
    OrderFrozen "order-frozen" OneNode,
    AnalyticsKilled "analytics-killed" OneNode,
    AnalyticsStopped "analytics-stopped" OneNode,
    AnalyticsFrozen "analytics-frozen" OneNode,
    PackingKilled "packing-killed" OneNode,
    PackingStopped "packing-stopped" OneNode,
    PackingFrozen "packing-frozen" OneNode,
    MemoryShort "memory-short" OneNode,
    DescriptorsShort "descriptors-short" OneNode,
    EverythingRestarted "everything-restarted" OneNode,
    DiskFull "disk-full" SmallDisk,
    ClockForward "clock-forward" Clocks,
    ClockBack "clock-back" Clocks,
    NodeKilled "node-killed" ThreeNodes,
    NodeFrozen "node-frozen" ThreeNodes,
    EachNodeKilled "each-node-killed" ThreeNodes,
    LeaderMoved "leader-moved" ThreeNodes,
    MinorityLost "minority-lost" ThreeNodes,
    MajorityLost "majority-lost" ThreeNodes,
}

impl Fault {
    /// Whether it is played on one node, and no service ends. The long run plays only these faults, because it observes
    /// processes that live long.
    pub(crate) fn is_outlived(self) -> bool {
        self.stage() == Stage::OneNode
            && !matches!(
                self,
                Self::EmailKilled
                    | Self::EmailStopped
                    | Self::OrderKilled
                    | Self::OrderStopped
                    | Self::AnalyticsKilled
                    | Self::AnalyticsStopped
                    | Self::PackingKilled
                    | Self::PackingStopped
                    | Self::QueueDeleted
                    | Self::MemoryShort
                    | Self::EverythingRestarted
            )
    }
}
