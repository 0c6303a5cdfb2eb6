//! Publishes over several channels of the connection that publishes, and opens them again when they fail.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::warn;

use super::backlog::Limits;
use super::lane::{self, LAST_WORDS, Lane, Running};
use super::publish_queue::PublishQueue;
use super::{Answer, Outgoing, PublishError};
use crate::backoff::Backoff;
use crate::health::Health;
use crate::link::{Hold, Link, OpenChannel, SharedLink};
use crate::metrics::{HealthMetrics, LinkMetrics};
use crate::panics::caught;
use crate::topology::{ASSERT_EVERY, Keeper, Topology};
use crate::user_name::UserName;
use crate::{Error, State};

/// What the lanes need.
pub(crate) struct Plan {
    /// The connection that they share with others.
    pub(crate) link: Arc<SharedLink>,
    /// The beginning of each log line, such as `publisher to order-exchange`.
    pub(crate) what: String,
    /// The objects that must exist before anything is published, and as long as anything is.
    pub(crate) topology: Topology,
    pub(crate) lanes: usize,
    /// The setting that says how many lanes are wanted, if there is one.
    pub(crate) lanes_setting: Option<&'static str>,
    /// The name that messages carry as their `user_id`, if they carry one.
    pub(crate) user: Option<Arc<UserName>>,
    pub(crate) limits: Limits,
    pub(crate) link_metrics: LinkMetrics,
    /// None if these lanes are a part of something whose own state counts.
    pub(crate) health_metrics: Option<HealthMetrics>,
}

/// Publishes messages with confirms. A supervisor keeps the channels open; it ends when this is closed or dropped.
pub(crate) struct Lanes {
    publish_queue: Arc<PublishQueue>,
    state: watch::Receiver<State>,
    closing: watch::Sender<Closing>,
    supervisor: JoinHandle<()>,
}

/// How long giving up the connection may take, even after the deadline.
const FAREWELL: Duration = Duration::from_secs(2);

/// The wait after a panic in the supervisor itself.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// The words of the broker, and of lapin, for too many channels.
const CHANNEL_LIMIT: &str = "number of channels";

/// How far closing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closing {
    No,
    Draining,
    Now,
}

impl Lanes {
    /// Starts to connect, in a task of its own.
    pub(crate) fn start(plan: Plan) -> Self {
        let in_flight = plan.health_metrics.as_ref().map(|metrics| metrics.in_flight.clone());
        let publish_queue = Arc::new(PublishQueue::new(plan.limits, in_flight));
        let health = Health::new(plan.what, plan.health_metrics);
        let state = health.subscribe();
        let (closing, closed) = watch::channel(Closing::No);
        let supervisor = Supervisor {
            hold: Hold::new(plan.link, plan.link_metrics),
            topology: Arc::new(plan.topology),
            lanes: plan.lanes,
            lanes_setting: plan.lanes_setting,
            user: plan.user,
            publish_queue: Arc::clone(&publish_queue),
            health,
            backoff: Backoff::default(),
            allowed: None,
            told_fewer: None,
            closing: closed,
        };
        Self { publish_queue, state, closing, supervisor: tokio::spawn(supervisor.run()) }
    }

    /// Lanes without a broker, for tests: `answer` says what becomes of each message, one after the other, and what
    /// their state is.
    pub(crate) fn answered(
        state: watch::Sender<State>,
        answer: impl FnMut(&Outgoing) -> Answer + Send + 'static,
    ) -> Self {
        let limits = Limits { messages: usize::MAX, bytes: usize::MAX };
        let publish_queue = Arc::new(PublishQueue::new(limits, None));
        let (closing, closed) = watch::channel(Closing::No);
        let receiver = state.subscribe();
        let supervisor = tokio::spawn(answer_all(Arc::clone(&publish_queue), answer, closed, state));
        Self { publish_queue, state: receiver, closing, supervisor }
    }

    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Why the broker closed a channel last.
    pub(crate) fn last_closing(&self) -> Option<String> {
        self.publish_queue.last_closing()
    }

    /// Publishes a message and waits for the broker's answer, until the deadline.
    ///
    /// # Errors
    /// What became of the message.
    ///
    /// # If dropped
    /// A message that still waits is never sent. A message that was handed to the broker is sent, and nobody knows
    /// whether it arrived.
    pub(crate) async fn send(&self, outgoing: Outgoing, deadline: Instant) -> Answer {
        self.publish_queue.send(outgoing, deadline, || self.unsent()).await
    }

    /// The error for a message that was never handed over.
    fn unsent(&self) -> PublishError {
        match *self.state.borrow() {
            State::Blocked => PublishError::Blocked,
            State::AccessRefused { serving: false, .. } => PublishError::AccessRefused,
            State::TopologyConflict { serving: false, .. } => PublishError::TopologyConflict,
            _ => PublishError::Unavailable,
        }
    }

    /// The same, but it waits while an alarm lasts, whatever `within` says, and for `within` after it. A message that
    /// was handed over when the alarm began arrives when it ends; sent again, it would arrive twice.
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
        self.publish_queue.send_until(over, outgoing, Instant::now() + within, || self.unsent()).await
    }

    /// Takes nothing new, finishes the messages under way, and ends. At the deadline it ends at once.
    pub(crate) async fn close(&self, deadline: Instant) {
        self.closing.send_replace(Closing::Draining);
        let _ = timeout_at(deadline, self.publish_queue.close()).await;
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

/// Connects, declares and runs the lanes, and begins again when any of this fails.
struct Supervisor {
    hold: Hold,
    topology: Arc<Topology>,
    lanes: usize,
    lanes_setting: Option<&'static str>,
    user: Option<Arc<UserName>>,
    publish_queue: Arc<PublishQueue>,
    health: Health,
    backoff: Backoff,
    /// The number of channels that the broker allowed on a connection that it closed over one more.
    allowed: Option<usize>,
    /// The number of open channels that was logged as too small.
    told_fewer: Option<usize>,
    closing: watch::Receiver<Closing>,
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            match caught(self.round()).await {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(_) => {
                    // The panic hook has logged the panic. The unconfirmed messages wait again.
                    self.health.set(State::Connecting { reason: Some("a panic, which is in the log".to_owned()) });
                    sleep(AFTER_PANIC).await;
                }
            }
        }
        self.hold.close().await;
        self.health.set(State::Stopped);
    }

    /// Runs one session, and waits before the next. It breaks off when this is closed.
    async fn round(&mut self) -> ControlFlow<()> {
        let Err(error) = self.session().await else { return ControlFlow::Break(()) };
        self.health.trouble(&error);
        if !self.hold.failed(&error) {
            return ControlFlow::Continue(());
        }
        tokio::select! {
            () = sleep(self.backoff.next_delay(&error)) => ControlFlow::Continue(()),
            () = reached(&self.closing, Closing::Now) => ControlFlow::Break(()),
        }
    }

    /// Runs one session from beginning to end. It ends well only when this is closed.
    async fn session(&mut self) -> Result<(), Error> {
        let closing = self.closing.clone();
        let now = reached(&closing, Closing::Now);
        tokio::pin!(now);
        let link = tokio::select! {
            (share, _) = self.hold.get(|error| self.health.trouble(error)) => Arc::clone(share.link()),
            () = &mut now => return Ok(()),
        };
        let keeper = Arc::new(Mutex::new(Keeper::new(Arc::clone(&self.topology))));
        let (mut running, amiss) = tokio::select! {
            begun = self.begin(&link, &keeper) => begun?,
            () = &mut now => return Ok(()),
        };
        let begun = Instant::now();
        self.publishes(amiss);
        let error = tokio::select! {
            error = self.watch_over(&link, &mut running.lanes, &keeper) => error,
            () = &mut now => {
                running.lanes.shutdown().await;
                return Ok(());
            }
        };
        if self.backoff.lasted(begun.elapsed()) {
            self.hold.works();
        }
        if error.to_string().contains(CHANNEL_LIMIT) {
            self.allowed = Some(running.opened.saturating_sub(1).max(1));
        }
        running.end().await;
        Err(error)
    }

    /// Declares the topology and opens the channels. It also returns the faults that the lanes can do without.
    async fn begin(
        &mut self,
        link: &Arc<Link>,
        keeper: &Arc<Mutex<Keeper>>,
    ) -> Result<(Running, Option<Error>), Error> {
        if link.is_blocked() {
            // An alarm began before, and another publisher has met it. No channel opens until it is over.
            self.health.alarm(true, State::Blocked);
            link.unblocked().await?;
            self.health.alarm(false, State::Connecting { reason: None });
        }
        let amiss = keeper.lock().await.assert(link).await?;
        let channels = self.open_channels(link).await?;
        let running = Running::start(channels, |over, lanes| Lane {
            publish_queue: Arc::clone(&self.publish_queue),
            link: Arc::clone(link),
            keeper: Arc::clone(keeper),
            user: self.user.clone(),
            lanes,
            over,
        });
        Ok((running, amiss))
    }

    /// Opens the channels one after the other. If a limit of the connection allows fewer, it goes on with those. A limit
    /// of the user or the node closes the connection. The next has one channel less, for questions about the topology.
    async fn open_channels(&mut self, link: &Link) -> Result<Vec<OpenChannel>, Error> {
        let wanted = self.allowed.take().unwrap_or(self.lanes);
        let mut channels = Vec::with_capacity(wanted);
        while channels.len() < wanted {
            let error = match lane::open(link).await {
                Ok(channel) => {
                    channels.push(channel);
                    continue;
                }
                Err(error) => error,
            };
            // The error of the channel comes before the end of its connection.
            let lost = timeout(LAST_WORDS, link.lost()).await.ok();
            let reason = lost.as_ref().unwrap_or(&error).to_string();
            let is_limit = reason.contains(CHANNEL_LIMIT);
            if is_limit {
                self.tell_fewer(channels.len(), &reason);
            }
            if lost.is_none() && is_limit && !channels.is_empty() {
                break;
            }
            self.allowed = Some(channels.len().saturating_sub(1).max(1)).filter(|_| is_limit);
            return Err(lost.unwrap_or(error));
        }
        Ok(channels)
    }

    /// Logs once that fewer channels are open than were wanted.
    fn tell_fewer(&mut self, open: usize, reason: &str) {
        if self.told_fewer.replace(open) != Some(open) {
            let (wanted, setting) = (self.lanes, self.lanes_setting);
            warn!(open, wanted, setting, reason, "the broker allows fewer channels than this publisher wants");
        }
    }

    /// Publishes events, although something that they can do without may be wrong.
    fn publishes(&self, amiss: Option<Error>) {
        match amiss {
            Some(error) => self.health.amiss(&error),
            None => self.health.well(State::Connected),
        }
    }

    /// Asserts the topology again and again, except while an alarm would only make the assertion wait. It resolves
    /// when a vital object is refused or differs. If the broker is only slow, the heartbeat of the connection
    /// decides.
    async fn keep(&self, link: &Link, keeper: &Mutex<Keeper>) -> Error {
        loop {
            sleep(ASSERT_EVERY).await;
            self.health.tell_recovery();
            if link.is_blocked() {
                continue;
            }
            match keeper.lock().await.assert_again(link).await {
                Err(error @ (Error::AccessRefused { .. } | Error::Conflict { .. })) => return error,
                // An alarm may have begun since.
                Ok(amiss) if !link.is_blocked() => match self.publish_queue.take_refusal() {
                    // Only the next event shows whether that is still so.
                    Some(reason) => self.health.trouble(&self.topology.refused(reason)),
                    None => self.publishes(amiss),
                },
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Resolves with the reason why the session has to end.
    async fn watch_over(&self, link: &Link, running: &mut JoinSet<Error>, keeper: &Mutex<Keeper>) -> Error {
        let alarms = async {
            loop {
                link.until_blocked(true).await;
                self.health.alarm(true, State::Connected);
                link.until_blocked(false).await;
                self.health.alarm(false, State::Connected);
            }
        };
        let draining = async {
            reached(&self.closing, Closing::Draining).await;
            self.health.set(State::Draining);
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

/// Answers what is published until the lanes are closed.
async fn answer_all(
    publish_queue: Arc<PublishQueue>,
    mut answer: impl FnMut(&Outgoing) -> Answer,
    closing: watch::Receiver<Closing>,
    state: watch::Sender<State>,
) {
    let nothing = Limits { messages: 0, bytes: 0 };
    let answering = async {
        loop {
            let (batch, _) = publish_queue.turn().await.take(1, nothing);
            for pending in batch {
                let answer = answer(&pending.outgoing);
                pending.answer(answer);
            }
        }
    };
    tokio::select! {
        () = answering => {}
        () = reached(&closing, Closing::Now) => {}
    }
    state.send_replace(State::Stopped);
}

async fn reached(closing: &watch::Receiver<Closing>, progress: Closing) {
    // Without a sender, nobody is left to publish for.
    let _ = closing.clone().wait_for(|closing| *closing >= progress).await;
}
