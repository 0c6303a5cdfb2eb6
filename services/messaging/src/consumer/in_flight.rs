//! Decides what the consumer does next with the deliveries that it holds. No I/O.

use std::collections::VecDeque;

use super::RedeliveryPolicy;

#[cfg(test)]
mod tests;

/// The prefetch of the subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// A prefetch of one: the consumer holds no other delivery.
    Narrow,
    /// `PREFETCH`.
    Wide,
}

/// The next step. The caller carries out each step before it asks for the next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// Subscribe. This step comes only while there is no subscription.
    Subscribe(Width),
    /// Cancel the subscription, and report every delivery that it still brings.
    Cancel,
    /// Call the handler with this delivery.
    Begin(T),
    /// Call the handler with this suspect. The broker must not count any other delivery as held by this consumer.
    BeginAlone(T),
    /// Requeue this delivery, unhandled.
    Requeue(T),
    /// Copy this delivery to the dead queue, unhandled.
    DeadLetter(T),
    /// The consumer holds nothing, except deliveries whose copies are stuck, and nothing more will arrive.
    End,
}

/// The deliveries that the consumer holds, from their arrival until they are settled.
///
/// The subscription begins with a prefetch of one. It widens to `PREFETCH` when a delivery arrives that is no
/// suspect. The consumer begins a suspect only when it holds nothing else and nothing else can arrive. Then the
/// prefetch stays at one until a delivery arrives that is no suspect.
///
/// After a pause, the consumer tries deliveries one by one, each as if it were a suspect, until one is handled.
#[derive(Debug)]
pub(crate) struct InFlight<T> {
    subscription: Option<Width>,
    wanted: Width,
    waiting: VecDeque<T>,
    suspects: VecDeque<T>,
    /// What the consumer does with the deliveries that it has not begun.
    dismissed: VecDeque<Step<T>>,
    /// Deliveries that are being handled, requeued or dead-lettered, and are not settled yet.
    unsettled: usize,
    /// The number of those that only wait for a copy that cannot be published now. Nothing waits for them.
    stuck: usize,
    /// A stuck delivery fills a subscription with a prefetch of one.
    crowded: bool,
    /// The subscription has the full prefetch, less the deliveries that were stuck when it began.
    reduced: bool,
    /// No event was handled since the pause.
    trial: bool,
    leaving: bool,
}

impl<T> InFlight<T> {
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

    /// Notes that a delivery arrived.
    pub(crate) fn arrived(&mut self, delivery: T, policy: RedeliveryPolicy) {
        match policy {
            RedeliveryPolicy::None if !self.trial => {
                if self.subscription == Some(Width::Narrow) {
                    self.wanted = Width::Wide;
                }
                self.waiting.push_back(delivery);
            }
            RedeliveryPolicy::None | RedeliveryPolicy::Suspect => {
                self.wanted = Width::Narrow;
                self.suspects.push_back(delivery);
            }
            RedeliveryPolicy::Unrecorded => self.dismissed.push_back(Step::Requeue(delivery)),
            RedeliveryPolicy::Poison => self.dismissed.push_back(Step::DeadLetter(delivery)),
        }
    }

    /// Notes that a delivery, which was begun, requeued or dead-lettered, is settled.
    pub(crate) fn settled(&mut self) {
        self.unsettled -= 1;
    }

    /// Notes that an event was handled. Says whether that ends the trial after a pause.
    pub(crate) fn handled(&mut self) -> bool {
        std::mem::take(&mut self.trial)
    }

    /// Whether nothing was handled since the pause.
    pub(crate) fn is_on_trial(&self) -> bool {
        self.trial
    }

    /// Whether it waits for the next delivery to try after a pause.
    pub(crate) fn lacks_trial(&self) -> bool {
        self.trial && !self.leaving && self.subscription.is_some() && self.sound() == 0
    }

    /// Whether there is a subscription.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscription.is_some()
    }

    /// Notes that the copy of a delivery is stuck. If a subscription with a prefetch of one brought the delivery,
    /// only a new subscription brings another.
    pub(crate) fn stuck(&mut self) {
        self.stuck += 1;
        self.crowded |= self.subscription == Some(Width::Narrow);
    }

    /// Notes that a copy is no longer stuck; its delivery is settled next. A subscription that left room for it would
    /// go on with less than `PREFETCH`.
    pub(crate) fn unstuck(&mut self) {
        self.stuck -= 1;
        self.crowded |= self.stuck == 0 && self.reduced;
    }

    /// The number of deliveries whose copies are stuck.
    pub(crate) fn stuck_ones(&self) -> u16 {
        u16::try_from(self.stuck).unwrap_or(u16::MAX)
    }

    /// Notes that the subscription has ended, and that all its deliveries have arrived.
    pub(crate) fn cancelled(&mut self) {
        self.subscription = None;
        self.crowded = false;
        self.reduced = false;
    }

    /// From now on nothing is begun: cancel the subscription, let the running handlers end, requeue the rest.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// The number of deliveries that are being handled, copied, or waiting.
    pub(crate) fn len(&self) -> usize {
        self.unsettled + self.waiting.len() + self.suspects.len() + self.dismissed.len()
    }

    /// The number of those whose copies are not stuck.
    fn sound(&self) -> usize {
        self.len() - self.stuck
    }

    /// Whether a delivery waits only for another handler to end.
    pub(crate) fn wants_place(&self) -> bool {
        !self.leaving && (!self.waiting.is_empty() || self.suspect_is_alone())
    }

    /// Whether the consumer holds only one suspect, apart from stuck deliveries, and can get no other: the
    /// subscription with a prefetch of one has brought it.
    fn suspect_is_alone(&self) -> bool {
        self.sound() == 1 && self.suspects.len() == 1 && self.subscription != Some(Width::Wide)
    }

    /// The next step, if there is one now. `place` says whether another handler may run.
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
            return Some(self.unsettle(Step::Requeue(back)));
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
            // The next delivery may be a suspect, which must be alone.
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
            return self.suspects.pop_back().map(|back| self.unsettle(Step::Requeue(back)));
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
