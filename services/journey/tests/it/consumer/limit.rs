//! The broker's own limit: what comes back too often is dead-lettered by the policy, and can be redriven.

use journey::{Broker, eventually};
use messaging::DeadReason;
use messaging::redrive::RedriveOptions;

use super::stage::*;
use crate::redrive::{look, options, redrive};

#[tokio::test]
async fn what_the_broker_itself_sets_aside_is_found_by_its_reason_and_comes_back_under_its_key() {
    let broker = Broker::shared().await;
    broker.apply_policy(QUEUE, 2).await;
    // A consumer declares its queues, and is gone.
    Running::consuming(&broker, &Actor::willing()).await.stop().await.unwrap();
    publish(&broker, &["a"]).await;
    let give_back = || async {
        broker.peek(QUEUE).await;
        broker.depth(DEAD).await
    };
    eventually("the broker sets it aside", give_back, |&depth| depth == Some(1)).await;
    let dead = look(&broker, DEAD).await.remove(0);
    assert_eq!(dead.header("x-last-death-reason").as_deref(), Some("delivery_limit"));
    assert_eq!(dead.header("warren-reason"), None, "nobody but the broker had it in hand");

    let others = RedriveOptions { reason: Some(DeadReason::MaxDeliveries), ..options() };
    assert_eq!(redrive(&broker, others).await.unwrap().moved, 0);
    let its = RedriveOptions { reason: Some(DeadReason::DeliveryLimit), ..options() };
    assert_eq!(redrive(&broker, its).await.unwrap().moved, 1);
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    let seen = actor.eventually("it is handled", |seen| !seen.is_empty()).await;
    assert_eq!((seen[0].text.as_str(), seen[0].attempt, seen[0].redriven), ("a", 1, 1));
    drained(&broker).await;
    assert_eq!(consumer.count_of(KEY, "handled"), 1, "under the key that it was first published with");
    assert_eq!(broker.depth(DEAD).await, Some(0));
}
