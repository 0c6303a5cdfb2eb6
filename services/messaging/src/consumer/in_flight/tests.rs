//! What is done with deliveries, in which order.

use super::RedeliveryPolicy::{None as Plain, Poison, Suspect, Unrecorded};
use super::*;

fn steps(in_flight: &mut InFlight<u32>) -> Vec<Step<u32>> {
    let mut steps = Vec::new();
    while let Some(step) = in_flight.next_step(true) {
        let end = step == Step::End;
        if step == Step::Cancel {
            in_flight.cancelled();
        }
        steps.push(step);
        if end {
            break;
        }
    }
    steps
}

fn subscribed(width: Width) -> InFlight<u32> {
    let mut in_flight = InFlight::new(false);
    assert_eq!(steps(&mut in_flight), [Step::Subscribe(Width::Narrow)]);
    if width == Width::Wide {
        in_flight.arrived(0, Plain);
        assert_eq!(steps(&mut in_flight), [Step::Begin(0), Step::Cancel, Step::Subscribe(Width::Wide)]);
        in_flight.settled();
    }
    in_flight
}

#[test]
fn the_first_delivery_that_is_no_suspect_widens_the_subscription() {
    subscribed(Width::Wide);
}

#[test]
fn a_suspect_is_begun_alone_and_the_next_comes_after_it() {
    let mut in_flight = subscribed(Width::Narrow);
    in_flight.arrived(1, Suspect);
    assert_eq!(steps(&mut in_flight), [Step::BeginAlone(1)]);
    in_flight.settled();
    in_flight.arrived(2, Suspect);
    assert_eq!(steps(&mut in_flight), [Step::BeginAlone(2)]);
}

#[test]
fn suspects_among_others_wait_until_nothing_else_is_in_hand() {
    let mut in_flight = subscribed(Width::Wide);
    for (delivery, policy) in [(1, Plain), (2, Suspect), (3, Plain), (4, Suspect)] {
        in_flight.arrived(delivery, policy);
    }
    assert_eq!(steps(&mut in_flight), [Step::Begin(1), Step::Begin(3), Step::Cancel, Step::Requeue(4)]);
    in_flight.settled();
    in_flight.settled();
    assert_eq!(steps(&mut in_flight), [], "one is still in in_flight");
    in_flight.settled();
    assert_eq!(steps(&mut in_flight), [Step::BeginAlone(2)]);
    in_flight.settled();
    assert_eq!(steps(&mut in_flight), [Step::Subscribe(Width::Narrow)]);
}

#[test]
fn a_suspect_that_arrives_while_the_subscription_widens_is_still_alone() {
    let mut in_flight = subscribed(Width::Narrow);
    in_flight.arrived(1, Plain);
    assert_eq!(in_flight.next_step(true), Some(Step::Begin(1)));
    assert_eq!(in_flight.next_step(true), Some(Step::Cancel));
    in_flight.arrived(2, Suspect);
    in_flight.cancelled();
    assert_eq!(steps(&mut in_flight), []);
    in_flight.settled();
    assert_eq!(steps(&mut in_flight), [Step::BeginAlone(2)]);
    in_flight.settled();
    assert_eq!(steps(&mut in_flight), [Step::Subscribe(Width::Narrow)]);
}

#[test]
fn a_culprit_is_set_aside_whatever_else_is_in_hand() {
    let mut in_flight = subscribed(Width::Wide);
    in_flight.arrived(1, Plain);
    in_flight.arrived(2, Poison);
    assert_eq!(steps(&mut in_flight), [Step::DeadLetter(2), Step::Begin(1)]);
}

#[test]
fn what_has_to_be_recorded_is_given_back_at_once_and_changes_no_width() {
    let mut in_flight = subscribed(Width::Narrow);
    in_flight.arrived(1, Unrecorded);
    assert_eq!(steps(&mut in_flight), [Step::Requeue(1)]);
    in_flight.settled();
    in_flight.arrived(2, Suspect);
    assert_eq!(steps(&mut in_flight), [Step::BeginAlone(2)]);
    let mut in_flight = subscribed(Width::Wide);
    in_flight.arrived(1, Plain);
    in_flight.arrived(2, Unrecorded);
    assert_eq!(steps(&mut in_flight), [Step::Requeue(2), Step::Begin(1)]);
}

#[test]
fn leaving_gives_back_what_was_not_begun_and_ends_when_the_rest_is_settled() {
    let mut in_flight = subscribed(Width::Wide);
    in_flight.arrived(1, Plain);
    assert_eq!(steps(&mut in_flight), [Step::Begin(1)]);
    in_flight.leave();
    in_flight.arrived(2, Plain);
    in_flight.arrived(3, Suspect);
    assert_eq!(steps(&mut in_flight), [Step::Cancel, Step::Requeue(2), Step::Requeue(3)]);
    in_flight.settled();
    in_flight.settled();
    assert_eq!(steps(&mut in_flight), []);
    in_flight.settled();
    assert_eq!(steps(&mut in_flight), [Step::End]);
}

#[test]
fn what_is_stuck_takes_no_place_of_a_narrow_subscription_and_no_suspect_waits_for_it() {
    let mut in_flight = subscribed(Width::Narrow);
    in_flight.arrived(1, Suspect);
    assert_eq!(steps(&mut in_flight), [Step::BeginAlone(1)]);
    in_flight.stuck();
    assert_eq!(steps(&mut in_flight), [Step::Cancel, Step::Subscribe(Width::Narrow)]);
    in_flight.arrived(2, Suspect);
    assert_eq!(steps(&mut in_flight), [Step::BeginAlone(2)]);
    in_flight.unstuck();
    assert_eq!(steps(&mut in_flight), []);
    in_flight.settled();
    in_flight.settled();
    assert_eq!((in_flight.len(), in_flight.stuck_ones()), (0, 0));
}

#[test]
fn a_wide_subscription_that_left_room_for_the_stuck_is_renewed_when_none_is() {
    let mut in_flight = subscribed(Width::Wide);
    in_flight.arrived(1, Plain);
    in_flight.arrived(2, Suspect);
    assert_eq!(steps(&mut in_flight), [Step::Begin(1), Step::Cancel]);
    in_flight.stuck();
    assert_eq!(steps(&mut in_flight), [Step::BeginAlone(2)]);
    in_flight.settled();
    assert_eq!(steps(&mut in_flight), [Step::Subscribe(Width::Narrow)]);
    in_flight.arrived(3, Plain);
    assert_eq!(steps(&mut in_flight), [Step::Begin(3), Step::Cancel, Step::Subscribe(Width::Wide)]);
    in_flight.unstuck();
    in_flight.settled();
    assert_eq!(steps(&mut in_flight), [Step::Cancel, Step::Subscribe(Width::Wide)]);
}

#[test]
fn leaving_waits_for_nothing_that_is_stuck() {
    let mut in_flight = subscribed(Width::Wide);
    for delivery in [1, 2] {
        in_flight.arrived(delivery, Plain);
    }
    assert_eq!(steps(&mut in_flight), [Step::Begin(1), Step::Begin(2)]);
    in_flight.stuck();
    in_flight.leave();
    assert_eq!(steps(&mut in_flight), [Step::Cancel]);
    in_flight.settled();
    assert_eq!(steps(&mut in_flight), [Step::End]);
}

#[test]
fn without_a_free_place_nothing_is_begun_and_the_width_still_changes() {
    let mut in_flight = subscribed(Width::Narrow);
    in_flight.arrived(1, Plain);
    assert_eq!(in_flight.next_step(false), Some(Step::Cancel));
}

#[test]
fn after_a_pause_events_are_tried_alone_until_one_is_handled() {
    let mut in_flight = InFlight::new(true);
    assert_eq!(steps(&mut in_flight), [Step::Subscribe(Width::Narrow)]);
    for (delivery, policy) in [(1, Plain), (2, Suspect), (3, Plain)] {
        assert!(in_flight.lacks_trial());
        in_flight.arrived(delivery, policy);
        assert_eq!(steps(&mut in_flight), [Step::BeginAlone(delivery)], "and the subscription stays narrow");
        assert!(!in_flight.lacks_trial());
        in_flight.settled();
    }
    in_flight.arrived(4, Plain);
    assert_eq!(steps(&mut in_flight), [Step::BeginAlone(4)]);
    assert!(in_flight.handled());
    in_flight.settled();
    assert!(!in_flight.handled(), "it has ended");
    in_flight.arrived(5, Plain);
    assert_eq!(steps(&mut in_flight), [Step::Begin(5), Step::Cancel, Step::Subscribe(Width::Wide)]);
}

#[test]
fn a_trial_waits_for_nothing_that_is_stuck_and_not_for_what_is_set_aside() {
    let mut in_flight = InFlight::new(true);
    assert_eq!(steps(&mut in_flight), [Step::Subscribe(Width::Narrow)]);
    in_flight.arrived(1, Poison);
    assert_eq!(steps(&mut in_flight), [Step::DeadLetter(1)]);
    in_flight.stuck();
    assert_eq!(steps(&mut in_flight), [Step::Cancel, Step::Subscribe(Width::Narrow)]);
    assert!(in_flight.lacks_trial());
    in_flight.arrived(2, Plain);
    assert_eq!(steps(&mut in_flight), [Step::BeginAlone(2)]);
    in_flight.stuck();
    assert_eq!(steps(&mut in_flight), [Step::Cancel, Step::Subscribe(Width::Narrow)]);
    in_flight.leave();
    assert!(!in_flight.lacks_trial());
    assert_eq!(steps(&mut in_flight), [Step::Cancel, Step::End]);
}

proptest::proptest! {
    /// Whatever arrives and whenever it is settled: a suspect is never handled beside anything else, and all is settled in the end.
    #[test]
    fn a_suspect_never_has_company(trial: bool, arrivals in proptest::collection::vec((0u8..4, 0usize..4), 1..100)) {
        let mut in_flight: InFlight<RedeliveryPolicy> = InFlight::new(trial);
        let (mut running, mut suspect_runs, mut settling) = (0usize, false, 0usize);
        for (kind, ends) in arrivals.into_iter().map(Some).chain([None; 200]).map(|next| next.unwrap_or((9, 4))) {
            let room = match in_flight.subscription { Some(Width::Narrow) => 1, Some(Width::Wide) => 8, None => 0 };
            if kind < 4 && in_flight.len() < room {
                let policy = [Plain, Unrecorded, Suspect, Poison][usize::from(kind)];
                in_flight.arrived(policy, policy);
            } else if kind == 9 {
                in_flight.leave();
            }
            while let Some(step) = in_flight.next_step(true) {
                match step {
                    Step::Begin(policy) | Step::BeginAlone(policy) => {
                        assert!(!suspect_runs, "a suspect has company");
                        assert!(policy == Plain || in_flight.len() == 1, "a suspect among {}", in_flight.len());
                        assert!(!trial || in_flight.len() == 1, "{policy:?} is tried among {}", in_flight.len());
                        suspect_runs = policy == Suspect;
                        running += 1;
                    }
                    Step::Requeue(_) | Step::DeadLetter(_) => settling += 1,
                    Step::Cancel => in_flight.cancelled(),
                    Step::Subscribe(_) => {}
                    Step::End => break,
                }
            }
            for _ in 0..ends {
                if settling > 0 { settling -= 1; in_flight.settled(); }
                else if running > 0 { running -= 1; suspect_runs = false; in_flight.settled(); }
            }
        }
        assert_eq!(in_flight.next_step(true), Some(Step::End));
    }
}
