use bytes::Bytes;

use super::*;

const LIMITS: Limits = Limits { messages: 200, bytes: 4 * HEAVIEST_SHARE };

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

/// What a lane takes that has so many small messages on their way.
fn take(outbox: &Outbox, lanes: usize, messages: usize) -> Vec<Ticket> {
    outbox.take(lanes, Limits { messages, bytes: 0 }).0
}

fn numbers(tickets: &[Ticket]) -> Vec<u64> {
    tickets.iter().map(|ticket| ticket.number).collect()
}

#[test]
fn each_lane_takes_its_share_in_order_and_no_more_before_some_have_landed() {
    let outbox = outbox();
    let _places: Vec<_> = (0..120).map(|_| enter(&outbox, 1)).collect();
    let shares = [0, 0, 20, 40].map(|aloft| numbers(&take(&outbox, 3, aloft)));
    assert_eq!(shares, [(0..40).collect(), (40..80).collect(), (80..100).collect(), Vec::<u64>::new()]);
}

#[test]
fn of_little_one_lane_takes_all() {
    let outbox = outbox();
    let _places: Vec<_> = (0..LEAST_SHARE).map(|_| enter(&outbox, 1)).collect();
    assert_eq!(take(&outbox, 8, 0).len(), LEAST_SHARE);
}

#[test]
fn what_is_given_back_goes_to_the_head_of_the_line() {
    let outbox = outbox();
    let _places: Vec<_> = (0..80).map(|_| enter(&outbox, 1)).collect();
    outbox.give_back(take(&outbox, 2, 0));
    assert_eq!(numbers(&take(&outbox, 1, 0)), (0..80).collect::<Vec<_>>());
}

#[test]
fn what_nobody_waits_for_any_more_is_not_sent() {
    let outbox = outbox();
    let (first, second) = (enter(&outbox, 1), enter(&outbox, 1));
    let taken = take(&outbox, 1, MOST_ALOFT - 1);
    drop((first, second));
    assert_eq!(numbers(&take(&outbox, 1, 0)), Vec::<u64>::new(), "it left the line");
    outbox.give_back(taken);
    assert_eq!(numbers(&take(&outbox, 1, 0)), Vec::<u64>::new(), "it did not go back in line");
}

#[test]
fn places_and_bytes_are_limited_and_come_free() {
    let outbox = outbox();
    let places: Vec<_> = (0..LIMITS.messages).map(|_| enter(&outbox, 1)).collect();
    assert!(matches!(outbox.enter(message(1), Instant::now()), Err(PublishError::Overloaded)));
    drop(places);
    let heavy = enter(&outbox, LIMITS.bytes);
    assert!(matches!(outbox.enter(message(1), Instant::now()), Err(PublishError::Overloaded)));
    drop(heavy);
    drop(enter(&outbox, LIMITS.bytes));
}

#[test]
fn a_share_is_no_heavier_than_a_mebibyte_unless_its_first_message_is() {
    let outbox = outbox();
    let sizes = [HEAVIEST_SHARE / 2, HEAVIEST_SHARE / 2, 1, HEAVIEST_SHARE + 1];
    let _places = sizes.map(|size| enter(&outbox, size));
    let shares = [0, 0, 0].map(|aloft| numbers(&take(&outbox, 1, aloft)));
    assert_eq!(shares, [vec![0, 1], vec![2], vec![3]]);
}

#[test]
fn what_is_on_its_way_counts_to_a_share() {
    let outbox = outbox();
    let _places = [1, HEAVIEST_SHARE].map(|size| enter(&outbox, size));
    let heavy = Limits { messages: 1, bytes: HEAVIEST_SHARE - 1 };
    let (tickets, left) = outbox.take(1, heavy);
    assert_eq!((numbers(&tickets), left), (vec![0], true));
    assert!(outbox.take(1, heavy).0.is_empty());
    assert_eq!(numbers(&take(&outbox, 1, 0)), [1]);
}

#[test]
fn a_lane_that_finds_nothing_is_not_told_that_something_is_left() {
    let outbox = outbox();
    let _place = enter(&outbox, 1);
    let (tickets, left) = outbox.take(1, Limits { messages: MOST_ALOFT, bytes: 0 });
    assert!(tickets.is_empty() && left, "it has its share");
    assert_eq!(take(&outbox, 1, 0).len(), 1);
    let (tickets, left) = outbox.take(1, Limits { messages: 1, bytes: 0 });
    assert!(tickets.is_empty() && !left, "the line is empty");
}

#[test]
fn a_suspect_has_its_channel_to_itself() {
    let outbox = outbox();
    let _places: Vec<_> = (0..4).map(|_| enter(&outbox, 1)).collect();
    let mut tickets = take(&outbox, 1, 0);
    tickets[1].alone = true;
    outbox.give_back(tickets);
    let shares = [0, 1, 0, 0].map(|aloft| numbers(&take(&outbox, 1, aloft)));
    assert_eq!(shares, [vec![0], vec![], vec![1], vec![2, 3]]);
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
        take(&outbox, 1, 0)[0].sent = true;
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
