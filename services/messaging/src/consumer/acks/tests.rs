//! What is acknowledged when, and with what.

use super::*;

/// Each is noted by its own tag.
fn acks(tags: std::ops::RangeInclusive<u64>) -> Acks<u64> {
    let mut acks = Acks::new(128);
    tags.for_each(|tag| acks.delivered(tag, tag));
    acks
}

#[test]
fn a_finished_prefix_is_acknowledged_once_after_five_milliseconds() {
    let (mut acks, now) = (acks(1..=4), Instant::now());
    for tag in [2, 1, 3] {
        acks.finished(tag, now);
    }
    assert_eq!(acks.take_due(now, false), []);
    assert_eq!(acks.next_due(now), Some(now + COMPANY));
    assert_eq!(acks.take_due(now + COMPANY, false), [Reply::AckThrough(3)]);
    assert_eq!(acks.take_due(now + COMPANY, false), []);
}

#[test]
fn fifty_in_a_row_are_acknowledged_at_once() {
    let (mut acks, now) = (acks(1..=60), Instant::now());
    (1..50).for_each(|tag| acks.finished(tag, now));
    assert_eq!(acks.take_due(now, false), []);
    acks.finished(50, now);
    assert_eq!(acks.next_due(now), Some(now));
    assert_eq!(acks.take_due(now, false), [Reply::AckThrough(50)]);
}

#[test]
fn what_is_finished_behind_a_slow_one_is_acknowledged_singly_after_a_hundred_milliseconds() {
    let (mut acks, now) = (acks(1..=3), Instant::now());
    acks.finished(2, now);
    acks.finished(3, now + COMPANY);
    assert_eq!(acks.next_due(now), Some(now + BEHIND_GAP));
    assert_eq!(acks.take_due(now + BEHIND_GAP, false), [Reply::Ack(2)]);
    acks.finished(1, now + BEHIND_GAP);
    assert_eq!(acks.take_due(now + BEHIND_GAP + COMPANY, false), [Reply::AckThrough(3)]);
}

#[test]
fn answers_that_may_be_on_their_way_are_as_many_as_the_prefetch() {
    let (mut acks, now) = (acks(1..=300), Instant::now());
    acks.requeue(2, now);
    acks.finished(4, now);
    assert_eq!(acks.take_due(now + BEHIND_GAP, false), [Reply::Requeue(2), Reply::Ack(4)]);
    let mut unsure: Vec<_> = acks.unsure().copied().collect();
    unsure.sort_unstable();
    assert_eq!(unsure, (1..=300).collect::<Vec<_>>(), "none has come for certain");
    (1..=299).for_each(|tag| acks.finished(tag, now));
    assert_eq!(acks.take_due(now, false), [Reply::AckThrough(299)]);
    assert_eq!(acks.unsure().copied().collect::<Vec<_>>(), (172..=300).collect::<Vec<_>>());
}

#[test]
fn a_crowd_behind_a_slow_one_does_not_wait() {
    let (mut acks, now) = (acks(1..=51), Instant::now());
    (2..=51).for_each(|tag| acks.finished(tag, now));
    let expected: Vec<_> = (2..=51).map(Reply::Ack).collect();
    assert_eq!(acks.take_due(now, false), expected);
}

#[test]
fn what_is_given_back_by_a_copy_is_acknowledged_with_those_before_it_in_one() {
    let (mut acks, now) = (acks(1..=128), Instant::now());
    (2..=128).for_each(|tag| acks.requeued_as_copy(tag, now));
    let waits = Some(now + PATIENCE);
    assert_eq!((acks.take_due(now + BEHIND_GAP, false), acks.next_due(now + BEHIND_GAP)), (vec![], waits));
    acks.finished(1, now);
    assert_eq!(acks.take_due(now, true), [Reply::AckThrough(128)]);
}

#[test]
fn what_is_given_back_behind_one_that_does_not_end_is_acknowledged_in_small_pieces() {
    let (mut acks, now) = (acks(1..=50), Instant::now());
    (2..=50).for_each(|tag| acks.requeued_as_copy(tag, now));
    let (mut due, mut answered) = (now + PATIENCE, Vec::new());
    while let Some(next) = acks.next_due(due) {
        due = due.max(next);
        let piece = acks.take_due(due, false);
        assert!((1..=PIECE).contains(&piece.len()), "{piece:?}");
        assert_eq!(acks.take_due(due, false), [], "not more at once");
        answered.extend(piece);
    }
    assert_eq!(answered, (2..=50).map(Reply::Ack).collect::<Vec<_>>());
    assert_eq!(due, now + PATIENCE + 3 * BEHIND_GAP);
    acks.finished(1, due);
    assert_eq!(acks.take_due(due, true), [Reply::AckThrough(1)]);
}

#[test]
fn what_goes_back_leaves_no_gap_and_is_never_acknowledged() {
    let (mut acks, now) = (acks(1..=3), Instant::now());
    acks.finished(1, now);
    acks.finished(3, now);
    acks.requeue(2, now);
    acks.requeue(2, now);
    assert_eq!(acks.take_due(now + COMPANY, false), [Reply::Requeue(2), Reply::AckThrough(3)]);
}

#[test]
fn a_tag_never_delivered_is_never_named() {
    let (mut acks, now) = (acks(1..=1), Instant::now());
    acks.finished(7, now);
    acks.requeue(8, now);
    assert_eq!(acks.take_due(now + BEHIND_GAP, true), []);
}

#[test]
fn a_small_prefetch_is_never_starved_by_waiting_for_company() {
    let (mut acks, now) = (Acks::new(1), Instant::now());
    acks.delivered(1, ());
    acks.finished(1, now);
    assert_eq!(acks.take_due(now, false), [Reply::AckThrough(1)]);
}

proptest::proptest! {
    /// A broker's view: each reply must name an outstanding tag, and in the end everything is answered once.
    #[test]
    fn every_delivery_is_answered_exactly_once(steps in proptest::collection::vec((0u8..6, 0u64..40, 0u64..60), 1..200)) {
        let (mut acks, start) = (Acks::new(20), Instant::now());
        let (mut next, mut clock) = (1, start);
        let mut broker = std::collections::BTreeSet::new();
        let answer = |replies: Vec<Reply>, broker: &mut std::collections::BTreeSet<u64>| {
            for reply in replies {
                let (Reply::AckThrough(tag) | Reply::Ack(tag) | Reply::Requeue(tag) | Reply::Reject(tag)) = reply;
                assert!(broker.contains(&tag), "unknown delivery tag {tag}");
                if let Reply::AckThrough(tag) = reply { broker.retain(|open| *open > tag) } else { broker.remove(&tag); }
            }
        };
        let mut open = Vec::new();
        for (what, which, millis) in steps {
            clock += Duration::from_millis(millis);
            match what {
                0 | 1 => { acks.delivered(next, ()); broker.insert(next); open.push(next); next += 1; }
                _ if open.is_empty() => {}
                2 => acks.finished(open.swap_remove(which as usize % open.len()), clock),
                5 => acks.reject(open.swap_remove(which as usize % open.len()), clock),
                3 => acks.requeued_as_copy(open.swap_remove(which as usize % open.len()), clock),
                _ => acks.requeue(open.swap_remove(which as usize % open.len()), clock),
            }
            answer(acks.take_due(clock, false), &mut broker);
        }
        open.drain(..).for_each(|tag| acks.finished(tag, clock));
        answer(acks.take_due(clock, true), &mut broker);
        assert!(broker.is_empty(), "unanswered: {broker:?}");
    }
}

#[test]
fn every_delivery_that_is_not_finished_is_told() {
    let (mut acks, now) = (acks(1..=3), Instant::now());
    let unfinished = |acks: &Acks<u64>| acks.unfinished().copied().collect::<Vec<_>>();
    acks.finished(2, now);
    assert_eq!(unfinished(&acks), [1, 3]);
    acks.finished(1, now);
    assert_eq!(unfinished(&acks), [3], "acknowledged or not");
    acks.take_due(now + COMPANY, false);
    acks.requeue(3, now);
    assert!(unfinished(&acks).is_empty());
}
