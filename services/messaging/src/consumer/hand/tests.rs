//! What is done with deliveries, in which order.

use super::Suspicion::{Culprit, None as Plain, Suspect, Unrecorded};
use super::*;

fn steps(hand: &mut Hand<u32>) -> Vec<Step<u32>> {
    let mut steps = Vec::new();
    while let Some(step) = hand.next_step(true) {
        let end = step == Step::End;
        if step == Step::Cancel {
            hand.cancelled();
        }
        steps.push(step);
        if end {
            break;
        }
    }
    steps
}

fn subscribed(width: Width) -> Hand<u32> {
    let mut hand = Hand::new(false);
    assert_eq!(steps(&mut hand), [Step::Subscribe(Width::Narrow)]);
    if width == Width::Wide {
        hand.arrived(0, Plain);
        assert_eq!(steps(&mut hand), [Step::Begin(0), Step::Cancel, Step::Subscribe(Width::Wide)]);
        hand.settled();
    }
    hand
}

#[test]
fn the_first_delivery_that_is_no_suspect_widens_the_subscription() {
    subscribed(Width::Wide);
}

#[test]
fn a_suspect_is_begun_alone_and_the_next_comes_after_it() {
    let mut hand = subscribed(Width::Narrow);
    hand.arrived(1, Suspect);
    assert_eq!(steps(&mut hand), [Step::BeginAlone(1)]);
    hand.settled();
    hand.arrived(2, Suspect);
    assert_eq!(steps(&mut hand), [Step::BeginAlone(2)]);
}

#[test]
fn suspects_among_others_wait_until_nothing_else_is_in_hand() {
    let mut hand = subscribed(Width::Wide);
    for (delivery, suspicion) in [(1, Plain), (2, Suspect), (3, Plain), (4, Suspect)] {
        hand.arrived(delivery, suspicion);
    }
    assert_eq!(steps(&mut hand), [Step::Begin(1), Step::Begin(3), Step::Cancel, Step::GiveBack(4)]);
    hand.settled();
    hand.settled();
    assert_eq!(steps(&mut hand), [], "one is still in hand");
    hand.settled();
    assert_eq!(steps(&mut hand), [Step::BeginAlone(2)]);
    hand.settled();
    assert_eq!(steps(&mut hand), [Step::Subscribe(Width::Narrow)]);
}

#[test]
fn a_suspect_that_arrives_while_the_subscription_widens_is_still_alone() {
    let mut hand = subscribed(Width::Narrow);
    hand.arrived(1, Plain);
    assert_eq!(hand.next_step(true), Some(Step::Begin(1)));
    assert_eq!(hand.next_step(true), Some(Step::Cancel));
    hand.arrived(2, Suspect);
    hand.cancelled();
    assert_eq!(steps(&mut hand), []);
    hand.settled();
    assert_eq!(steps(&mut hand), [Step::BeginAlone(2)]);
    hand.settled();
    assert_eq!(steps(&mut hand), [Step::Subscribe(Width::Narrow)]);
}

#[test]
fn a_culprit_is_set_aside_whatever_else_is_in_hand() {
    let mut hand = subscribed(Width::Wide);
    hand.arrived(1, Plain);
    hand.arrived(2, Culprit);
    assert_eq!(steps(&mut hand), [Step::SetAside(2), Step::Begin(1)]);
}

#[test]
fn what_has_to_be_recorded_is_given_back_at_once_and_changes_no_width() {
    let mut hand = subscribed(Width::Narrow);
    hand.arrived(1, Unrecorded);
    assert_eq!(steps(&mut hand), [Step::GiveBack(1)]);
    hand.settled();
    hand.arrived(2, Suspect);
    assert_eq!(steps(&mut hand), [Step::BeginAlone(2)]);
    let mut hand = subscribed(Width::Wide);
    hand.arrived(1, Plain);
    hand.arrived(2, Unrecorded);
    assert_eq!(steps(&mut hand), [Step::GiveBack(2), Step::Begin(1)]);
}

#[test]
fn leaving_gives_back_what_was_not_begun_and_ends_when_the_rest_is_settled() {
    let mut hand = subscribed(Width::Wide);
    hand.arrived(1, Plain);
    assert_eq!(steps(&mut hand), [Step::Begin(1)]);
    hand.leave();
    hand.arrived(2, Plain);
    hand.arrived(3, Suspect);
    assert_eq!(steps(&mut hand), [Step::Cancel, Step::GiveBack(2), Step::GiveBack(3)]);
    hand.settled();
    hand.settled();
    assert_eq!(steps(&mut hand), []);
    hand.settled();
    assert_eq!(steps(&mut hand), [Step::End]);
}

#[test]
fn what_is_stuck_takes_no_place_of_a_narrow_subscription_and_no_suspect_waits_for_it() {
    let mut hand = subscribed(Width::Narrow);
    hand.arrived(1, Suspect);
    assert_eq!(steps(&mut hand), [Step::BeginAlone(1)]);
    hand.stuck();
    assert_eq!(steps(&mut hand), [Step::Cancel, Step::Subscribe(Width::Narrow)]);
    hand.arrived(2, Suspect);
    assert_eq!(steps(&mut hand), [Step::BeginAlone(2)]);
    hand.unstuck();
    assert_eq!(steps(&mut hand), []);
    hand.settled();
    hand.settled();
    assert_eq!((hand.len(), hand.stuck_ones()), (0, 0));
}

#[test]
fn a_wide_subscription_that_left_room_for_the_stuck_is_renewed_when_none_is() {
    let mut hand = subscribed(Width::Wide);
    hand.arrived(1, Plain);
    hand.arrived(2, Suspect);
    assert_eq!(steps(&mut hand), [Step::Begin(1), Step::Cancel]);
    hand.stuck();
    assert_eq!(steps(&mut hand), [Step::BeginAlone(2)]);
    hand.settled();
    assert_eq!(steps(&mut hand), [Step::Subscribe(Width::Narrow)]);
    hand.arrived(3, Plain);
    assert_eq!(steps(&mut hand), [Step::Begin(3), Step::Cancel, Step::Subscribe(Width::Wide)]);
    hand.unstuck();
    hand.settled();
    assert_eq!(steps(&mut hand), [Step::Cancel, Step::Subscribe(Width::Wide)]);
}

#[test]
fn leaving_waits_for_nothing_that_is_stuck() {
    let mut hand = subscribed(Width::Wide);
    for delivery in [1, 2] {
        hand.arrived(delivery, Plain);
    }
    assert_eq!(steps(&mut hand), [Step::Begin(1), Step::Begin(2)]);
    hand.stuck();
    hand.leave();
    assert_eq!(steps(&mut hand), [Step::Cancel]);
    hand.settled();
    assert_eq!(steps(&mut hand), [Step::End]);
}

#[test]
fn without_a_free_place_nothing_is_begun_and_the_width_still_changes() {
    let mut hand = subscribed(Width::Narrow);
    hand.arrived(1, Plain);
    assert_eq!(hand.next_step(false), Some(Step::Cancel));
}

#[test]
fn after_a_pause_events_are_tried_alone_until_one_is_handled() {
    let mut hand = Hand::new(true);
    assert_eq!(steps(&mut hand), [Step::Subscribe(Width::Narrow)]);
    for (delivery, suspicion) in [(1, Plain), (2, Suspect), (3, Plain)] {
        assert!(hand.lacks_trial());
        hand.arrived(delivery, suspicion);
        assert_eq!(steps(&mut hand), [Step::BeginAlone(delivery)], "and the subscription stays narrow");
        assert!(!hand.lacks_trial());
        hand.settled();
    }
    hand.arrived(4, Plain);
    assert_eq!(steps(&mut hand), [Step::BeginAlone(4)]);
    assert!(hand.handled());
    hand.settled();
    assert!(!hand.handled(), "it has ended");
    hand.arrived(5, Plain);
    assert_eq!(steps(&mut hand), [Step::Begin(5), Step::Cancel, Step::Subscribe(Width::Wide)]);
}

#[test]
fn a_trial_waits_for_nothing_that_is_stuck_and_not_for_what_is_set_aside() {
    let mut hand = Hand::new(true);
    assert_eq!(steps(&mut hand), [Step::Subscribe(Width::Narrow)]);
    hand.arrived(1, Culprit);
    assert_eq!(steps(&mut hand), [Step::SetAside(1)]);
    hand.stuck();
    assert_eq!(steps(&mut hand), [Step::Cancel, Step::Subscribe(Width::Narrow)]);
    assert!(hand.lacks_trial());
    hand.arrived(2, Plain);
    assert_eq!(steps(&mut hand), [Step::BeginAlone(2)]);
    hand.stuck();
    assert_eq!(steps(&mut hand), [Step::Cancel, Step::Subscribe(Width::Narrow)]);
    hand.leave();
    assert!(!hand.lacks_trial());
    assert_eq!(steps(&mut hand), [Step::Cancel, Step::End]);
}

proptest::proptest! {
    /// Whatever arrives and whenever it is settled: a suspect is never handled beside anything else, and all is settled in the end.
    #[test]
    fn a_suspect_never_has_company(trial: bool, arrivals in proptest::collection::vec((0u8..4, 0usize..4), 1..100)) {
        let mut hand: Hand<Suspicion> = Hand::new(trial);
        let (mut running, mut suspect_runs, mut settling) = (0usize, false, 0usize);
        for (kind, ends) in arrivals.into_iter().map(Some).chain([None; 200]).map(|next| next.unwrap_or((9, 4))) {
            let room = match hand.subscription { Some(Width::Narrow) => 1, Some(Width::Wide) => 8, None => 0 };
            if kind < 4 && hand.len() < room {
                let suspicion = [Plain, Unrecorded, Suspect, Culprit][usize::from(kind)];
                hand.arrived(suspicion, suspicion);
            } else if kind == 9 {
                hand.leave();
            }
            while let Some(step) = hand.next_step(true) {
                match step {
                    Step::Begin(suspicion) | Step::BeginAlone(suspicion) => {
                        assert!(!suspect_runs, "a suspect has company");
                        assert!(suspicion == Plain || hand.len() == 1, "a suspect among {}", hand.len());
                        assert!(!trial || hand.len() == 1, "{suspicion:?} is tried among {}", hand.len());
                        suspect_runs = suspicion == Suspect;
                        running += 1;
                    }
                    Step::GiveBack(_) | Step::SetAside(_) => settling += 1,
                    Step::Cancel => hand.cancelled(),
                    Step::Subscribe(_) => {}
                    Step::End => break,
                }
            }
            for _ in 0..ends {
                if settling > 0 { settling -= 1; hand.settled(); }
                else if running > 0 { running -= 1; suspect_runs = false; hand.settled(); }
            }
        }
        assert_eq!(hand.next_step(true), Some(Step::End));
    }
}
