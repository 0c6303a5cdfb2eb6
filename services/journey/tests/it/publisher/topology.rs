//! What has to exist before anything is published, and what if it cannot.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_required_queue_hears_of_events_before_its_consumer_ever_ran() {
    let broker = Broker::shared().await;
    let publisher = start(endpoint(&broker.url_as("order")), required("email-queue"));
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
    assert_eq!(broker.depth("email-queue").await, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_exchange_is_rebuilt_with_its_bindings_and_no_event_is_lost() {
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    let mut accepted = 0;
    for _ in 0..3 {
        broker.delete_exchange(EXCHANGE).await;
        let answers = join_all((0..100).map(|_| publish(&publisher, event(PLACED)))).await;
        // Another lane may have declared the exchange a moment before its bindings: nobody would hear, and that is what is said.
        assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(PublishError::Unroutable))), "{answers:?}");
        accepted += answers.iter().filter(|answer| answer.is_ok()).count();
        let back = eventually("an event is accepted again", || publish(&publisher, event(PLACED)), Result::is_ok).await;
        accepted += usize::from(back.is_ok());
    }
    assert_eq!(drain(&broker, "email-queue").await.len(), accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_binding_is_back_within_seconds() {
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    // It may be asserted again between the deletion and the event; the next deletion will be quicker.
    let unbind_and_publish = || async {
        broker.delete_binding("email-queue", EXCHANGE, PLACED).await;
        publish(&publisher, event(PLACED)).await
    };
    let unheard = eventually("nobody hears", unbind_and_publish, Result::is_err).await;
    assert_eq!(unheard, Err(PublishError::Unroutable));
    let back = eventually("the binding is back", || publish(&publisher, event(PLACED)), Result::is_ok).await;
    assert_eq!(back, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_arguments_keeps_the_publisher_unready_and_is_named() {
    let broker = Broker::shared().await;
    let client = broker.client().await;
    let transient = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(5));
    client.declare_queue("email-queue", transient, arguments).await.unwrap();
    let publisher = start(endpoint(&broker.url()), required("email-queue"));
    let conflict = until(&publisher, "in conflict", |state| state.name() == "topology-conflict").await;
    let reason = conflict.reason().unwrap();
    assert!(reason.contains("queue \"email-queue\"") && reason.contains("x-max-length"), "{reason}");
    let second = Duration::from_secs(1);
    assert_eq!(publish_within(&publisher, event(PLACED), second).await, Err(PublishError::Unavailable));
    broker.delete_queue("email-queue").await;
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_the_right_is_refused_by_object() {
    let broker = Broker::shared().await;
    let registry = Registry::new();
    let endpoint = endpoint(&broker.url_as("order"));
    let publisher =
        Publisher::start::<OrderEvent>(endpoint, "foreign-exchange", PublisherOptions::default(), &registry).unwrap();
    let refused = until(&publisher, "refused", |state| state.name() == "access-refused").await;
    assert!(refused.reason().unwrap().contains("exchange \"foreign-exchange\""), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_told_without_the_password() {
    let broker = Broker::shared().await;
    let publisher = start(endpoint(&broker.url().replace("guest:guest", "guest:wr0ng")), PublisherOptions::default());
    let refused = until(&publisher, "refused", |state| state.name() == "access-refused").await;
    let reason = refused.reason().unwrap();
    assert!(reason.contains("refused user \"guest\"") && !reason.contains("wr0ng"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_vhost_is_named() {
    let broker = Broker::shared().await;
    let publisher = start(endpoint(&broker.url().replace(broker.vhost(), "nowhere")), PublisherOptions::default());
    let refused = until(&publisher, "refused", |state| state.name() == "access-refused").await;
    assert!(refused.reason().unwrap().contains("vhost \"nowhere\""), "{refused:?}");
}
