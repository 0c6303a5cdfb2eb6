//! The faults themselves. Each breaks something, and mends it before it returns.

mod broker;
mod clocks;
mod cluster;
mod disk;
mod mail;
mod network;
mod process;
mod stranger;
mod topology;

use std::time::Duration;

use rand::RngExt;
use tokio::time::sleep;

use crate::clock::Jump;
use crate::fault::Fault;
use crate::shop::Shop;

/// Plays a fault.
pub(crate) async fn strike(fault: Fault, shop: &mut Shop) {
    match fault {
        Fault::BrokerKilled => broker::killed(shop).await,
        Fault::BrokerStopped => broker::stopped(shop).await,
        Fault::BrokerFrozen => broker::frozen(shop).await,
        Fault::BrokerFrozenLong => broker::frozen_long(shop).await,
        Fault::MemoryAlarm => broker::alarm(shop, journey::Alarm::Memory).await,
        Fault::DiskAlarm => broker::alarm(shop, journey::Alarm::Disk).await,
        Fault::ConnectionsClosed => broker::connections_closed(shop).await,
        Fault::PolicyChanged => broker::policy_changed(shop).await,
        Fault::PasswordChanged => broker::password_changed(shop).await,
        Fault::ConsumerCancelled => topology::consumer_cancelled(shop).await,
        Fault::QueueDeleted => topology::queue_deleted(shop).await,
        Fault::ExchangeDeleted => topology::exchange_deleted(shop).await,
        Fault::NetworkCut
        | Fault::NetworkOneWay
        | Fault::NetworkHalfOpen
        | Fault::NetworkSlow
        | Fault::NetworkByteByByte
        | Fault::NetworkResets => network::strike(fault, shop).await,
        Fault::SmtpStopped => mail::stopped(shop).await,
        Fault::SmtpBusy => mail::busy(shop).await,
        Fault::SmtpRefusesSome => mail::refuses_some(shop).await,
        Fault::SmtpSilent => mail::silent(shop).await,
        Fault::SmtpSlow => mail::slow(shop).await,
        Fault::SmtpRefusesSender => mail::refuses_sender(shop).await,
        Fault::SmtpHangsAtRcpt => mail::hangs_at_rcpt(shop).await,
        Fault::SmtpSlowToGreet => mail::slow_to_greet(shop).await,
        Fault::SmtpThrottles => mail::throttles(shop).await,
        Fault::StrangerPoisons => stranger::poisons(shop).await,
        Fault::DiskFull => disk::full(shop).await,
        Fault::ClockForward => clocks::moved(shop, Jump::Forward).await,
        Fault::ClockBack => clocks::moved(shop, Jump::Back).await,
        Fault::EmailKilled => process::killed(&mut shop.email),
        Fault::OrderKilled => process::killed(&mut shop.order),
        Fault::AnalyticsKilled => process::killed(&mut shop.analytics),
        Fault::EmailStopped => process::stopped(&mut shop.email).await,
        Fault::OrderStopped => process::stopped(&mut shop.order).await,
        Fault::EmailFrozen => {
            let time = some_seconds(shop);
            process::frozen(&mut shop.email, time).await;
        }
        Fault::OrderFrozen => {
            let time = some_seconds(shop);
            process::frozen(&mut shop.order, time).await;
        }
        Fault::AnalyticsStopped => process::stopped(&mut shop.analytics).await,
        Fault::AnalyticsFrozen => {
            let time = some_seconds(shop);
            process::frozen(&mut shop.analytics, time).await;
        }
        Fault::PackingKilled => process::killed(&mut shop.packing),
        Fault::PackingStopped => process::stopped(&mut shop.packing).await,
        Fault::PackingFrozen => {
            let time = some_seconds(shop);
            process::frozen(&mut shop.packing, time).await;
        }
        Fault::MemoryShort => process::memory_short(shop).await,
        Fault::DescriptorsShort => process::descriptors_short(shop).await,
        Fault::EverythingRestarted => process::everything_restarted(shop).await,
        Fault::NodeKilled => cluster::node_killed(shop).await,
        Fault::NodeFrozen => cluster::node_frozen(shop).await,
        Fault::EachNodeKilled => cluster::each_node_killed(shop).await,
        Fault::LeaderMoved => cluster::leader_moved(shop).await,
        Fault::MinorityLost => cluster::minority_lost(shop).await,
        Fault::MajorityLost => cluster::majority_lost(shop).await,
    }
}

/// A random time for which a fault lasts.
fn some_seconds(shop: &mut Shop) -> Duration {
    Duration::from_millis(shop.dice.random_range(1000..4000))
}

/// Lets a fault last for a random time.
async fn last(shop: &mut Shop) {
    let time = some_seconds(shop);
    sleep(time).await;
}
