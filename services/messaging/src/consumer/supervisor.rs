//! Connects, declares, subscribes; and again, whatever ended it.

use std::sync::Arc;

use prometheus::Registry;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, info};

use super::copies::Copies;
use super::feed::Feed;
use super::session::{Ended, Session};
use super::work::Work;
use super::{ConsumerOptions, Handler, Subscription, queues, stopped};
use crate::backoff::Backoff;
use crate::link::{Link, Version};
use crate::metrics::{LinkMetrics, Role};
use crate::topology::{ASSERT_EVERY, Topology};
use crate::{Endpoint, Error, State};

/// From here on a `basic.nack` raises no delivery count.
const UNCOUNTED_NACK: Version = Version { major: 4, minor: 3 };

pub(super) struct Supervisor<H: Handler> {
    endpoint: Endpoint,
    topology: Topology,
    work: Arc<Work<H>>,
    link_metrics: LinkMetrics,
}

impl<H: Handler> Supervisor<H> {
    pub(super) fn new(
        endpoint: Endpoint,
        subscription: Subscription,
        options: ConsumerOptions,
        handler: H,
        registry: &Registry,
    ) -> Result<Self, Error> {
        let topology = queues::topology(&subscription, &options);
        let [consume, publish] = LinkMetrics::register(registry, [Role::Consume, Role::Publish])?;
        let copies = Copies::new(endpoint.clone(), subscription.queue_name(), publish);
        let work = Arc::new(Work::new(subscription, options, handler, copies, registry)?);
        Ok(Self { endpoint, topology, work, link_metrics: consume })
    }

    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.work.standing().subscribe()
    }

    pub(super) fn queue(&self) -> &'static str {
        self.work.queue()
    }

    pub(super) fn drain(&self) {
        self.work.standing().set(State::Draining);
    }

    pub(super) fn stopped(&self) {
        self.work.standing().set(State::Stopped);
    }

    /// Returns when it was told to stop and nothing is unacknowledged.
    pub(super) async fn supervise(&self, mut stop: watch::Receiver<bool>) {
        self.work.copies.lanes();
        let mut link = None;
        let mut backoff = Backoff::default();
        loop {
            self.work.wait_out(&mut stop).await;
            if *stop.borrow() {
                break;
            }
            match self.consume(&mut link, &mut backoff, &mut stop).await {
                Ok(Ended::Stopped) => break,
                Ok(Ended::Outage) => {}
                Err(error) => {
                    // A refusal says nothing against the connection.
                    if !matches!(error, Error::AccessRefused { .. } | Error::Conflict { .. }) {
                        link = None;
                    }
                    let delay = backoff.next_delay(&error);
                    self.work.standing().trouble(&error);
                    tokio::select! {
                        () = stopped(&mut stop) => break,
                        () = sleep(delay) => {}
                    }
                }
            }
        }
        self.work.copies.close().await;
        if let Some(link) = link {
            link.close().await;
        }
    }

    /// One session, on the connection there is or on a new one.
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
        self.topology.assert(link).await?;
        self.work.mended();
        let counts_returns = link.server_version().is_none_or(|version| version < UNCOUNTED_NACK);
        let feed = Feed::new(link, link.channel().await?, self.queue());
        let mut session = Session::new(self.work.clone(), feed, counts_returns);
        let ended = tokio::select! {
            biased;
            ended = session.run(stop) => ended,
            lost = link.lost() => Err(lost),
            never = self.keep_topology(link) => never,
        };
        if session.has_subscribed() {
            backoff.reset();
        }
        match &ended {
            Ok(_) => session.close().await,
            Err(_) => session.forsake(),
        }
        ended
    }

    async fn connect(&self) -> Result<Link, Error> {
        let link = Link::dial(&self.endpoint, &self.link_metrics).await?;
        info!(queue = self.queue(), "connected");
        Ok(link)
    }

    /// Asserts the topology again and again: nobody is told of a deleted exchange or binding. A conflict with what exists shows, and ends nothing:
    /// what the queue holds can still be consumed.
    async fn keep_topology<T>(&self, link: &Link) -> T {
        loop {
            sleep(ASSERT_EVERY).await;
            match self.topology.assert(link).await {
                Err(error @ (Error::AccessRefused { .. } | Error::Conflict { .. })) => self.work.amiss(&error),
                // Whatever else went wrong, the session meets it too.
                Err(error) => debug!(queue = self.queue(), %error, "topology not asserted"),
                Ok(()) if self.work.mended() => {
                    let state = self.work.sound_state();
                    self.work.standing().well(state);
                }
                Ok(()) => {}
            }
        }
    }
}
