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
use crate::link::{Link, Version};
use crate::metrics::{LinkMetrics, Owner, Role};
use crate::panics::caught;
use crate::topology::{ASSERT_EVERY, Keeper, Topology};
use crate::{Client, Endpoint, Error, State};

/// From this version on, `basic.nack` does not raise the delivery count.
const UNCOUNTED_NACK: Version = Version { major: 4, minor: 3 };

/// The wait after a panic in the supervisor itself.
const AFTER_PANIC: Duration = Duration::from_secs(1);

pub(super) struct Supervisor<H: Handler> {
    endpoint: Endpoint,
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
        let (endpoint, queue) = (client.endpoint().clone(), subscription.queue_name().to_owned());
        let link_metrics = |role| client.metrics().link(role, Owner::Queue(&queue));
        let make = || {
            let copies = Copies::new(endpoint.clone(), &queue, link_metrics(Role::Publish));
            Arc::new(Work::new(subscription, options, handler, dedupe_store, copies, client.metrics()))
        };
        let work = client.admit(&queue, make, |work| work.health.subscribe())?;
        Ok(Self { topology, work, link_metrics: link_metrics(Role::Consume), endpoint })
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
        let (mut link, mut backoff) = (None, Backoff::default());
        loop {
            match caught(self.round(&mut link, &mut backoff, &mut stop)).await {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(_) => {
                    // The panic hook has logged the panic. Nothing of the session is left.
                    link = None;
                    self.work.panicked();
                    sleep(AFTER_PANIC).await;
                }
            }
        }
        self.work.copies.close().await;
        if let Some(link) = link {
            link.close().await;
        }
    }

    /// Waits until a pause is over, if there is one, and then runs one session. It breaks off when a stop is
    /// requested.
    async fn round(
        &self,
        link: &mut Option<Link>,
        backoff: &mut Backoff,
        stop: &mut watch::Receiver<bool>,
    ) -> ControlFlow<()> {
        self.work.wait_out(stop).await;
        if *stop.borrow() {
            return ControlFlow::Break(());
        }
        match self.consume(link, backoff, stop).await {
            Ok(Ended::Stopped) => return ControlFlow::Break(()),
            Ok(Ended::Outage) => {}
            Err(error) => {
                // A refused subscription does not mean that the connection is broken.
                if !matches!(error, Error::AccessRefused { .. } | Error::Conflict { .. }) {
                    *link = None;
                }
                let delay = backoff.next_delay(&error);
                self.work.health.trouble(&error);
                tokio::select! {
                    () = stopped(stop) => return ControlFlow::Break(()),
                    () = sleep(delay) => {}
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Runs one session, on the existing connection or on a new one.
    async fn consume(
        &self,
        kept: &mut Option<Link>,
        backoff: &mut Backoff,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ended, Error> {
        let link = match kept.take().filter(Link::is_connected) {
            Some(link) => link,
            None => tokio::select! {
                biased;
                () = stopped(stop) => return Ok(Ended::Stopped),
                link = self.connect() => link?,
            },
        };
        let link = &*kept.insert(link);
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
        match ended.is_ok() || session.has_settled() {
            true => backoff.reset(),
            false => backoff.lasted(session.lasted()),
        }
        match &ended {
            Ok(_) => session.close().await,
            Err(_) => session.forsake(),
        }
        ended
    }

    async fn connect(&self) -> Result<Link, Error> {
        let link = Link::dial(&self.endpoint, &self.link_metrics).await?;
        match self.work.health.is_troubled() {
            true => debug!(queue = self.queue(), "connected"),
            false => info!(queue = self.queue(), "connected"),
        }
        Ok(link)
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
