//! Connects, declares and subscribes, and begins again whatever ended it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, info};

use super::copies::Copies;
use super::dedupe_store::AnyStore;
use super::feed::Feed;
use super::session::{Ended, Session};
use super::work::Work;
use super::{ConsumerOptions, Handler, Subscription, queues, stopped};
use crate::backoff::Backoff;
use crate::link::{Hold, Link, SharedLink, Version};
use crate::metrics::{LinkMetrics, Owner, Role};
use crate::panics::caught;
use crate::topology::{ASSERT_EVERY, Keeper, Topology};
use crate::{Client, Error, State};

/// From this version on, `basic.nack` does not raise the delivery count.
const UNCOUNTED_NACK: Version = Version { major: 4, minor: 3 };

/// The wait after a panic in the supervisor itself.
const AFTER_PANIC: Duration = Duration::from_secs(1);

pub(super) struct Supervisor<H: Handler> {
    link: Arc<SharedLink>,
    topology: Arc<Topology>,
    work: Arc<Work<H>>,
    link_metrics: LinkMetrics,
}

impl<H: Handler> Supervisor<H> {
    pub(super) fn new(
        client: &Client,
        subscription: Subscription,
        options: ConsumerOptions,
        handler: H,
        dedupe_store: Option<Box<dyn AnyStore>>,
    ) -> Result<Self, Error> {
        let topology = Arc::new(queues::topology(&subscription, &options)?);
        let queue = subscription.queue_name().to_owned();
        let make = || {
            let copies = Copies::new(client, &queue);
            Arc::new(Work::new(subscription, options, handler, dedupe_store, copies, client.metrics()))
        };
        let work = client.admit(&queue, make, |work| work.health.subscribe())?;
        let link_metrics = client.metrics().link(Role::Consume, Owner::Queue(&queue));
        Ok(Self { link: client.link(Role::Consume), topology, work, link_metrics })
    }

    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.work.health.subscribe()
    }

    pub(super) fn queue(&self) -> &str {
        self.work.queue()
    }

    /// The number of unfinished deliveries.
    pub(super) fn in_hand(&self) -> usize {
        usize::try_from(self.work.in_flight.get()).unwrap_or_default()
    }

    pub(super) fn drain(&self) {
        self.work.health.set(State::Draining);
    }

    pub(super) fn stopped(&self) {
        self.work.metrics.active.set(0);
        self.work.in_flight.set(0);
        self.work.health.set(State::Stopped);
    }

    /// Consumes until a stop is requested and nothing is unacknowledged.
    pub(super) async fn supervise(&self, mut stop: watch::Receiver<bool>) {
        self.work.copies.lanes();
        let mut hold = Hold::new(Arc::clone(&self.link), self.link_metrics.clone());
        let mut backoff = Backoff::default();
        loop {
            match caught(self.round(&mut hold, &mut backoff, &mut stop)).await {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(_) => {
                    // The panic hook has logged the panic. Nothing of the session is left.
                    self.work.panicked();
                    sleep(AFTER_PANIC).await;
                }
            }
        }
        self.work.copies.close().await;
        hold.close().await;
    }

    /// Waits until a pause is over, if there is one, and then runs one session. It breaks off when a stop is
    /// requested.
    async fn round(&self, hold: &mut Hold, backoff: &mut Backoff, stop: &mut watch::Receiver<bool>) -> ControlFlow<()> {
        self.work.wait_out(stop).await;
        if *stop.borrow() {
            return ControlFlow::Break(());
        }
        match self.consume(hold, backoff, stop).await {
            Ok(Ended::Stopped) => return ControlFlow::Break(()),
            Ok(Ended::Outage) => {}
            Err(error) => {
                self.work.health.trouble(&error);
                if !hold.failed(&error) {
                    return ControlFlow::Continue(());
                }
                let delay = backoff.next_delay(&error);
                tokio::select! {
                    () = stopped(stop) => return ControlFlow::Break(()),
                    () = sleep(delay) => {}
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Runs one session.
    async fn consume(
        &self,
        hold: &mut Hold,
        backoff: &mut Backoff,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ended, Error> {
        let (share, is_new) = tokio::select! {
            biased;
            () = stopped(stop) => return Ok(Ended::Stopped),
            share = hold.get(|error| self.work.health.trouble(error)) => share,
        };
        match (is_new, self.work.health.is_troubled()) {
            (true, false) => info!(queue = self.queue(), "connected"),
            (true, true) => debug!(queue = self.queue(), "connected"),
            (false, _) => {}
        }
        let link: &Link = share.link();
        let mut keeper = Keeper::new(Arc::clone(&self.topology));
        let prepared = async {
            match keeper.assert(link).await? {
                Some(error) => self.work.amiss(&error),
                None => drop(self.work.mended()),
            }
            self.work.copies.learn_user().await;
            link.channel().await
        };
        let channel = tokio::select! {
            biased;
            () = stopped(stop) => return Ok(Ended::Stopped),
            channel = prepared => channel?,
        };
        let counts_returns = link.server_version().is_none_or(|version| version < UNCOUNTED_NACK);
        let feed = Feed::new(link, channel, self.queue(), Arc::clone(self.work.copies.user()));
        let mut session = Session::new(self.work.clone(), feed, counts_returns);
        let ended = tokio::select! {
            biased;
            ended = session.run(stop) => ended,
            lost = link.lost() => Err(lost),
            never = self.keep_topology(link, keeper) => never,
        };
        if ended.is_ok() || session.has_settled() {
            backoff.reset();
            share.works();
        } else if backoff.lasted(session.lasted()) {
            share.works();
        }
        match &ended {
            Ok(_) => session.close().await,
            Err(_) => session.forsake().await,
        }
        ended
    }

    /// Asserts the topology again and again, because the broker tells nobody of a deleted exchange or binding. A
    /// conflict shows in the state and ends nothing: the consumer can still consume what the queue holds.
    async fn keep_topology<T>(&self, link: &Link, mut keeper: Keeper) -> T {
        loop {
            sleep(ASSERT_EVERY).await;
            self.work.health.tell_recovery();
            if self.work.take_doubt() {
                keeper.doubt();
            }
            match keeper.assert_again(link).await {
                Ok(Some(error)) => self.work.amiss(&error),
                Err(error @ (Error::AccessRefused { .. } | Error::Conflict { .. })) => self.work.amiss(&error),
                // The session meets any other failure itself.
                Err(error) => debug!(queue = self.queue(), %error, "topology not asserted"),
                Ok(None) if self.work.mended() => self.work.show_sound(),
                Ok(None) => {}
            }
        }
    }
}
