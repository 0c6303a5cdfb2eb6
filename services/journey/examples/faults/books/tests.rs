//! Books made by hand show whatever does not balance.

use std::time::{Duration, SystemTime};

use messaging::PublishError;

use super::requests::unpublished;
use super::*;
use crate::parcels;
use crate::ruin::PARCEL_QUEUE;

const START: SystemTime = SystemTime::UNIX_EPOCH;
const QUEUES: [&str; 3] = [EMAIL_QUEUE, ANALYTICS_QUEUE, PACKING_QUEUE];

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Books of so many accepted orders, of which one was placed in each second. None was handled.
fn books(orders: u32) -> Books {
    let entries: Vec<_> = (0..orders)
        .map(|number| {
            let at = START + Duration::from_secs(number.into());
            let event = id(number.into());
            Entry { event, round: 0, in_doubt: false, first_sent: at, last_sent: at, accepted: Some(at) }
        })
        .collect();
    Books {
        by_event: entries.iter().enumerate().map(|(number, entry)| (entry.event, number)).collect(),
        entries,
        mailed: HashMap::new(),
        counted: HashSet::new(),
        requested: HashSet::new(),
        parcels: Parcels::default(),
        kept: QUEUES.map(|queue| (queue, HashMap::new())).into(),
        strange: QUEUES.map(|queue| (queue, HashSet::new())).into(),
        rows: vec![Row::of(Fault::BrokerKilled)],
    }
}

fn mail() -> Vec<Handling> {
    vec![Handling { life: 0, at: START, number: 0 }]
}

fn dead(reason: &str, error: &str) -> DeadLetter {
    DeadLetter { reason: reason.to_owned(), error: error.to_owned() }
}

fn ruin(queue: &'static str, content: &[Uuid], from: u64, until: u64) -> Ruin {
    let (from, until) = (START + Duration::from_secs(from), START + Duration::from_secs(until));
    Ruin { queue, content: content.iter().copied().collect(), from, until }
}

#[test]
fn books_balance_where_each_order_was_mailed_and_counted() {
    let mut books = books(1);
    books.mailed.insert(id(0), mail());
    books.counted.insert(id(0));
    books.strike(&[]);
    books.seek_inventions(&Stranger::default());
    assert!(books.rows[0].balances(), "{:?}", books.rows);
    books.counted.clear();
    books.strike(&[]);
    assert!(!books.rows[0].balances());
}

#[test]
fn an_order_is_mailed_kept_or_destroyed_or_else_lost() {
    let mut books = books(5);
    // The mail server may refuse the address of every twentieth order, so of the first one.
    books.kept.get_mut(EMAIL_QUEUE).unwrap().insert(id(0), vec![dead("for-good", REFUSED)]);
    books.mailed.insert(id(1), mail());
    // The last one came after the queue was back.
    books.strike(&[ruin(EMAIL_QUEUE, &[id(2)], 3, 3), ruin(ANALYTICS_QUEUE, &[id(4)], 9, 9)]);
    let row = &books.rows[0];
    assert_eq!((row.accepted, row.emailed, row.kept["address refused"]), (5, 1, 1));
    assert_eq!((row.destroyed, row.lost), (2, 1));
    assert!(row.amiss.iter().any(|line| line.contains(&id(4).to_string()) && line.starts_with("lost")));
}

#[test]
fn a_dead_letter_has_a_cause_or_is_lost() {
    let letters = [
        dead("for-good", REFUSED),
        dead("for-good", "554 5.7.1 spam"),
        dead("attempts", "451 4.3.0 later"),
        dead("max-deliveries", "it ended the process"),
        dead("", ""),
    ];
    // One of them has two letters.
    let numbers = [20, 40, 2, 3, 20];
    let mut books = books(41);
    for (number, letter) in numbers.into_iter().zip(letters) {
        books.kept.get_mut(EMAIL_QUEUE).unwrap().entry(id(number)).or_default().push(letter);
    }
    books.kept.get_mut(EMAIL_QUEUE).unwrap().insert(id(1), vec![dead("for-good", REFUSED)]);
    books.strike(&[]);
    let row = &books.rows[0];
    assert_eq!((row.kept.values().sum::<usize>(), row.kept["address refused"], row.lost), (1, 1, 40));
    assert_eq!(row.amiss.iter().filter(|line| line.starts_with("a dead letter of email without")).count(), 5);
}

#[test]
fn an_order_is_counted_or_destroyed_or_else_uncounted() {
    let mut books = books(4);
    books.counted.insert(id(0));
    books.kept.get_mut(ANALYTICS_QUEUE).unwrap().insert(id(1), vec![dead("attempts", "it cannot fail")]);
    books.strike(&[ruin(ANALYTICS_QUEUE, &[id(2)], 9, 9)]);
    let row = &books.rows[0];
    assert_eq!((row.counted, row.count_destroyed, row.uncounted), (1, 1, 2));
}

#[test]
fn an_event_that_is_counted_twice_is_found() {
    let (all, again) = repeated([0, 1, 0, 2, 1, 0].map(id).into_iter());
    assert_eq!((all.len(), again), (3, HashSet::from([id(0), id(1)])));
}

#[test]
fn an_order_without_its_202_is_amiss() {
    let mut books = books(1);
    books.entries[0].accepted = None;
    books.strike(&[]);
    assert_eq!((books.rows[0].accepted, books.rows[0].amiss.len()), (0, 1));
}

#[test]
fn an_event_that_nobody_sent_is_invented_wherever_it_is_found() {
    let mut books = books(1);
    books.mailed.insert(id(0), mail());
    books.seek_inventions(&Stranger::default());
    assert_eq!(books.rows[0].invented, 0);
    books.mailed.insert(id(7), mail());
    books.counted.insert(id(8));
    books.kept.get_mut(ANALYTICS_QUEUE).unwrap().insert(id(9), vec![dead("rejected", "")]);
    books.seek_inventions(&Stranger::default());
    assert_eq!(books.rows[0].invented, 3);
    assert!(!books.rows[0].balances());
}

#[test]
fn a_strangers_message_is_a_dead_letter_of_every_consumer_or_a_text_and_never_an_invention() {
    let mut stranger = Stranger::default();
    for _ in 0..3 {
        stranger.next(0);
    }
    let mut books = books(0);
    // The first two are texts, which packing cannot read.
    books.counted.extend(stranger.texts());
    for dead in books.strange.values_mut() {
        dead.insert(2);
    }
    books.strange.get_mut(PACKING_QUEUE).unwrap().extend([0, 1]);
    books.judge(&stranger);
    books.seek_inventions(&stranger);
    assert!(books.rows[0].balances(), "{:?}", books.rows);
    books.counted.clear();
    books.strange.get_mut(EMAIL_QUEUE).unwrap().clear();
    books.strange.get_mut(PACKING_QUEUE).unwrap().remove(&1);
    books.judge(&stranger);
    assert_eq!(books.rows[0].amiss.len(), 4);
}

/// Requests that were heard, each as often: the number of the order of which its id is derived, and its cause.
fn hear(books: &mut Books, requests: &[(u128, u128, usize)]) {
    let requests = requests.iter().map(|&(order, cause, times)| (parcels::follow_up(id(order)), (id(cause), times)));
    books.parcels.heard.extend(requests);
}

#[test]
fn each_order_has_the_request_that_follows_from_it_or_it_is_kept_destroyed_or_missing() {
    let mut books = books(6);
    hear(&mut books, &[(0, 0, 1), (1, 1, 3)]);
    let rejected = unpublished(PublishError::Rejected);
    books.kept.get_mut(PACKING_QUEUE).unwrap().insert(id(2), vec![dead("attempts", &rejected)]);
    // The queue of packing lost the third, and that of requests the fourth.
    books.strike_requests(&[ruin(PACKING_QUEUE, &[id(3)], 9, 9), ruin(PARCEL_QUEUE, &[id(4)], 9, 9)]);
    let row = &books.rows[0];
    assert_eq!((row.requested, row.requested_again, row.request_kept["request rejected"]), (2, 2, 1));
    assert_eq!((row.request_destroyed, row.unrequested, row.invented), (2, 1, 0));
    let [line] = &row.amiss[..] else { panic!("{:?}", row.amiss) };
    assert!(line.starts_with("no request for a parcel") && line.contains(&id(5).to_string()), "{line}");
}

#[test]
fn an_order_is_missing_if_packing_says_that_it_requested_a_parcel_that_nobody_heard_of() {
    let mut books = books(1);
    books.requested.insert(id(0));
    books.strike_requests(&[ruin(PACKING_QUEUE, &[id(0)], 9, 9)]);
    assert_eq!((books.rows[0].unrequested, books.rows[0].amiss.len()), (1, 1));
}

#[test]
fn a_request_with_an_unknown_id_or_cause_is_invented() {
    let mut books = books(2);
    books.entries[1].accepted = None;
    // A random id, the id of another order, and that of an order that was not accepted.
    hear(&mut books, &[(7, 0, 1), (0, 1, 1), (1, 1, 1)]);
    books.strike_requests(&[]);
    assert_eq!((books.rows[0].invented, books.rows[0].unrequested), (3, 1));
    assert!(!books.rows[0].balances());
}

#[test]
fn a_dead_letter_of_packing_has_a_cause_or_is_amiss() {
    let unroutable = unpublished(PublishError::Unroutable);
    let letters = [dead("attempts", &unroutable), dead("attempts", "panicked"), dead("", "")];
    let mut books = books(3);
    for (number, letter) in letters.into_iter().enumerate() {
        books.kept.get_mut(PACKING_QUEUE).unwrap().insert(id(number as u128), vec![letter]);
    }
    books.strike_requests(&[]);
    // Each is missing too.
    assert_eq!((books.rows[0].amiss.len(), books.rows[0].unrequested), (6, 3));
    books.rows = vec![Row::of(Fault::QueueDeleted)];
    books.strike_requests(&[]);
    assert_eq!((books.rows[0].amiss.len(), books.rows[0].request_kept["request reached no queue"]), (4, 1));
}
