use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use super::*;
use crate::publisher::backlog::{HEAVIEST_SHARE, LEAST_SHARE, MOST_UNCONFIRMED};

const LIMITS: Limits = Limits { messages: MOST_UNCONFIRMED + 50, bytes: 4 * HEAVIEST_SHARE };

fn publish_queue() -> PublishQueue {
    PublishQueue::new(LIMITS, None)
}

fn message(size: usize) -> Outgoing {
    let body = Bytes::from(vec![0; size]);
    Outgoing { exchange: "e".into(), routing_key: "k".into(), properties: Box::new(Default::default), body }
}

fn enter(publish_queue: &PublishQueue, size: usize) -> Slot<'_> {
    publish_queue.enter(message(size), Instant::now()).unwrap_or_else(|error| panic!("{error}"))
}

/// What a lane takes that has so many small messages on their way.
fn take(publish_queue: &PublishQueue, lanes: usize, messages: usize) -> Vec<PendingPublish> {
    take_of(publish_queue, lanes, Limits { messages, bytes: 0 }).0
}

fn take_of(publish_queue: &PublishQueue, lanes: usize, unconfirmed: Limits) -> (Vec<PendingPublish>, bool) {
    Turn { publish_queue }.take(lanes, unconfirmed)
}

fn numbers(batch: &[PendingPublish]) -> Vec<u64> {
    batch.iter().map(|pending| pending.number).collect()
}

#[test]
fn each_lane_takes_its_share_in_order_and_no_more_before_some_have_landed() {
    let publish_queue = publish_queue();
    let _places: Vec<_> = (0..120).map(|_| enter(&publish_queue, 1)).collect();
    let shares = [0, 0, 20, 40].map(|unconfirmed| numbers(&take(&publish_queue, 3, unconfirmed)));
    assert_eq!(shares, [(0..40).collect(), (40..80).collect(), (80..100).collect(), Vec::<u64>::new()]);
}

#[test]
fn of_little_one_lane_takes_all() {
    let publish_queue = publish_queue();
    let _places: Vec<_> = (0..LEAST_SHARE).map(|_| enter(&publish_queue, 1)).collect();
    assert_eq!(take(&publish_queue, 8, 0).len(), LEAST_SHARE);
}

#[test]
fn what_is_given_back_goes_to_the_head_of_the_line() {
    let publish_queue = publish_queue();
    let _places: Vec<_> = (0..80).map(|_| enter(&publish_queue, 1)).collect();
    publish_queue.give_back(take(&publish_queue, 2, 0));
    assert_eq!(numbers(&take(&publish_queue, 1, 0)), (0..80).collect::<Vec<_>>());
}

#[test]
fn what_nobody_waits_for_any_more_is_not_sent() {
    let publish_queue = publish_queue();
    let (first, second) = (enter(&publish_queue, 1), enter(&publish_queue, 1));
    let taken = take(&publish_queue, 1, MOST_UNCONFIRMED - 1);
    drop((first, second));
    assert_eq!(numbers(&take(&publish_queue, 1, 0)), Vec::<u64>::new(), "it left the backlog");
    publish_queue.give_back(taken);
    assert_eq!(numbers(&take(&publish_queue, 1, 0)), Vec::<u64>::new(), "it did not go back in backlog");
}

#[test]
fn places_and_bytes_are_limited_and_come_free() {
    let publish_queue = publish_queue();
    let slots: Vec<_> = (0..LIMITS.messages).map(|_| enter(&publish_queue, 1)).collect();
    assert!(matches!(publish_queue.enter(message(1), Instant::now()), Err(PublishError::Overloaded)));
    drop(slots);
    let heavy = enter(&publish_queue, LIMITS.bytes);
    assert!(matches!(publish_queue.enter(message(1), Instant::now()), Err(PublishError::Overloaded)));
    drop(heavy);
    drop(enter(&publish_queue, LIMITS.bytes));
}

#[test]
fn a_share_is_no_heavier_than_a_mebibyte_unless_its_first_message_is() {
    let publish_queue = publish_queue();
    let sizes = [HEAVIEST_SHARE / 2, HEAVIEST_SHARE / 2, 1, HEAVIEST_SHARE + 1];
    let _places = sizes.map(|size| enter(&publish_queue, size));
    let shares = [0, 0, 0].map(|unconfirmed| numbers(&take(&publish_queue, 1, unconfirmed)));
    assert_eq!(shares, [vec![0, 1], vec![2], vec![3]]);
}

#[test]
fn what_is_on_its_way_counts_to_a_share() {
    let publish_queue = publish_queue();
    let _places = [1, HEAVIEST_SHARE].map(|size| enter(&publish_queue, size));
    let heavy = Limits { messages: 1, bytes: HEAVIEST_SHARE - 1 };
    let (batch, left) = take_of(&publish_queue, 1, heavy);
    assert_eq!((numbers(&batch), left), (vec![0], true));
    assert!(take_of(&publish_queue, 1, heavy).0.is_empty());
    assert_eq!(numbers(&take(&publish_queue, 1, 0)), [1]);
}

#[test]
fn a_lane_that_finds_nothing_is_not_told_that_something_is_left() {
    let publish_queue = publish_queue();
    let _place = enter(&publish_queue, 1);
    let (batch, left) = take_of(&publish_queue, 1, Limits { messages: MOST_UNCONFIRMED, bytes: 0 });
    assert!(batch.is_empty() && left, "it has its share");
    assert_eq!(take(&publish_queue, 1, 0).len(), 1);
    let (batch, left) = take_of(&publish_queue, 1, Limits { messages: 1, bytes: 0 });
    assert!(batch.is_empty() && !left, "the backlog is empty");
}

#[test]
fn a_suspect_has_its_channel_to_itself() {
    let publish_queue = publish_queue();
    let _places: Vec<_> = (0..4).map(|_| enter(&publish_queue, 1)).collect();
    let mut batch = take(&publish_queue, 1, 0);
    batch[1].alone = true;
    publish_queue.give_back(batch);
    let shares = [0, 1, 0, 0].map(|unconfirmed| numbers(&take(&publish_queue, 1, unconfirmed)));
    assert_eq!(shares, [vec![0], vec![], vec![1], vec![2, 3]]);
}

#[tokio::test]
async fn a_message_that_no_lane_took_is_unsent_at_its_deadline() {
    let unsent = publish_queue().send(message(1), Instant::now(), || PublishError::Blocked).await;
    assert_eq!(unsent, Err(PublishError::Blocked));
}

#[test]
fn only_what_was_never_handed_over_is_called_unsent() {
    use PublishError::{Blocked, Rejected, Unconfirmed};
    type Lane = fn(&PublishQueue, PendingPublish);
    let cases: [(&str, bool, Lane, PublishError); 4] = [
        ("given back as it was", false, |publish_queue, pending| publish_queue.give_back(vec![pending]), Blocked),
        ("given back, once sent", true, |publish_queue, pending| publish_queue.give_back(vec![pending]), Unconfirmed),
        ("lost with its lane", false, |_, pending| drop(pending), Unconfirmed),
        ("answered just now", true, |_, pending| pending.answer(Err(Rejected)), Rejected),
    ];
    for (what, sent, lane, expected) in cases {
        let publish_queue = publish_queue();
        let slot = enter(&publish_queue, 1);
        let mut pending = take(&publish_queue, 1, 0).pop().unwrap();
        pending.sent = sent;
        lane(&publish_queue, pending);
        assert_eq!(publish_queue.give_up(slot, || Blocked), Err(expected), "{what}");
    }
    let publish_queue = publish_queue();
    let slot = enter(&publish_queue, 1);
    let _aloft = take(&publish_queue, 1, 0);
    assert_eq!(publish_queue.give_up(slot, || Blocked), Err(Unconfirmed), "a lane has it");
}

#[tokio::test]
async fn a_closed_outbox_takes_nothing_in_and_waits_for_those_inside() {
    let publish_queue = publish_queue();
    let slot = enter(&publish_queue, 1);
    let closed = async {
        publish_queue.close().await;
        assert!(matches!(publish_queue.enter(message(1), Instant::now()), Err(PublishError::Unavailable)));
    };
    tokio::join!(closed, async { drop(slot) });
}

/// What a lane does first when it has nothing to do, or polled again.
fn is_called(lane: &mut Pin<&mut impl Future>) -> bool {
    lane.as_mut().now_or_never().is_some()
}

#[test]
fn one_lane_is_called_and_the_next_one_when_its_turn_ends() {
    let publish_queue = publish_queue();
    let mut lanes = [pin!(publish_queue.turn()), pin!(publish_queue.turn())];
    assert!(!lanes.iter_mut().any(is_called), "nobody waits");
    let _places: Vec<_> = (0..2 * LEAST_SHARE).map(|_| enter(&publish_queue, 1)).collect();
    let [first, last] = &mut lanes;
    assert!(!is_called(first), "one call for all that came");
    let turn = last.as_mut().now_or_never().expect("the last that waited is called");
    assert!(!is_called(first), "nobody else while it is at the backlog");
    let (batch, left) = turn.take(2, Limits { messages: 0, bytes: 0 });
    assert_eq!((batch.len(), left), (LEAST_SHARE, true));
    assert!(is_called(first));
}

#[test]
fn a_further_lane_is_called_where_more_waits_than_one_takes() {
    let publish_queue = publish_queue();
    let mut lanes = [pin!(publish_queue.turn()), pin!(publish_queue.turn())];
    assert!(!lanes.iter_mut().any(is_called), "nobody waits");
    let _places: Vec<_> = (1..MOST_UNCONFIRMED).map(|_| enter(&publish_queue, 1)).collect();
    let [first, last] = &mut lanes;
    assert!(!is_called(first), "the last is, and may be slow to come");
    let _place = enter(&publish_queue, 1);
    assert!(is_called(first) && is_called(last));
}

#[test]
fn a_lane_that_was_called_in_vain_is_called_again() {
    let publish_queue = publish_queue();
    let mut lane = pin!(publish_queue.turn());
    assert!(!is_called(&mut lane));
    drop(enter(&publish_queue, 1));
    assert!(!is_called(&mut lane), "the publisher has left");
    let _place = enter(&publish_queue, 1);
    assert!(is_called(&mut lane));
}

#[test]
fn a_call_outlives_the_lane_that_was_called() {
    let publish_queue = publish_queue();
    let mut other = pin!(publish_queue.turn());
    assert!(!is_called(&mut other));
    let mut lane = Box::pin(publish_queue.turn());
    assert!(!is_called(&mut lane.as_mut()));
    let _place = enter(&publish_queue, 1);
    drop(lane);
    assert!(is_called(&mut other), "it was called, and ended before it came");
}

#[test]
fn a_turn_that_is_not_used_calls_the_next_lane() {
    let publish_queue = publish_queue();
    let mut lanes = [pin!(publish_queue.turn()), pin!(publish_queue.turn())];
    assert!(!lanes.iter_mut().any(is_called), "nobody waits");
    let _place = enter(&publish_queue, 1);
    let [first, last] = &mut lanes;
    drop(last.as_mut().now_or_never().expect("it is called"));
    assert!(is_called(first));
}

#[test]
fn what_is_given_back_calls_a_lane() {
    let publish_queue = publish_queue();
    let _place = enter(&publish_queue, 1);
    let taken = take(&publish_queue, 1, 0);
    let mut lane = pin!(publish_queue.turn());
    assert!(!is_called(&mut lane));
    publish_queue.give_back(taken);
    assert!(is_called(&mut lane));
}

/// So long whoever waits is waited for, where a lost call would make it for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A lane that leaves while it waits, comes in vain, or gives back what it took, as `dice` say.
async fn restless_lane(publish_queue: Arc<PublishQueue>, mut dice: u64) {
    let mut throw = move |sides| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33).is_multiple_of(sides)
    };
    loop {
        let turn = tokio::select! {
            turn = publish_queue.turn() => turn,
            () = yield_now(), if throw(3) => continue,
        };
        yield_now().await;
        if throw(4) {
            continue;
        }
        let (batch, _) = turn.take(2, Limits { messages: 0, bytes: 0 });
        match throw(4) {
            true => publish_queue.give_back(batch),
            false => batch.into_iter().for_each(|pending| pending.answer(Ok(()))),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_is_answered_however_lanes_come_and_go() {
    let publish_queue = Arc::new(publish_queue());
    let deadline = Instant::now() + 10 * PATIENCE;
    let lanes = (1..=3).map(|dice| restless_lane(Arc::clone(&publish_queue), dice));
    let _lanes: JoinSet<_> = lanes.collect();
    let publishers = (0..LIMITS.messages).map(|_| {
        let publish_queue = Arc::clone(&publish_queue);
        async move {
            for _ in 0..50 {
                let answer = publish_queue.send(message(1), deadline, || PublishError::Unavailable).await;
                assert_eq!(answer, Ok(()));
            }
        }
    });
    let publishers: JoinSet<_> = publishers.collect();
    timeout(PATIENCE, publishers.join_all()).await.expect("nobody waits for ever");
}
