//! Whose answer it is, where the broker refuses, returns or holds back some of many.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn no_event_gets_the_answer_of_another_where_many_come_back() {
    one_in_comes_back(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_gets_the_answer_of_another_where_few_come_back() {
    one_in_comes_back(97).await;
}

async fn one_in_comes_back(one_in: usize) {
    const EVENTS: usize = 20_000;
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    let tasks = (0..256).map(|task| {
        let publisher = publisher.clone();
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            for number in 0..EVENTS / 256 {
                let routed = !(task + number).is_multiple_of(one_in);
                let event = event(if routed { PLACED } else { "order.unheard" });
                let id = event.id.clone();
                match (publish(&publisher, event).await, routed) {
                    (Ok(()), true) => accepted.push(id),
                    (Err(PublishError::Unroutable), false) => {}
                    (answer, routed) => panic!("{answer:?} for an event with routed = {routed}"),
                }
            }
            accepted
        })
    });
    let accepted: HashSet<String> = join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(drain(&broker, "email-queue").await, accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_ids_in_flight_each_get_their_own_answer() {
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    for _ in 0..200 {
        let id = Uuid::now_v7().to_string();
        let sent = (0..8).map(|number| (if number % 2 == 0 { PLACED } else { "order.unheard" }, &publisher));
        let answers = sent.map(|(key, publisher)| publish(publisher, event_of(&id, key, 100)));
        for (number, answer) in join_all(answers).await.into_iter().enumerate() {
            let expected = if number % 2 == 0 { Ok(()) } else { Err(PublishError::Unroutable) };
            assert_eq!(answer, expected, "event {number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_full_queue_refuses_is_rejected() {
    let broker = Broker::shared().await;
    let client = broker.client().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let publisher = start(endpoint(&broker.url()), PublisherOptions::default());
    until(&publisher, "connected", |state| *state == State::Connected).await;
    client.declare_queue("full", durable, arguments).await.unwrap();
    client.bind("full", EXCHANGE, PLACED).await;
    // A quorum queue takes some more before it refuses.
    let answers = eventually("an event is refused", || publish(&publisher, event(PLACED)), Result::is_err).await;
    assert_eq!(answers, Err(PublishError::Rejected));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_larger_than_the_broker_allows_is_rejected_and_no_other() {
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    let sent = (0..300).map(|number| {
        let size = if number % 100 == 50 { 262_145 } else { 100 };
        publish(&publisher, event_of(&Uuid::now_v7().to_string(), PLACED, size))
    });
    for (number, answer) in join_all(sent).await.into_iter().enumerate() {
        let expected = if number % 100 == 50 { Err(PublishError::Rejected) } else { Ok(()) };
        assert_eq!(answer, expected, "event {number}");
    }
    assert_eq!(drain(&broker, "email-queue").await.len(), 297);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_queue_hangs_keeps_no_other_from_its_answer() {
    const STUCK: &str = "order.stuck";
    let broker = Broker::shared().await;
    let publisher = start(endpoint(&broker.url()), PublisherOptions { lanes: 1, ..required("email-queue") });
    until(&publisher, "connected", |state| *state == State::Connected).await;
    let mut classic = FieldTable::default();
    classic.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
    let client = broker.client().await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    client.declare_queue("stuck-queue", durable, classic).await.unwrap();
    client.bind("stuck-queue", EXCHANGE, STUCK).await;
    let tell = async |verb: &str| {
        let name = format!("rabbit_misc:r(<<\"{}\">>, queue, <<\"stuck-queue\">>)", broker.vhost());
        let call = format!("{{ok, Q}} = rabbit_amqqueue:lookup({name}), sys:{verb}(amqqueue:get_pid(Q)).");
        broker.rabbitmqctl(&["eval", &call]).await;
    };
    tell("suspend").await;
    let stuck = publish(&publisher, event(STUCK));
    let others = async {
        for _ in 0..20 {
            let sent = (0..50).map(|_| publish(&publisher, event(PLACED)));
            assert_eq!(join_all(sent).await, vec![Ok(()); 50]);
        }
        tell("resume").await;
    };
    assert_eq!(tokio::join!(stuck, others).0, Ok(()));
}
