//! What does not balance is found in books made by hand.

use std::time::{Duration, SystemTime};

use super::*;

const START: SystemTime = SystemTime::UNIX_EPOCH;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Books of accepted orders with these numbers, the first placed in the first second and so on; none was handled.
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
        kept: HashMap::from([(EMAIL_QUEUE, HashMap::new()), (ANALYTICS_QUEUE, HashMap::new())]),
        strange: HashMap::from([(EMAIL_QUEUE, HashSet::new()), (ANALYTICS_QUEUE, HashSet::new())]),
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
    // Every twentieth order may be refused.
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
fn what_is_counted_twice_is_seen() {
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
fn what_nobody_sent_is_invented_wherever_it_turns_up() {
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
fn what_a_stranger_published_is_dead_everywhere_or_a_text_and_never_an_invention() {
    let mut stranger = Stranger::default();
    for _ in 0..3 {
        stranger.next(0);
    }
    let mut books = books(0);
    // The first two are texts.
    books.counted.extend(stranger.texts());
    for dead in books.strange.values_mut() {
        dead.insert(2);
    }
    books.judge(&stranger);
    books.seek_inventions(&stranger);
    assert!(books.rows[0].balances(), "{:?}", books.rows);
    books.counted.clear();
    books.strange.get_mut(EMAIL_QUEUE).unwrap().clear();
    books.judge(&stranger);
    assert_eq!(books.rows[0].amiss.len(), 3);
}
