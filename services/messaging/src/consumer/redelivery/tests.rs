//! Who is a suspect, who is a culprit, and who is neither.

use super::super::recent::Fingerprints;
use super::RedeliveryPolicy::{None as Plain, Poison, Suspect, Unrecorded};
use super::*;

const MAX: u32 = 5;

/// A copy that carries so many returns and came back so often.
fn copy(carried: u32, times: u32) -> Evidence {
    let returned = if times > 0 { Returned::Times(times) } else { Returned::Never };
    Evidence { returned, carried, explained: false, excused: false }
}

#[test]
fn a_count_makes_a_suspect_and_never_a_culprit() {
    let verdicts = [0, 1, 2, 3, 5, 99].map(|times| copy(0, times).judge(MAX));
    assert_eq!(verdicts, [Plain, Plain, Unrecorded, Unrecorded, Unrecorded, Unrecorded]);
    assert_eq!(copy(0, 99).held(), 2);
    assert_eq!(copy(1, 1).judge(MAX), Unrecorded);
}

#[test]
fn the_copy_of_what_came_back_to_a_queue_that_counts_nothing_is_still_a_suspect() {
    let returned = Evidence { returned: Returned::Sometime, ..copy(0, 0) };
    assert_eq!(returned.judge(MAX), Suspect);
    assert_eq!(copy(returned.held(), 0).judge(MAX), Suspect);
    assert_eq!(Evidence { explained: true, ..returned }.held(), 0);
}

#[test]
fn a_suspect_that_never_comes_out_is_a_culprit_after_as_many_returns_as_are_allowed() {
    let (mut carried, mut died) = (0, 0);
    loop {
        let first = copy(carried, 0).judge(MAX);
        assert_eq!(first, if carried < 2 { Plain } else { Suspect }, "carrying {carried}");
        let times = if carried < 2 { 2 } else { 1 };
        died += times;
        let evidence = copy(carried, times);
        if evidence.judge(MAX) == Poison {
            break;
        }
        assert_eq!(evidence.judge(MAX), Unrecorded);
        carried = evidence.held();
    }
    assert_eq!(died, MAX);
}

#[test]
fn a_suspects_copy_is_accused_once_however_often_it_came_back() {
    assert_eq!([1, 2, 50].map(|times| copy(2, times).held()), [3, 3, 3]);
    assert_eq!(copy(u32::MAX, 1).judge(MAX), Suspect, "at the end of all numbers it is still alone");
}

#[test]
fn a_process_that_lost_a_connection_too_accuses_nobody_of_what_was_made_before() {
    let explained_returns = ExplainedReturns::new();
    let [early, back, late] = [1, 2, 3].map(|second| Timestamp::from_second(second).unwrap());
    explained_returns.resume(back);
    assert!(!explained_returns.excuse(Some(early)), "a new process has outlived nothing");
    explained_returns.grant([].into_iter());
    explained_returns.resume(back);
    explained_returns.resume(late);
    assert!(explained_returns.excuse(Some(early)));
    assert!(!explained_returns.excuse(Some(late)) && !explained_returns.excuse(None));
    for times in 1..20 {
        assert_eq!(Evidence { excused: true, ..copy(4, times) }.judge(MAX), Suspect);
    }
}

#[test]
fn a_process_that_subscribes_again_accuses_nobody_of_what_was_made_while_it_lived() {
    let explained_returns = ExplainedReturns::new();
    let [early, first, made, last, late] = [1, 2, 3, 4, 5].map(|second| Timestamp::from_second(second).unwrap());
    explained_returns.resume(first);
    assert!(!explained_returns.excuse(Some(made)), "nothing has ended");
    explained_returns.resume(last);
    assert!(explained_returns.excuse(Some(first)) && explained_returns.excuse(Some(made)));
    assert!(!explained_returns.excuse(Some(early)), "it may have killed the process before");
    assert!(
        !explained_returns.excuse(Some(last))
            && !explained_returns.excuse(Some(late))
            && !explained_returns.excuse(None)
    );
}

#[test]
fn five_connections_lost_over_a_slow_message_make_no_suspect_of_it() {
    let (explained_returns, slow) = (ExplainedReturns::new(), Fingerprints::default().of("slow"));
    let judge = |times| Evidence { explained: explained_returns.has(slow), ..copy(0, times) }.judge(MAX);
    assert_eq!(judge(2), Unrecorded);
    explained_returns.grant([slow].into_iter());
    // Some losses count twice, and some before it has arrived.
    for times in [0, 1, 3, 6, 50] {
        assert_eq!(judge(times), Plain, "at {times} returns");
    }
}

#[test]
fn a_redelivery_from_a_classic_queue_is_suspect_and_never_set_aside() {
    let sometime = Evidence { returned: Returned::Sometime, ..copy(0, 0) };
    assert_eq!(sometime.judge(1), Suspect);
    assert_eq!(Evidence { explained: true, ..sometime }.judge(1), Plain);
}
