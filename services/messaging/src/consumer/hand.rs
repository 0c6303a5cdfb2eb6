//! What the consumer has in hand, and what it may do next with it; no I/O.

use std::collections::VecDeque;

use super::Suspicion;

/// How many deliveries the subscription asks for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// One: what it brings is alone in hand.
    Narrow,
    /// `PREFETCH`.
    Wide,
}

/// The next thing to do. Each is carried out before the next is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// Subscribe. Only ever given while there is no subscription.
    Subscribe(Width),
    /// Cancel the subscription and report all that it still brings.
    Cancel,
    /// Hand this to the handler.
    Begin(T),
    /// Give this back, unhandled.
    GiveBack(T),
    /// Copy this to the dead letters, unhandled.
    SetAside(T),
    /// Nothing is in hand and nothing will come.
    End,
}

/// Deliveries in hand, from their arrival until they are settled.
///
/// It starts narrow, and widens when a delivery arrives that is no suspect. A suspect is begun only when nothing else is in hand and nothing else can
/// arrive; the width stays at one until a delivery arrives that is none.
#[derive(Debug)]
pub(crate) struct Hand<T> {
    subscription: Option<Width>,
    wanted: Width,
    waiting: VecDeque<T>,
    suspects: VecDeque<T>,
    culprits: VecDeque<T>,
    /// Begun, being given back or set aside, and not yet settled.
    unsettled: usize,
    leaving: bool,
}

impl<T> Hand<T> {
    pub(crate) fn new() -> Self {
        Self {
            subscription: None,
            wanted: Width::Narrow,
            waiting: VecDeque::new(),
            suspects: VecDeque::new(),
            culprits: VecDeque::new(),
            unsettled: 0,
            leaving: false,
        }
    }

    /// A delivery arrived.
    pub(crate) fn arrived(&mut self, delivery: T, suspicion: Suspicion) {
        match suspicion {
            Suspicion::None => {
                if self.subscription == Some(Width::Narrow) {
                    self.wanted = Width::Wide;
                }
                self.waiting.push_back(delivery);
            }
            Suspicion::Suspect => {
                self.wanted = Width::Narrow;
                self.suspects.push_back(delivery);
            }
            Suspicion::Culprit => self.culprits.push_back(delivery),
        }
    }

    /// One that was begun, given back or set aside is settled.
    pub(crate) fn settled(&mut self) {
        self.unsettled -= 1;
    }

    /// The subscription is gone, and all it brought has arrived.
    pub(crate) fn cancelled(&mut self) {
        self.subscription = None;
    }

    /// From here on nothing is begun: cancel, let what runs end, give back the rest.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Deliveries being handled, copied or waiting.
    pub(crate) fn len(&self) -> usize {
        self.unsettled + self.waiting.len() + self.suspects.len() + self.culprits.len()
    }

    /// Whether there is one to begin as soon as there is a place for it.
    pub(crate) fn wants_place(&self) -> bool {
        !self.leaving && (!self.waiting.is_empty() || self.suspect_is_alone())
    }

    /// Whether a suspect is all there is in hand, and all there will be: a subscription of one has brought it.
    fn suspect_is_alone(&self) -> bool {
        self.len() == 1 && self.suspects.len() == 1 && self.subscription != Some(Width::Wide)
    }

    /// The next step, if there is one now. `place` says that another handler may run.
    pub(crate) fn next_step(&mut self, place: bool) -> Option<Step<T>> {
        if let Some(culprit) = self.culprits.pop_front() {
            return Some(self.unsettle(Step::SetAside(culprit)));
        }
        if self.leaving { self.step_out() } else { self.step_on(place) }
    }

    fn step_out(&mut self) -> Option<Step<T>> {
        if self.subscription.is_some() {
            return Some(Step::Cancel);
        }
        if let Some(back) = self.waiting.pop_front().or_else(|| self.suspects.pop_front()) {
            return Some(self.unsettle(Step::GiveBack(back)));
        }
        (self.unsettled == 0).then_some(Step::End)
    }

    fn step_on(&mut self, place: bool) -> Option<Step<T>> {
        if place && let Some(next) = self.waiting.pop_front() {
            return Some(self.unsettle(Step::Begin(next)));
        }
        match self.subscription {
            Some(width) if width != self.wanted => Some(Step::Cancel),
            _ if !self.suspects.is_empty() => self.step_to_suspect(place),
            Some(_) => None,
            // A suspect may come, and must find nobody.
            None if self.wanted == Width::Narrow && self.len() > 0 => None,
            None => {
                self.subscription = Some(self.wanted);
                Some(Step::Subscribe(self.wanted))
            }
        }
    }

    fn step_to_suspect(&mut self, place: bool) -> Option<Step<T>> {
        if self.suspects.len() > 1 {
            return self.suspects.pop_back().map(|back| self.unsettle(Step::GiveBack(back)));
        }
        if !place || !self.suspect_is_alone() {
            return None;
        }
        self.suspects.pop_front().map(|suspect| self.unsettle(Step::Begin(suspect)))
    }

    fn unsettle(&mut self, step: Step<T>) -> Step<T> {
        self.unsettled += 1;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::Suspicion::{Culprit, None as Plain, Suspect};
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
        let mut hand = Hand::new();
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
        assert_eq!(steps(&mut hand), [Step::Begin(1)]);
        hand.settled();
        hand.arrived(2, Suspect);
        assert_eq!(steps(&mut hand), [Step::Begin(2)]);
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
        assert_eq!(steps(&mut hand), [Step::Begin(2)]);
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
        assert_eq!(steps(&mut hand), [Step::Begin(2)]);
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
    fn without_a_free_place_nothing_is_begun_and_the_width_still_changes() {
        let mut hand = subscribed(Width::Narrow);
        hand.arrived(1, Plain);
        assert_eq!(hand.next_step(false), Some(Step::Cancel));
    }

    proptest::proptest! {
        /// Whatever arrives and whenever it is settled: a suspect is never handled beside anything else, and all is settled in the end.
        #[test]
        fn a_suspect_never_has_company(arrivals in proptest::collection::vec((0u8..3, 0usize..4), 1..100)) {
            let mut hand: Hand<Suspicion> = Hand::new();
            let (mut running, mut suspect_runs, mut settling) = (0usize, false, 0usize);
            for (kind, ends) in arrivals.into_iter().map(Some).chain([None; 200]).map(|next| next.unwrap_or((9, 4))) {
                let room = match hand.subscription { Some(Width::Narrow) => 1, Some(Width::Wide) => 8, None => 0 };
                if kind < 3 && hand.len() < room {
                    hand.arrived([Plain, Suspect, Culprit][usize::from(kind)], [Plain, Suspect, Culprit][usize::from(kind)]);
                } else if kind == 9 {
                    hand.leave();
                }
                while let Some(step) = hand.next_step(true) {
                    match step {
                        Step::Begin(suspicion) => {
                            assert!(!suspect_runs, "a suspect has company");
                            assert!(suspicion == Plain || hand.len() == 1, "a suspect among {}", hand.len());
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
}
