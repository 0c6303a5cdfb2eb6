//! What the consumer has in hand, and what it may do next with it; no I/O.

use std::collections::VecDeque;

use super::Suspicion;

#[cfg(test)]
mod tests;

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
    /// The same with a suspect: nothing else may be in hand for the broker either.
    BeginAlone(T),
    /// Give this back, unhandled.
    GiveBack(T),
    /// Copy this to the dead letters, unhandled.
    SetAside(T),
    /// Nothing is in hand but what is stuck, and nothing will come.
    End,
}

/// Deliveries in hand, from their arrival until they are settled.
///
/// It starts narrow, and widens when a delivery arrives that is no suspect. A suspect is begun only when nothing else is in hand and nothing else can
/// arrive; the width stays at one until a delivery arrives that is none.
///
/// After a pause it is on trial: whatever arrives is begun as a suspect is, until one of them is handled.
#[derive(Debug)]
pub(crate) struct Hand<T> {
    subscription: Option<Width>,
    wanted: Width,
    waiting: VecDeque<T>,
    suspects: VecDeque<T>,
    /// What becomes of those that are not begun, whatever else is in hand.
    dismissed: VecDeque<Step<T>>,
    /// Begun, being given back or set aside, and not yet settled.
    unsettled: usize,
    /// How many of these only wait for a copy that cannot be published for now. They endanger nobody, and nobody waits for them.
    stuck: usize,
    /// One of these takes the place of a narrow subscription.
    crowded: bool,
    /// The subscription is wide, but for those that were stuck when it began.
    reduced: bool,
    /// Nothing was handled since the pause.
    trial: bool,
    leaving: bool,
}

impl<T> Hand<T> {
    pub(crate) fn new(trial: bool) -> Self {
        Self {
            subscription: None,
            wanted: Width::Narrow,
            waiting: VecDeque::new(),
            suspects: VecDeque::new(),
            dismissed: VecDeque::new(),
            unsettled: 0,
            stuck: 0,
            crowded: false,
            reduced: false,
            trial,
            leaving: false,
        }
    }

    /// A delivery arrived.
    pub(crate) fn arrived(&mut self, delivery: T, suspicion: Suspicion) {
        match suspicion {
            Suspicion::None if !self.trial => {
                if self.subscription == Some(Width::Narrow) {
                    self.wanted = Width::Wide;
                }
                self.waiting.push_back(delivery);
            }
            Suspicion::None | Suspicion::Suspect => {
                self.wanted = Width::Narrow;
                self.suspects.push_back(delivery);
            }
            Suspicion::Unrecorded => self.dismissed.push_back(Step::GiveBack(delivery)),
            Suspicion::Culprit => self.dismissed.push_back(Step::SetAside(delivery)),
        }
    }

    /// One that was begun, given back or set aside is settled.
    pub(crate) fn settled(&mut self) {
        self.unsettled -= 1;
    }

    /// One was handled. Whether that ends the trial.
    pub(crate) fn handled(&mut self) -> bool {
        std::mem::take(&mut self.trial)
    }

    /// Whether nothing was handled since the pause.
    pub(crate) fn is_on_trial(&self) -> bool {
        self.trial
    }

    /// Whether it waits for the next delivery to try.
    pub(crate) fn lacks_trial(&self) -> bool {
        self.trial && !self.leaving && self.subscription.is_some() && self.sound() == 0
    }

    /// Whether there is a subscription.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscription.is_some()
    }

    /// One of them is stuck. A subscription of one that has brought it would bring no other: a new one will.
    pub(crate) fn stuck(&mut self) {
        self.stuck += 1;
        self.crowded |= self.subscription == Some(Width::Narrow);
    }

    /// One of them is stuck no more, and settled next. A subscription that left room for it would go on with less than it may.
    pub(crate) fn unstuck(&mut self) {
        self.stuck -= 1;
        self.crowded |= self.stuck == 0 && self.reduced;
    }

    /// How many are stuck.
    pub(crate) fn stuck_ones(&self) -> u16 {
        u16::try_from(self.stuck).unwrap_or(u16::MAX)
    }

    /// The subscription is gone, and all it brought has arrived.
    pub(crate) fn cancelled(&mut self) {
        self.subscription = None;
        self.crowded = false;
        self.reduced = false;
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
        self.unsettled + self.waiting.len() + self.suspects.len() + self.dismissed.len()
    }

    /// Those of them that are not stuck.
    fn sound(&self) -> usize {
        self.len() - self.stuck
    }

    /// Whether there is one to begin as soon as there is a place for it.
    pub(crate) fn wants_place(&self) -> bool {
        !self.leaving && (!self.waiting.is_empty() || self.suspect_is_alone())
    }

    /// Whether a suspect is all there is in hand, but for what is stuck, and all there will be: a subscription of one has brought it.
    fn suspect_is_alone(&self) -> bool {
        self.sound() == 1 && self.suspects.len() == 1 && self.subscription != Some(Width::Wide)
    }

    /// The next step, if there is one now. `place` says that another handler may run.
    pub(crate) fn next_step(&mut self, place: bool) -> Option<Step<T>> {
        if let Some(dismissal) = self.dismissed.pop_front() {
            return Some(self.unsettle(dismissal));
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
        (self.sound() == 0).then_some(Step::End)
    }

    fn step_on(&mut self, place: bool) -> Option<Step<T>> {
        if place && let Some(next) = self.waiting.pop_front() {
            return Some(self.unsettle(Step::Begin(next)));
        }
        match self.subscription {
            Some(width) if width != self.wanted || self.crowded => Some(Step::Cancel),
            _ if !self.suspects.is_empty() => self.step_to_suspect(place),
            Some(_) => None,
            // A suspect may come, and must find nobody.
            None if self.wanted == Width::Narrow && self.sound() > 0 => None,
            None => {
                self.subscription = Some(self.wanted);
                self.reduced = self.wanted == Width::Wide && self.stuck > 0;
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
        self.suspects.pop_front().map(|suspect| self.unsettle(Step::BeginAlone(suspect)))
    }

    fn unsettle(&mut self, step: Step<T>) -> Step<T> {
        self.unsettled += 1;
        step
    }
}
