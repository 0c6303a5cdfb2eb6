//! What happens to a single broker node, and what an operator does to it.

use journey::Alarm;
use rand::seq::IndexedRandom;
use serde_json::json;

use super::last;
use crate::ruin::EMAIL_QUEUE;
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

/// For longer than the heartbeat: until everybody has noticed.
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

/// For a while the queue takes so little that it refuses orders.
pub(super) async fn policy_changed(shop: &mut Shop) {
    let narrow = json!({
        "pattern": format!("^{EMAIL_QUEUE}$"),
        "apply-to": "quorum_queues",
        "definition": {"max-length": 3, "overflow": "reject-publish", "delivery-limit": 50},
    });
    shop.broker().put(&format!("policies/%2f/{EMAIL_QUEUE}"), &narrow).await;
    last(shop).await;
    shop.broker().apply_policy(EMAIL_QUEUE, 100).await;
}

/// The user's connections are closed, and its password is refused until it is changed back.
pub(super) async fn password_changed(shop: &mut Shop) {
    let user = *["order", "email", "analytics"].choose(&mut shop.dice).expect("there are three");
    shop.broker().rabbitmqctl(&["change_password", user, "another"]).await;
    shop.broker().close_connections().await;
    let service = match user {
        "order" => &shop.order,
        "email" => &shop.email,
        _ => &shop.analytics,
    };
    service.disconnected().await;
    last(shop).await;
    shop.broker().rabbitmqctl(&["change_password", user, user]).await;
}
