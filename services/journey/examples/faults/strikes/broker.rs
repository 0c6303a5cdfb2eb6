//! Faults of a single broker node, and of its operator.

use journey::Alarm;
use rand::seq::IndexedRandom;
use serde_json::json;

use super::last;
use crate::ruin::{EMAIL_QUEUE, PARCEL_QUEUE};
use crate::service::Service;
use crate::shop::Shop;

pub(super) async fn killed(shop: &mut Shop) {
    shop.broker().kill().await;
    last(shop).await;
    shop.broker().restart().await;
}

pub(super) async fn stopped(shop: &mut Shop) {
    shop.broker().stop().await;
    last(shop).await;
    shop.broker().restart().await;
}

pub(super) async fn frozen(shop: &mut Shop) {
    shop.broker().freeze();
    last(shop).await;
    shop.broker().thaw();
}

/// Freezes the broker for longer than the heartbeat, until every service has noticed.
pub(super) async fn frozen_long(shop: &mut Shop) {
    shop.broker().freeze();
    shop.all_disconnected().await;
    shop.broker().thaw();
}

pub(super) async fn alarm(shop: &mut Shop, alarm: Alarm) {
    shop.broker().set_alarm(alarm).await;
    last(shop).await;
    shop.broker().clear_alarm(alarm).await;
}

pub(super) async fn connections_closed(shop: &mut Shop) {
    shop.broker().close_connections().await;
}

/// For a while a policy lets a queue hold so few messages that it refuses orders, or requests for parcels.
pub(super) async fn policy_changed(shop: &mut Shop) {
    let queue = *[EMAIL_QUEUE, PARCEL_QUEUE].choose(&mut shop.dice).expect("there are two");
    let narrow = json!({
        "pattern": format!("^{queue}$"),
        "apply-to": "quorum_queues",
        "definition": {"max-length": 3, "overflow": "reject-publish", "delivery-limit": 50},
    });
    shop.broker().put(&format!("policies/%2f/{queue}"), &narrow).await;
    last(shop).await;
    shop.broker().apply_policy(queue, 100).await;
}

/// Changes a user's password and closes all connections. Later the user gets its old password back.
pub(super) async fn password_changed(shop: &mut Shop) {
    let user = *shop.services().map(Service::name).choose(&mut shop.dice).expect("there are four");
    shop.broker().rabbitmqctl(&["change_password", user, "another"]).await;
    shop.broker().close_connections().await;
    let service = shop.services().into_iter().find(|service| service.name() == user);
    service.expect("it was drawn among them").disconnected().await;
    last(shop).await;
    shop.broker().rabbitmqctl(&["change_password", user, user]).await;
}
