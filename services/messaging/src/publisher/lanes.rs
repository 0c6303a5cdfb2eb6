//! Lanes over a connection of their own, which is kept up.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::lane::Lane;
use super::line::Limits;
use super::outbox::Outbox;
use super::{Answer, Outgoing, PublishError};
use crate::backoff::Backoff;
use crate::link::Link;
use crate::metrics::{LinkMetrics, StandingMetrics};
use crate::panics::caught;
use crate::standing::Standing;
use crate::topology::{ASSERT_EVERY, Keeper, Topology};
use crate::{Endpoint, Error, State};

/// What lanes are made of.
pub(crate) struct Plan {
    pub(crate) endpoint: Endpoint,
    /// Begins each log line, such as `publisher to order-exchange`.
    pub(crate) what: String,
    /// What must exist before anything is published, and as long as something is.
    pub(crate) topology: Topology,
    pub(crate) lanes: usize,
    pub(crate) limits: Limits,
    pub(crate) link_metrics: LinkMetrics,
    /// None for a part of something whose own state counts.
    pub(crate) standing_metrics: Option<StandingMetrics>,
}

/// Publishes messages with confirms. The supervisor that keeps the connection up ends when this is closed or dropped.
pub(crate) struct Lanes {
    outbox: Arc<Outbox>,
    state: watch::Receiver<State>,
    closing: watch::Sender<Closing>,
    supervisor: JoinHandle<()>,
}

/// How long lanes have to gather what was confirmed before their connection ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long leave is taken of the broker, even after the deadline.
const FAREWELL: Duration = Duration::from_secs(2);

/// The wait after a panic of the supervisor's own.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// A connection, its lanes, and what is amiss that they can do without.
type Connected = (Arc<Link>, JoinSet<Error>, Option<Error>);

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closing {
    No,
    Draining,
    Now,
}

impl Lanes {
    /// Starts to connect, in a task of its own.
    pub(crate) fn start(plan: Plan) -> Self {
        let in_flight = plan.standing_metrics.as_ref().map(|metrics| metrics.in_flight.clone());
        let outbox = Arc::new(Outbox::new(plan.limits, in_flight));
        let standing = Standing::new(plan.what, plan.standing_metrics);
        let state = standing.subscribe();
        let (closing, closed) = watch::channel(Closing::No);
        let supervisor = Supervisor {
            endpoint: plan.endpoint,
            topology: Arc::new(plan.topology),
            lanes: plan.lanes,
            link_metrics: plan.link_metrics,
            outbox: Arc::clone(&outbox),
            standing,
            backoff: Backoff::default(),
            closing: closed,
        };
        Self { outbox, state, closing, supervisor: tokio::spawn(supervisor.run()) }
    }

    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Publishes a message and waits for the broker's answer, until the deadline.
    ///
    /// # Errors
    /// What is known of the message.
    ///
    /// # If dropped
    /// A message that still waits in line is never sent. One that was handed to the broker is: whether it arrived is then unknown.
    pub(crate) async fn send(&self, outgoing: Outgoing, deadline: Instant) -> Answer {
        self.outbox.send(outgoing, deadline, || self.unsent()).await
    }

    /// What to say of a message that was never handed over.
    fn unsent(&self) -> PublishError {
        match *self.state.borrow() {
            State::Blocked => PublishError::Blocked,
            State::AccessRefused { serving: false, .. } => PublishError::AccessRefused,
            State::TopologyConflict { serving: false, .. } => PublishError::TopologyConflict,
            _ => PublishError::Unavailable,
        }
    }

    /// The same, but whatever `within` says waits while an alarm lasts, and so long again after it: what was handed over as it began arrives when it is
    /// over, and sent again it would arrive twice.
    pub(crate) async fn send_through_alarms(&self, outgoing: Outgoing, within: Duration) -> Answer {
        let over = async {
            let mut state = self.state.clone();
            sleep(within).await;
            while *state.borrow() == State::Blocked {
                if state.wait_for(|state| *state != State::Blocked).await.is_err() {
                    return;
                }
                sleep(within).await;
            }
        };
        self.outbox.send_until(over, outgoing, Instant::now() + within, || self.unsent()).await
    }

    /// Takes in nothing more, finishes what is under way, and ends; at the deadline it ends at once.
    pub(crate) async fn close(&self, deadline: Instant) {
        self.closing.send_replace(Closing::Draining);
        let _ = timeout_at(deadline, self.outbox.close()).await;
        self.closing.send_replace(Closing::Now);
        let mut state = self.state.clone();
        let stopped = state.wait_for(|state| *state == State::Stopped);
        let _ = timeout(FAREWELL, stopped).await;
        self.supervisor.abort();
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

/// Connects, declares, runs the lanes, and begins again when any of it fails.
struct Supervisor {
    endpoint: Endpoint,
    topology: Arc<Topology>,
    lanes: usize,
    link_metrics: LinkMetrics,
    outbox: Arc<Outbox>,
    standing: Standing,
    backoff: Backoff,
    closing: watch::Receiver<Closing>,
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            match caught(self.round()).await {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(_) => {
                    // The panic itself is in the log, by its hook. What was on its way is back in line.
                    self.standing.set(State::Connecting { reason: Some("a panic, which is in the log".to_owned()) });
                    sleep(AFTER_PANIC).await;
                }
            }
        }
        self.standing.set(State::Stopped);
    }

    /// One connection, and the wait before the next; breaks off at the end.
    async fn round(&mut self) -> ControlFlow<()> {
        let Err(error) = self.session().await else { return ControlFlow::Break(()) };
        self.standing.trouble(&error);
        tokio::select! {
            () = sleep(self.backoff.next_delay(&error)) => ControlFlow::Continue(()),
            () = reached(&self.closing, Closing::Now) => ControlFlow::Break(()),
        }
    }

    /// One connection from beginning to end; ends well only when it is to end.
    async fn session(&mut self) -> Result<(), Error> {
        let closing = self.closing.clone();
        let now = reached(&closing, Closing::Now);
        tokio::pin!(now);
        let keeper = Arc::new(Mutex::new(Keeper::new(Arc::clone(&self.topology))));
        let (link, mut running, amiss) = tokio::select! {
            up = self.connect(&keeper) => up?,
            () = &mut now => return Ok(()),
        };
        let up = Instant::now();
        self.publishes(amiss);
        let error = tokio::select! {
            error = self.watch_over(&link, &mut running, &keeper) => error,
            () = &mut now => {
                running.shutdown().await;
                link.close().await;
                return Ok(());
            }
        };
        self.backoff.lasted(up.elapsed());
        // The lanes gather what was confirmed before; what was not goes back in line.
        link.hang_up();
        let _ = timeout(LAST_WORDS, async { while running.join_next().await.is_some() {} }).await;
        running.shutdown().await;
        Err(error)
    }

    async fn connect(&self, keeper: &Arc<Mutex<Keeper>>) -> Result<Connected, Error> {
        let link = Arc::new(Link::dial(&self.endpoint, &self.link_metrics).await?);
        let amiss = keeper.lock().await.assert(&link).await?;
        let lanes = (0..self.lanes).map(|_| async {
            let (outbox, link, keeper) = (Arc::clone(&self.outbox), Arc::clone(&link), Arc::clone(keeper));
            let lane = Lane { outbox, link, keeper, lanes: self.lanes };
            let channel = lane.open().await?;
            Ok::<_, Error>(lane.run(channel))
        });
        let running = try_join_all(lanes).await?.into_iter().collect();
        Ok((link, running, amiss))
    }

    /// Events are published; what they can do without may be amiss.
    fn publishes(&self, amiss: Option<Error>) {
        match amiss {
            Some(error) => self.standing.amiss(&error),
            None => self.standing.well(State::Connected),
        }
    }

    /// Asserts the topology again and again, except while an alarm would only make that wait. Resolves when what is vital is refused or differs;
    /// where the broker is only slow, the connection's heartbeat decides.
    async fn keep(&self, link: &Link, keeper: &Mutex<Keeper>) -> Error {
        loop {
            sleep(ASSERT_EVERY).await;
            self.standing.tell_recovery();
            if link.is_blocked() {
                continue;
            }
            match keeper.lock().await.assert_again(link).await {
                Err(error @ (Error::AccessRefused { .. } | Error::Conflict { .. })) => return error,
                // An alarm that has begun since is what counts.
                Ok(amiss) if !link.is_blocked() => match self.outbox.take_refusal() {
                    // Whether that is still so, only the next event shows.
                    Some(reason) => self.standing.trouble(&self.topology.refused(reason)),
                    None => self.publishes(amiss),
                },
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Resolves with why the session has to end.
    async fn watch_over(&self, link: &Link, running: &mut JoinSet<Error>, keeper: &Mutex<Keeper>) -> Error {
        let alarms = async {
            loop {
                link.until_blocked(true).await;
                self.standing.alarm(true, State::Connected);
                link.until_blocked(false).await;
                self.standing.alarm(false, State::Connected);
            }
        };
        let draining = async {
            reached(&self.closing, Closing::Draining).await;
            self.standing.set(State::Draining);
            std::future::pending().await
        };
        tokio::select! {
            biased;
            error = link.lost() => error,
            Some(ended) = running.join_next() => {
                ended.unwrap_or_else(|panic| Error::Lost { reason: format!("a lane failed: {panic}") })
            }
            error = self.keep(link, keeper) => error,
            () = alarms => unreachable!("alarms come and go without end"),
            () = draining => unreachable!("draining ends with the session"),
        }
    }
}

async fn reached(closing: &watch::Receiver<Closing>, stage: Closing) {
    // Without a sender nobody is left to publish for.
    let _ = closing.clone().wait_for(|closing| *closing >= stage).await;
}
