//! Runs the subscriptions of one channel, from the first delivery to the last answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, OptionFuture};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{sleep, sleep_until};

use super::acks::Acks;
use super::feed::{Feed, Next};
use super::in_flight::{InFlight, Step, Width};
use super::recent::Fingerprint;
use super::settlements::{Settlement, Settlements};
use super::work::Work;
use super::{Handler, Outcome, stopped};
use crate::Error;
use crate::delivery::{DeadReason, Delivery};
use crate::link::STEP;

/// The most settlements or deliveries that are taken in before the other kind gets its turn.
const BURST: usize = 64;

/// After a pause, a subscription that brings no event for this long counts as consuming, because the queue is empty.
const NOTHING_TO_TRY: Duration = Duration::from_secs(5);

/// How long the broker may take to close the channel of a broken session. It closes the channel later all the same.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a session ended, if nothing broke. The consumer then holds nothing, except deliveries whose copies are stuck.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// A stop was requested.
    Stopped,
    /// The handler's dependency is down.
    Outage,
}

/// Carries out what [`InFlight`] and [`Acks`] decide, with the outcomes that [`Work`] brings.
pub(super) struct Session<'a, H: Handler> {
    work: Arc<Work<H>>,
    feed: Feed<'a>,
    subscribed: Option<Instant>,
    /// Something was settled, and the broker has the answer.
    settled: bool,
    in_flight: InFlight<Arc<Delivery>>,
    /// The deliveries without an answer, and when each event was accepted.
    acks: Acks<(Fingerprint, i64)>,
    settlements: Arc<Settlements>,
    reports: mpsc::UnboundedReceiver<Settlement>,
    place: Option<OwnedSemaphorePermit>,
    outage: bool,
    /// The broker counts every return.
    counts_returns: bool,
    answering: Option<BoxFuture<'static, lapin::Result<()>>>,
}

/// What happens to a session.
enum Event {
    Stop,
    Reported(Settlement),
    Delivered(Next),
    Answered(lapin::Result<()>),
    AnswersDue,
    PlaceFree(OwnedSemaphorePermit),
    NothingToTry,
}

impl<'a, H: Handler> Session<'a, H> {
    pub(super) fn new(work: Arc<Work<H>>, feed: Feed<'a>, counts_returns: bool) -> Self {
        // An event that fails during a trial goes behind the others. Otherwise the consumer would try no other.
        let trial = work.is_paused();
        let (settlements, reports) = Settlements::open(counts_returns || trial);
        Self {
            acks: Acks::new(work.options.prefetch),
            work,
            feed,
            subscribed: None,
            settled: false,
            in_flight: InFlight::new(trial),
            settlements: Arc::new(settlements),
            reports,
            place: None,
            outage: false,
            counts_returns,
            answering: None,
        }
    }

    /// Consumes until a stop is requested, or until the handler's dependency is down.
    ///
    /// # Errors
    /// The channel or the connection is lost, or the broker cancelled the subscription.
    pub(super) async fn run(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Ended, Error> {
        if *stop.borrow() {
            self.leave();
        }
        loop {
            while let Some(step) = self.next_step() {
                if matches!(step, Step::End) {
                    self.answer_all().await?;
                    return Ok(if self.outage { Ended::Outage } else { Ended::Stopped });
                }
                self.perform(step).await?;
            }
            // Releases a place that is not needed now: a duplicate may wait for it, and must be settled first.
            self.place = None;
            self.begin_answering();
            self.work.in_flight.set(self.in_flight.len().try_into().unwrap_or(i64::MAX));
            self.show_oldest();
            match self.next_event(stop).await {
                Event::Stop => self.leave(),
                Event::Reported(report) => self.take_reports(report),
                Event::Delivered(delivery) => self.take_deliveries(delivery)?,
                Event::Answered(answered) => {
                    self.answering = None;
                    answered.map_err(Error::lost)?;
                    self.settled = true;
                }
                Event::AnswersDue => {}
                Event::PlaceFree(place) => self.place = Some(place),
                Event::NothingToTry => self.work.nothing_to_try(),
            }
        }
    }

    /// Whether it has settled anything.
    pub(super) fn has_settled(&self) -> bool {
        self.settled
    }

    /// The time since its first subscription.
    pub(super) fn lasted(&self) -> Duration {
        self.subscribed.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Closes the channel of a session that has ended well. The broker delivers a stuck delivery again, and that
    /// redelivery is not held against it.
    pub(super) async fn close(mut self) {
        self.work.in_flight.set(0);
        self.reports.close();
        if self.in_flight.len() > 0 {
            self.explain_returns();
        }
        self.feed.close(STEP).await;
    }

    /// Gives up a broken session. The broker delivers again what the session held, and these redeliveries are not
    /// held against their deliveries.
    pub(super) async fn forsake(self) {
        self.settlements.leave();
        self.work.metrics.active.set(0);
        self.work.in_flight.set(0);
        self.explain_returns();
        self.feed.close(FAREWELL).await;
    }

    /// The broker counts a return of everything this session held, although this process did not die.
    fn explain_returns(&self) {
        self.work.explained_returns.grant(self.acks.unsure().map(|(fingerprint, _)| *fingerprint));
    }

    /// Shows since when the oldest unsettled event has waited. An event that a pause or a lost connection gave back
    /// goes on waiting. So the metric stays until there is a subscription again, and after a pause until an event is
    /// handled.
    fn show_oldest(&self) {
        if !self.in_flight.is_subscribed() || self.in_flight.is_leaving() {
            return;
        }
        let shown = Some(self.work.metrics.oldest.get()).filter(|&shown| shown > 0 && self.in_flight.is_on_trial());
        let oldest = self.acks.unfinished().map(|(_, accepted)| *accepted).min();
        self.work.metrics.oldest.set([shown, oldest].into_iter().flatten().min().unwrap_or(0));
    }

    fn next_step(&mut self) -> Option<Step<Arc<Delivery>>> {
        if self.place.is_none() && self.in_flight.wants_place() {
            self.place = self.work.free_place();
        }
        self.in_flight.next_step(self.place.is_some())
    }

    async fn next_event(&mut self, stop: &mut watch::Receiver<bool>) -> Event {
        let due = self.acks.next_due(Instant::now()).filter(|_| self.answering.is_none());
        tokio::select! {
            biased;
            () = stopped(stop), if !self.in_flight.is_leaving() => Event::Stop,
            Some(report) = self.reports.recv() => Event::Reported(report),
            Some(answered) = OptionFuture::from(self.answering.as_mut()) => Event::Answered(answered),
            delivery = self.feed.next() => Event::Delivered(delivery),
            place = self.work.place(), if self.place.is_none() && self.in_flight.wants_place() => Event::PlaceFree(place),
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => Event::AnswersDue,
            () = sleep(NOTHING_TO_TRY), if self.in_flight.lacks_trial() && self.work.shows_pause() => Event::NothingToTry,
        }
    }

    async fn perform(&mut self, step: Step<Arc<Delivery>>) -> Result<(), Error> {
        let (work, settlements) = (self.work.clone(), self.settlements.clone());
        match step {
            Step::Subscribe(width) => self.subscribe(width).await?,
            Step::Cancel => self.cancel().await?,
            Step::Begin(delivery) => self.begin(delivery),
            Step::BeginAlone(delivery) => {
                // Sends every acknowledgement before a suspect is begun: if the suspect kills the process, the broker
                // counts a return of everything without an acknowledgement.
                self.answer_all().await?;
                self.begin(delivery);
            }
            Step::Requeue(delivery) => drop(tokio::spawn(work.dismiss(delivery, Outcome::Unbegun, settlements))),
            Step::DeadLetter(delivery) => {
                let error = format!("came back {} times without an answer", work.held(&delivery).0);
                let outcome = Outcome::Dead(DeadReason::MaxDeliveries, error);
                tokio::spawn(work.dismiss(delivery, outcome, settlements));
            }
            Step::End => {}
        }
        Ok(())
    }

    fn begin(&mut self, delivery: Arc<Delivery>) {
        let place = self.place.take().expect("a step begins only with a place");
        tokio::spawn(self.work.clone().begin(delivery, place, self.settlements.clone()));
    }

    async fn subscribe(&mut self, width: Width) -> Result<(), Error> {
        let prefetch = match width {
            Width::Narrow => 1,
            // The broker counts the stuck deliveries too, and this subscription's prefetch does not include them.
            Width::Wide => self.work.options.prefetch.saturating_sub(self.in_flight.stuck_ones()).max(1),
        };
        self.feed.subscribe(prefetch).await?;
        self.subscribed.get_or_insert_with(Instant::now);
        self.work.explained_returns.resume(Timestamp::now());
        self.work.subscribed();
        Ok(())
    }

    async fn cancel(&mut self) -> Result<(), Error> {
        self.work.metrics.active.set(0);
        for delivery in self.feed.cancel().await? {
            self.arrive(delivery);
        }
        self.in_flight.cancelled();
        Ok(())
    }

    fn take_deliveries(&mut self, first: Next) -> Result<(), Error> {
        self.take_delivery(first)?;
        for _ in 1..BURST {
            let Some(next) = self.feed.next_now() else { break };
            self.take_delivery(next)?;
        }
        Ok(())
    }

    fn take_delivery(&mut self, delivery: Next) -> Result<(), Error> {
        let Some(delivery) = delivery else {
            return Err(Error::Lost { reason: "the broker cancelled the subscription".to_owned() });
        };
        self.arrive(delivery?);
        Ok(())
    }

    fn arrive(&mut self, delivery: Arc<Delivery>) {
        let (fingerprint, policy) = self.work.examine(&delivery);
        // An event without a time of its own has waited since its arrival.
        let accepted = delivery.accepted(Timestamp::now().as_second());
        self.acks.delivered(delivery.tag(), (fingerprint, accepted));
        self.in_flight.arrived(delivery, policy);
    }

    fn take_reports(&mut self, first: Settlement) {
        let now = Instant::now();
        self.take_report(first, now);
        for _ in 1..BURST {
            let Ok(next) = self.reports.try_recv() else { break };
            self.take_report(next, now);
        }
    }

    fn take_report(&mut self, report: Settlement, now: Instant) {
        match report {
            // No new delivery comes then, so nothing needs the room that these acknowledgements would free.
            Settlement::Copied(tag) if self.in_flight.is_leaving() => self.acks.requeued_as_copy(tag, now),
            Settlement::Handled(tag) => {
                self.acks.finished(tag, now);
                self.end_trial();
            }
            Settlement::Done(tag) | Settlement::Copied(tag) => self.acks.finished(tag, now),
            Settlement::Back(tag) => self.acks.requeue(tag, now),
            Settlement::Panicked(tag) => self.acks.reject(tag, now),
            Settlement::Outage(reason) => return self.pause(reason),
            Settlement::Stuck => return self.in_flight.stuck(),
            Settlement::Unstuck => return self.in_flight.unstuck(),
        }
        self.in_flight.settled();
    }

    fn pause(&mut self, reason: String) {
        if !self.in_flight.is_leaving() {
            self.outage = true;
            self.work.outage(reason);
            // It shows from now on, however long the others under way take.
            self.work.subscribed();
            self.leave();
        }
    }

    /// Notes that an event was handled. If the session was on trial after a pause, the pause is over.
    fn end_trial(&mut self) {
        if self.in_flight.handled() {
            self.settlements.set_returns_by_copy(self.counts_returns);
            self.work.resume();
            if self.in_flight.is_subscribed() {
                self.work.subscribed();
            }
        }
    }

    fn leave(&mut self) {
        self.in_flight.leave();
        self.settlements.leave();
    }

    fn begin_answering(&mut self) {
        if self.answering.is_none() {
            let replies = self.acks.take_due(Instant::now(), false);
            if !replies.is_empty() {
                self.answering = Some(self.feed.answer(replies));
            }
        }
    }

    async fn answer_all(&mut self) -> Result<(), Error> {
        if let Some(answering) = self.answering.take() {
            self.feed.sent(answering).await?;
        }
        let replies = self.acks.take_due(Instant::now(), true);
        self.feed.sent(self.feed.answer(replies)).await
    }
}
