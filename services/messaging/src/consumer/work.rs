//! Holds what outlives connections: the handler, the events that were handled, the returns that are explained, and
//! the limit of running handlers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tracing::{Instrument, debug, error, warn};

use super::copies::Copies;
use super::dedupe::Dedupe;
use super::dedupe_store::AnyStore;
use super::pause::Pause;
use super::recent::{Fingerprint, Fingerprints};
use super::redelivery::{Evidence, ExplainedReturns};
use super::settlements::{Settlement, Settlements};
use super::stuck::StuckCopies;
use super::{ConsumerOptions, Handler, Outcome, RedeliveryPolicy, Subscription};
use crate::delivery::{Delivery, Returned};
use crate::health::Health;
use crate::metrics::{ConsumeMetrics, Metrics, Owner};
use crate::panics::caught;
use crate::{Error, State};

/// How long a delivery is held whose settling has panicked.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Everything that attempts share. A handler that still runs when its connection is lost keeps it. So its success is
/// remembered when the event comes again.
pub(super) struct Work<H> {
    pub(super) handler: H,
    pub(super) subscription: Subscription,
    pub(super) options: ConsumerOptions,
    pub(super) metrics: ConsumeMetrics,
    pub(super) in_flight: prometheus::IntGauge,
    pub(super) copies: Copies,
    pub(super) dedupe: Arc<Dedupe>,
    pub(super) dedupe_store: Option<Box<dyn AnyStore>>,
    pub(super) explained_returns: ExplainedReturns,
    pub(super) health: Health,
    pub(super) stuck: StuckCopies,
    fingerprints: Fingerprints,
    places: Arc<Semaphore>,
    pause: Mutex<Option<Pause>>,
    /// Something is wrong with the topology, so a subscription alone does not make the consumer ready.
    amiss: AtomicBool,
    /// The broker returned a copy since this was last asked.
    doubt: AtomicBool,
    /// The queue turned out to be a classic queue.
    uncounted: AtomicBool,
}

impl<H: Handler> Work<H> {
    pub(super) fn new(
        subscription: Subscription,
        options: ConsumerOptions,
        handler: H,
        dedupe_store: Option<Box<dyn AnyStore>>,
        copies: Copies,
        metrics: &Metrics,
    ) -> Self {
        let queue = subscription.queue_name();
        let health = metrics.health(Owner::Queue(queue));
        Self {
            metrics: metrics.consume(queue, &subscription.known_types::<H::Event>()),
            in_flight: health.in_flight.clone(),
            health: Health::new(format!("consumer of {queue}"), health),
            dedupe: Arc::new(Dedupe::new(options.dedupe_capacity)),
            explained_returns: ExplainedReturns::new(),
            stuck: StuckCopies::default(),
            fingerprints: Fingerprints::default(),
            places: Arc::new(Semaphore::new(options.concurrency)),
            pause: Mutex::new(None),
            amiss: AtomicBool::new(false),
            doubt: AtomicBool::new(false),
            uncounted: AtomicBool::new(false),
            handler,
            subscription,
            options,
            dedupe_store,
            copies,
        }
    }

    pub(super) fn queue(&self) -> &str {
        self.subscription.queue_name()
    }

    /// Notes that there is a subscription.
    pub(super) fn subscribed(&self) {
        self.metrics.active.set((!self.shows_pause()).into());
        self.show_sound();
    }

    /// Shows that the work goes on, unless something is wrong with the topology.
    pub(super) fn show_sound(&self) {
        let state = self.sound_state();
        match self.stuck.state() {
            _ if self.amiss.load(Ordering::Relaxed) => {}
            Some(_) => self.health.set(state),
            None => self.health.well(state),
        }
    }

    /// Notes that copies do not pass, and lets the consumer consume all the same. What is wrong with the topology, or a
    /// pause, says more.
    pub(super) fn copies_fail(&self, error: &Error) {
        if !self.amiss.load(Ordering::Relaxed) && self.pause().is_none() {
            self.health.amiss(error);
        }
    }

    /// Notes that the supervisor panicked, and that its session has ended.
    pub(super) fn panicked(&self) {
        self.metrics.active.set(0);
        self.in_flight.set(0);
        self.health.set(State::Connecting { reason: Some("a panic, which is in the log".to_owned()) });
    }

    /// The state that a subscription gives, if nothing is wrong with the topology.
    pub(super) fn sound_state(&self) -> State {
        let paused = self.pause().as_ref().map(Pause::state);
        paused.or_else(|| self.stuck.state()).unwrap_or(State::Consuming)
    }

    /// Why nothing is consumed although the broker allows it, if so.
    pub(super) fn pause(&self) -> MutexGuard<'_, Option<Pause>> {
        self.pause.lock().expect("nothing panics while it holds the pause")
    }

    /// Notes that the broker refuses the topology, and lets the consumer consume all the same.
    pub(super) fn amiss(&self, error: &Error) {
        self.amiss.store(true, Ordering::Relaxed);
        self.health.amiss(error);
    }

    /// Notes that the topology is as it should be. Says whether it was not before.
    pub(super) fn mended(&self) -> bool {
        self.amiss.swap(false, Ordering::Relaxed)
    }

    /// Notes that a delay queue or the dead queue seems to be gone.
    pub(super) fn doubt(&self) {
        self.doubt.store(true, Ordering::Relaxed);
    }

    /// Whether one seemed to be gone since this was last asked.
    pub(super) fn take_doubt(&self) -> bool {
        self.doubt.swap(false, Ordering::Relaxed)
    }

    /// Waits until another handler may run.
    pub(super) async fn place(&self) -> OwnedSemaphorePermit {
        self.places.clone().acquire_owned().await.expect("the places are never closed")
    }

    /// A permit for another handler, if one is free.
    pub(super) fn free_place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Makes an attempt and settles the delivery, both in one span.
    pub(super) async fn begin(
        self: Arc<Self>,
        delivery: Arc<Delivery>,
        place: OwnedSemaphorePermit,
        settlements: Arc<Settlements>,
    ) {
        let tag = delivery.tag();
        let begun = async {
            let span = self.process_span(&delivery);
            let attempted_and_settled = async {
                let outcome = self.attempt(&delivery, place, &settlements).await;
                self.settle(delivery, outcome, &settlements).await;
            };
            attempted_and_settled.instrument(span).await;
        };
        self.guard(tag, begun, &settlements).await;
    }

    /// Settles a delivery without an attempt.
    pub(super) async fn dismiss(
        self: Arc<Self>,
        delivery: Arc<Delivery>,
        outcome: Outcome,
        settlements: Arc<Settlements>,
    ) {
        self.guard(delivery.tag(), self.settle(delivery, outcome, &settlements), &settlements).await;
    }

    /// Requeues the delivery after a panic outside any handler, which is a bug in this crate. It waits first, because
    /// the settling may panic again; the broker's delivery limit bounds how often.
    async fn guard(&self, tag: u64, settling: impl Future<Output = ()>, settlements: &Settlements) {
        if caught(settling).await.is_err() {
            // The panic hook has logged the panic. If logging itself panics, this is tried once.
            let _ =
                caught(async { error!(queue = self.queue(), "the event could not be settled and is requeued") }).await;
            tokio::select! {
                () = settlements.closed() => {}
                () = sleep(AFTER_PANIC) => settlements.report(Settlement::Panicked(tag)),
            }
        }
    }

    /// How to treat a delivery, as far as its headers say.
    pub(super) fn examine(&self, delivery: &Delivery) -> (Fingerprint, RedeliveryPolicy) {
        let fingerprint = self.fingerprint(delivery);
        let returned = delivery.returned();
        let arrives = delivery.attempts() == 0 && returned == Returned::Never && delivery.requeued().is_none();
        if arrives && delivery.redriven() > 0 {
            self.metrics.redriven();
        }
        if returned == Returned::Sometime && !self.uncounted.swap(true, Ordering::Relaxed) {
            let queue = self.queue();
            warn!(
                queue,
                "classic queue: it counts no deliveries, so a message that kills this process is never dead-lettered"
            );
        }
        if returned == Returned::Never && delivery.carried_returns() == 0 {
            return (fingerprint, RedeliveryPolicy::None);
        }
        let evidence = self.evidence(delivery, fingerprint);
        let policy = evidence.judge(self.options.max_deliveries);
        debug!(event_id = delivery.message_id(), ?evidence, ?policy, "delivery has come back");
        (fingerprint, policy)
    }

    fn evidence(&self, delivery: &Delivery, fingerprint: Fingerprint) -> Evidence {
        Evidence {
            returned: delivery.returned(),
            carried: delivery.carried_returns(),
            explained: self.explained_returns.has(fingerprint),
            excused: self.explained_returns.excuse(delivery.requeued()),
        }
    }

    /// The returns that are held against it, and whether it is requeued as a copy only to say so.
    pub(super) fn held(&self, delivery: &Delivery) -> (u32, bool) {
        let evidence = self.evidence(delivery, self.fingerprint(delivery));
        (evidence.held(), evidence.judge(self.options.max_deliveries) == RedeliveryPolicy::Unrecorded)
    }

    fn fingerprint(&self, delivery: &Delivery) -> Fingerprint {
        match delivery.message_id() {
            Some(id) => self.fingerprints.of((delivery.app_id(), id)),
            None => self.fingerprints.of(delivery.body()),
        }
    }
}
