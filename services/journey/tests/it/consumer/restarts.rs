//! A broker that dies again and again makes a dead letter of no event that it interrupts.

use std::sync::Arc;
use std::time::Duration;

use journey::{Broker, eventually};
use messaging::ConsumerOptions;
use tokio::sync::Semaphore;

use super::stage::*;

/// How many events some consumer has in hand.
async fn in_hand(broker: &Broker) -> u64 {
    let listed = broker.rabbitmqctl(&["list_queues", "name", "messages_unacknowledged"]).await;
    let lines = listed.lines().filter_map(|line| line.split_once('\t'));
    lines.filter(|(name, _)| *name == QUEUE).map(|(_, count)| count.trim().parse::<u64>().unwrap_or(0)).sum()
}

/// Kills the broker again and again while consumers have slow events in hand, and lets a new process handle them in the end.
async fn kill_over_slow_events(consumers: usize) {
    let broker = Broker::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let actor = Actor::new(move |_| {
        let gate = waiting.clone();
        async move {
            let _open = gate.acquire().await.unwrap();
            Ok(())
        }
    });
    let options = || ConsumerOptions { handle_timeout: Duration::from_secs(600), ..quick() };
    let mut running = Vec::new();
    for _ in 0..consumers {
        running.push(Running::consuming_with(&broker, &actor, options()).await);
    }
    publish(&broker, &["a", "b", "c", "d", "e", "f"]).await;
    actor.eventually("some are begun", |seen| !seen.is_empty()).await;
    for _ in 0..6 {
        broker.kill().await;
        for consumer in &running {
            consumer.becomes("connecting").await;
        }
        broker.restart().await;
        for consumer in &running {
            consumer.becomes("consuming").await;
        }
        eventually("they are given out again", || in_hand(&broker), |&count| count > 0).await;
    }
    drop(running);
    let consumer = Running::consuming_with(&broker, &actor, options()).await;
    gate.add_permits(1);
    eventually("a new process handles them", async || consumer.count("handled"), |&count| count == 6).await;
    drained(&broker).await;
    assert_eq!(broker.depth(DEAD).await, Some(0));
}

#[tokio::test]
async fn six_broker_kills_over_slow_events_make_no_dead_letter_in_the_next_process() {
    kill_over_slow_events(1).await;
}

#[tokio::test]
async fn six_broker_kills_over_slow_events_of_three_consumers_make_no_dead_letter() {
    kill_over_slow_events(3).await;
}
