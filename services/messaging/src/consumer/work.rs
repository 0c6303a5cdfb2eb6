//! What outlives connections: the handler, what was handled, who is pardoned, and how many may run at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use prometheus::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tracing::{Instrument, debug, error, warn};

use super::copies::Copies;
use super::dedupe::Dedupe;
use super::desk::{Desk, Report};
use super::pause::Pause;
use super::recent::{Fingerprint, Fingerprints};
use super::suspicion::{Evidence, Pardons};
use super::{ConsumerOptions, Handler, Outcome, Subscription, Suspicion};
use crate::letter::{Letter, Returned};
use crate::metrics::{ConsumeMetrics, StandingMetrics};
use crate::panics::caught;
use crate::standing::Standing;
use crate::{Error, State};

/// How long a delivery stays in hand whose settling has panicked.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Everything an attempt needs, shared by all of them. A handler that still runs when its connection is lost keeps it, so that its success is
/// remembered when the event comes again.
pub(super) struct Work<H> {
    pub(super) handler: H,
    pub(super) subscription: Subscription,
    pub(super) options: ConsumerOptions,
    pub(super) metrics: ConsumeMetrics,
    pub(super) in_flight: prometheus::IntGauge,
    pub(super) copies: Copies,
    pub(super) dedupe: Arc<Dedupe>,
    pub(super) pardons: Pardons,
    pub(super) standing: Standing,
    fingerprints: Fingerprints,
    places: Arc<Semaphore>,
    pause: Mutex<Option<Pause>>,
    /// The topology is not as it should be, so a subscription alone makes nothing well.
    amiss: AtomicBool,
    /// No queue took a copy since this was last asked.
    doubt: AtomicBool,
    /// The queue was found to be classic.
    uncounted: AtomicBool,
}

impl<H: Handler> Work<H> {
    pub(super) fn new(
        subscription: Subscription,
        options: ConsumerOptions,
        handler: H,
        copies: Copies,
        registry: &Registry,
    ) -> Result<Self, Error> {
        let queue = subscription.queue_name();
        let standing = StandingMetrics::register(registry)?;
        Ok(Self {
            metrics: ConsumeMetrics::register(registry, queue, subscription.keys())?,
            in_flight: standing.in_flight.clone(),
            standing: Standing::new(format!("consumer of {queue}"), standing),
            dedupe: Arc::new(Dedupe::new(options.dedupe_capacity)),
            pardons: Pardons::new(),
            fingerprints: Fingerprints::default(),
            places: Arc::new(Semaphore::new(options.concurrency)),
            pause: Mutex::new(None),
            amiss: AtomicBool::new(false),
            doubt: AtomicBool::new(false),
            uncounted: AtomicBool::new(false),
            handler,
            subscription,
            options,
            copies,
        })
    }

    pub(super) fn queue(&self) -> &'static str {
        self.subscription.queue_name()
    }

    /// There is a subscription.
    pub(super) fn subscribed(&self) {
        let state = self.sound_state();
        self.metrics.active.set((state == State::Consuming).into());
        if !self.amiss.load(Ordering::Relaxed) {
            self.standing.well(state);
        }
    }

    /// The supervisor panicked, and its session is gone.
    pub(super) fn panicked(&self) {
        self.metrics.active.set(0);
        self.in_flight.set(0);
        self.standing.set(State::Connecting { reason: Some("a panic, which is in the log".to_owned()) });
    }

    /// What a subscription is worth if nothing of the broker's is amiss.
    pub(super) fn sound_state(&self) -> State {
        self.pause().as_ref().map_or(State::Consuming, Pause::state)
    }

    /// Why nothing is consumed though the broker lets us, if so.
    pub(super) fn pause(&self) -> MutexGuard<'_, Option<Pause>> {
        self.pause.lock().expect("nothing panics while it holds the pause")
    }

    /// The topology is refused, by a broker that lets us consume all the same.
    pub(super) fn amiss(&self, error: &Error) {
        self.amiss.store(true, Ordering::Relaxed);
        self.standing.amiss(error);
    }

    /// The topology is as it should be; whether it was not.
    pub(super) fn mended(&self) -> bool {
        self.amiss.swap(false, Ordering::Relaxed)
    }

    /// A delay or dead queue seems to be gone.
    pub(super) fn doubt(&self) {
        self.doubt.store(true, Ordering::Relaxed);
    }

    /// Whether one did since this was last asked.
    pub(super) fn take_doubt(&self) -> bool {
        self.doubt.swap(false, Ordering::Relaxed)
    }

    /// Waits until another handler may run.
    pub(super) async fn place(&self) -> OwnedSemaphorePermit {
        self.places.clone().acquire_owned().await.expect("the places are never closed")
    }

    /// A place for another handler, if there is one.
    pub(super) fn free_place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Attempts, then settles, both in one span.
    pub(super) async fn begin(self: Arc<Self>, letter: Box<Letter>, place: OwnedSemaphorePermit, desk: Arc<Desk>) {
        let tag = letter.tag();
        let begun = async {
            let span = self.process_span(&letter);
            let attempted_and_settled = async {
                let outcome = self.attempt(&letter, place, &desk).await;
                self.settle(letter, outcome, &desk).await;
            };
            attempted_and_settled.instrument(span).await;
        };
        self.guard(tag, begun, &desk).await;
    }

    /// Settles what is not attempted.
    pub(super) async fn dismiss(self: Arc<Self>, letter: Box<Letter>, outcome: Outcome, desk: Arc<Desk>) {
        self.guard(letter.tag(), self.settle(letter, outcome, &desk), &desk).await;
    }

    /// A panic where no handler runs is a fault of ours. What it left unsettled goes back, not at once, for it may panic again, and as often as the
    /// broker's delivery limit says.
    async fn guard(&self, tag: u64, settling: impl Future<Output = ()>, desk: &Desk) {
        if caught(settling).await.is_err() {
            // The panic itself is in the log, by its hook; should the log be what panics, it is told once.
            let _ = caught(async { error!(queue = self.queue(), "event could not be settled, it goes back") }).await;
            tokio::select! {
                () = desk.closed() => {}
                () = sleep(AFTER_PANIC) => desk.report(Report::Panicked(tag)),
            }
        }
    }

    /// What a delivery is, as far as can be told before it is decoded.
    pub(super) fn examine(&self, letter: &Letter) -> (Fingerprint, Suspicion) {
        let fingerprint = self.fingerprint(letter);
        let returned = letter.returned();
        let arrives = letter.attempts() == 0 && returned == Returned::Never && letter.given_back().is_none();
        if arrives && letter.redriven() > 0 {
            self.metrics.redriven();
        }
        if returned == Returned::Sometime && !self.uncounted.swap(true, Ordering::Relaxed) {
            let queue = self.queue();
            warn!(
                queue,
                "classic queue: it counts no deliveries, so a message that kills this process is never set aside"
            );
        }
        if returned == Returned::Never && letter.carried_returns() == 0 {
            return (fingerprint, Suspicion::None);
        }
        let evidence = self.evidence(letter, fingerprint);
        let suspicion = evidence.judge(self.options.max_deliveries);
        debug!(event_id = letter.message_id(), ?evidence, ?suspicion, "delivery has come back");
        (fingerprint, suspicion)
    }

    fn evidence(&self, letter: &Letter, fingerprint: Fingerprint) -> Evidence {
        Evidence {
            returned: letter.returned(),
            carried: letter.carried_returns(),
            pardoned: self.pardons.has(fingerprint),
            excused: self.pardons.excuse(letter.given_back()),
        }
    }

    /// How many returns are held against it, and whether it is to be given back as a copy only to say so.
    pub(super) fn held(&self, letter: &Letter) -> (u32, bool) {
        let evidence = self.evidence(letter, self.fingerprint(letter));
        (evidence.held(), evidence.judge(self.options.max_deliveries) == Suspicion::Unrecorded)
    }

    fn fingerprint(&self, letter: &Letter) -> Fingerprint {
        match letter.message_id() {
            Some(id) => self.fingerprints.of((letter.app_id(), id)),
            None => self.fingerprints.of(letter.body()),
        }
    }
}
