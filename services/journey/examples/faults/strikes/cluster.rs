//! Faults of three joined nodes.

use rand::RngExt;

use super::last;
use crate::ruin::EMAIL_QUEUE;
use crate::shop::Shop;

/// How many orders are accepted with two of three nodes before the third comes back.
const ENOUGH: usize = 300;

pub(super) async fn node_killed(shop: &mut Shop) {
    let node = any_node(shop);
    shop.nodes[node].kill().await;
    last(shop).await;
    shop.nodes[node].restart().await;
}

pub(super) async fn each_node_killed(shop: &mut Shop) {
    for node in 0..shop.nodes.len() {
        shop.nodes[node].kill().await;
        last(shop).await;
        shop.nodes[node].restart().await;
    }
}

/// Moves the leader of a queue to another node while the queue is in use.
pub(super) async fn leader_moved(shop: &mut Shop) {
    let queue = format!("'%2F_{EMAIL_QUEUE}'");
    let terms = format!(
        "{{ok, Members, {{Q, Leader}}}} = ra:members({{{queue}, node()}}), \
         [Other | _] = [Name || {{_, Name}} <- Members, Name =/= Leader], \
         ok = ra:transfer_leadership({{Q, Leader}}, {{Q, Other}})."
    );
    shop.broker().rabbitmqctl(&["eval", &terms]).await;
}

/// Kills or stops one of three nodes for long. The others go on without it.
pub(super) async fn minority_lost(shop: &mut Shop) {
    let node = any_node(shop);
    if shop.dice.random() {
        shop.nodes[node].kill().await;
    } else {
        shop.nodes[node].stop().await;
    }
    shop.customers.accepted_more(ENOUGH).await;
    last(shop).await;
    shop.nodes[node].restart().await;
}

/// Freezes one of three nodes for a while.
pub(super) async fn node_frozen(shop: &mut Shop) {
    let node = any_node(shop);
    shop.nodes[node].freeze();
    last(shop).await;
    shop.nodes[node].thaw();
}

/// Kills two of three nodes. The broker confirms nothing until one of them is back.
pub(super) async fn majority_lost(shop: &mut Shop) {
    let stays = any_node(shop);
    let lost: Vec<_> = (0..shop.nodes.len()).filter(|node| *node != stays).collect();
    for &node in &lost {
        shop.nodes[node].kill().await;
    }
    last(shop).await;
    for &node in &lost {
        shop.nodes[node].restart_soon();
    }
    for &node in &lost {
        shop.nodes[node].answers().await;
    }
}

fn any_node(shop: &mut Shop) -> usize {
    shop.dice.random_range(0..shop.nodes.len())
}
