use bytes::Bytes;

use super::*;

const LIMITS: Limits = Limits { messages: 8, bytes: 4 * HEAVIEST_BATCH };

fn outbox() -> Outbox {
    Outbox::new(LIMITS, None)
}

fn message(size: usize) -> Outgoing {
    let body = Bytes::from(vec![0; size]);
    Outgoing { exchange: "e".into(), routing_key: "k".into(), properties: Default::default(), body }
}

fn enter(outbox: &Outbox, size: usize) -> Place<'_> {
    outbox.enter(message(size), Instant::now()).unwrap_or_else(|error| panic!("{error}"))
}

fn numbers(batch: &Batch<'_>) -> Vec<u64> {
    batch.tickets.iter().map(|ticket| ticket.number).collect()
}

#[test]
fn each_lane_takes_its_share_in_order() {
    let outbox = outbox();
    let _places: Vec<_> = (0..6).map(|_| enter(&outbox, 1)).collect();
    let batches = [outbox.take(4), outbox.take(4), outbox.take(4), outbox.take(4)];
    assert_eq!(batches.each_ref().map(numbers), [vec![0, 1], vec![2, 3], vec![4, 5], vec![]]);
}

#[test]
fn a_batch_without_answers_goes_back_to_the_head_of_the_line() {
    let outbox = outbox();
    let _places: Vec<_> = (0..4).map(|_| enter(&outbox, 1)).collect();
    drop(outbox.take(2));
    assert_eq!(numbers(&outbox.take(1)), [0, 1, 2, 3]);
}

#[test]
fn what_nobody_waits_for_any_more_is_not_sent() {
    let outbox = outbox();
    let (first, second) = (enter(&outbox, 1), enter(&outbox, 1));
    let batch = outbox.take(2);
    drop((first, second));
    assert_eq!(numbers(&outbox.take(1)), Vec::<u64>::new(), "it left the line");
    drop(batch);
    assert_eq!(numbers(&outbox.take(1)), Vec::<u64>::new(), "it did not go back in line");
}

#[test]
fn places_and_bytes_are_limited_and_come_free() {
    let outbox = outbox();
    let places: Vec<_> = (0..8).map(|_| enter(&outbox, 1)).collect();
    assert!(matches!(outbox.enter(message(1), Instant::now()), Err(PublishError::Overloaded)));
    drop(places);
    let heavy = enter(&outbox, LIMITS.bytes);
    assert!(matches!(outbox.enter(message(1), Instant::now()), Err(PublishError::Overloaded)));
    drop(heavy);
    drop(enter(&outbox, LIMITS.bytes));
}

#[test]
fn a_batch_is_no_heavier_than_a_mebibyte_unless_its_first_message_is() {
    let outbox = outbox();
    let sizes = [HEAVIEST_BATCH / 2, HEAVIEST_BATCH / 2, 1, HEAVIEST_BATCH + 1];
    let _places = sizes.map(|size| enter(&outbox, size));
    let batches = [outbox.take(1), outbox.take(1), outbox.take(1)];
    assert_eq!(batches.each_ref().map(numbers), [vec![0, 1], vec![2], vec![3]]);
}

#[test]
fn a_suspect_has_its_batch_to_itself() {
    let outbox = outbox();
    let _places: Vec<_> = (0..4).map(|_| enter(&outbox, 1)).collect();
    let mut batch = outbox.take(1);
    batch.tickets[1].alone = true;
    drop(batch);
    let batches = [outbox.take(1), outbox.take(1), outbox.take(1)];
    assert_eq!(batches.each_ref().map(numbers), [vec![0], vec![1], vec![2, 3]]);
}

#[tokio::test]
async fn at_the_deadline_only_what_was_never_sent_is_called_unsent() {
    let outbox = outbox();
    let now = Instant::now();
    let unsent = outbox.send(message(1), now, || PublishError::Blocked).await;
    assert_eq!(unsent, Err(PublishError::Blocked));
    let sent = outbox.send(message(1), now + std::time::Duration::from_millis(50), || PublishError::Blocked);
    let lane = async {
        outbox.arrival().await;
        outbox.take(1).tickets[0].sent = true;
    };
    assert_eq!(tokio::join!(sent, lane).0, Err(PublishError::Unconfirmed));
}

#[tokio::test]
async fn a_closed_outbox_takes_nothing_in_and_waits_for_those_inside() {
    let outbox = outbox();
    let place = enter(&outbox, 1);
    let closed = async {
        outbox.close().await;
        assert!(matches!(outbox.enter(message(1), Instant::now()), Err(PublishError::Unavailable)));
    };
    tokio::join!(closed, async { drop(place) });
}
