//! The connections that the publishers and consumers of a client share: one publishes, the other consumes.
//!
//! Whoever needs the connection first dials it. The last to give it up closes it. Each has channels of its own on it,
//! and the error of a channel says nothing against the connection. If the connection is lost, one dials for all, after
//! one wait. A connection that is there and does not work for somebody is replaced: the next session takes a new one,
//! and the sessions that still run on the old one stay there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::{Condition, Link};
use crate::backoff::Backoff;
use crate::metrics::{LinkMetrics, Role};
use crate::{Endpoint, Error};

/// A connection that several share, and its successors.
pub(crate) struct SharedLink {
    endpoint: Endpoint,
    role: Role,
    /// One dials at a time.
    dialling: tokio::sync::Mutex<()>,
    current: Mutex<Current>,
    /// Why the last attempt to connect failed; none if it did not.
    failure: watch::Sender<Option<Arc<Error>>>,
}

#[derive(Default)]
struct Current {
    /// The connection that the next session takes, if it is there.
    link: Weak<Link>,
    backoff: Backoff,
    /// The earliest time of the next attempt to connect.
    due: Option<Instant>,
}

/// One owner's share of a connection.
pub(crate) struct Share {
    link: Arc<Link>,
    from: Arc<SharedLink>,
    metrics: LinkMetrics,
    follower: JoinHandle<()>,
    /// This owner has settled something since its last session failed.
    worked: AtomicBool,
}

/// What a publisher or consumer has of the shared connection. It keeps its share from session to session.
pub(crate) struct Hold {
    /// The connection that all of the client share, or one of this owner's alone.
    from: Arc<SharedLink>,
    /// How many connections in a row the broker closed over a channel, before this owner settled anything on them.
    lost_early: u32,
    metrics: LinkMetrics,
    share: Option<Share>,
    /// The last session failed on this connection, and settled nothing.
    in_vain: bool,
}

/// After this many connections that the broker closed over a channel, before an owner settled anything on them, the owner
/// takes one of its own for good. The channel may be this owner's, and the others then keep their connection.
const LOST_EARLY: u32 = 3;

/// The names of the errors that begin on a channel and close its whole connection: a limit of channels, a channel that
/// crashed, and a frame for a closed channel.
const OF_A_CHANNEL: [&str; 3] = ["NOT_ALLOWED", "INTERNAL_ERROR", "CHANNEL_ERROR"];

impl SharedLink {
    pub(crate) fn new(endpoint: Endpoint, role: Role) -> Arc<Self> {
        let (dialling, current, failure) = (Default::default(), Default::default(), watch::Sender::new(None));
        Arc::new(Self { endpoint, role, dialling, current, failure })
    }

    /// The connection that is there, or else a new one. It tries until one is there, and tells each failure, also of
    /// the attempts that another made.
    async fn link(&self, tell: impl Fn(&Error)) -> Arc<Link> {
        let mut failures = self.failure.subscribe();
        // Whoever comes while the broker is away is told why at once.
        if self.current().due.is_some_and(|due| due > Instant::now()) {
            failures.mark_changed();
        }
        let mut dialled = std::pin::pin!(self.dial());
        loop {
            tokio::select! {
                biased;
                link = &mut dialled => return link,
                Ok(()) = failures.changed() => {
                    let failure = failures.borrow_and_update().clone();
                    failure.iter().for_each(|error| tell(error));
                }
            }
        }
    }

    async fn dial(&self) -> Arc<Link> {
        loop {
            let due = self.current().due;
            if let Some(due) = due {
                sleep_until(due).await;
            }
            let _turn = self.dialling.lock().await;
            if let Some(link) = self.usable() {
                return link;
            }
            // Another has tried meanwhile, or the connection was found lost just now.
            if self.current().due.is_some_and(|due| due > Instant::now()) {
                continue;
            }
            match Link::dial(&self.endpoint, self.role).await {
                Ok(link) => return self.admit(link),
                Err(error) => self.failed(error),
            }
        }
    }

    /// The connection that is there, or else a new one. It dials once at most.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(crate) async fn once(self: &Arc<Self>, metrics: &LinkMetrics) -> Result<Share, Error> {
        let _turn = self.dialling.lock().await;
        let link = match self.usable() {
            Some(link) => link,
            None => self.admit(Link::dial(&self.endpoint, self.role).await?),
        };
        Ok(Share::new(link, self, metrics))
    }

    fn usable(&self) -> Option<Arc<Link>> {
        let link = self.current().link.upgrade()?;
        if link.is_connected() {
            return Some(link);
        }
        self.lost(&link);
        None
    }

    fn admit(&self, link: Link) -> Arc<Link> {
        let link = Arc::new(link);
        {
            let mut current = self.current();
            (current.link, current.due) = (Arc::downgrade(&link), None);
        }
        self.failure.send_replace(None);
        link
    }

    fn failed(&self, error: Error) {
        {
            let mut current = self.current();
            current.due = Some(Instant::now() + current.backoff.next_delay(&error));
        }
        self.failure.send_replace(Some(Arc::new(error)));
    }

    /// Notes once for all that a connection was lost. Nobody dials before a wait is over.
    fn lost(&self, link: &Arc<Link>) {
        let mut current = self.current();
        if !current.link.ptr_eq(&Arc::downgrade(link)) {
            return;
        }
        current.link = Weak::new();
        if link.proven.load(Ordering::Relaxed) {
            current.backoff.reset();
        }
        current.backoff.lasted(link.opened.elapsed());
        let delay = current.backoff.next_delay(&Error::Lost { reason: String::new() });
        current.due = Some(Instant::now() + delay);
    }

    /// From now on, nobody takes this connection who does not have it.
    fn retire(&self, link: &Arc<Link>) {
        let mut current = self.current();
        if current.link.ptr_eq(&Arc::downgrade(link)) {
            current.link = Weak::new();
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    fn new(link: Arc<Link>, from: &Arc<SharedLink>, metrics: &LinkMetrics) -> Self {
        metrics.opened(link.number, link.not_after);
        let follower = tokio::spawn(follow(link.condition.clone(), metrics.clone()));
        Self { link, from: Arc::clone(from), metrics: metrics.clone(), follower, worked: AtomicBool::new(false) }
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Notes that something was settled over this connection.
    pub(crate) fn works(&self) {
        self.worked.store(true, Ordering::Relaxed);
        self.link.works();
    }

    /// Gives the share up. The last to do so closes the connection properly.
    pub(crate) async fn close(self) {
        let link = Arc::clone(&self.link);
        drop(self);
        if let Some(link) = Arc::into_inner(link) {
            link.close().await;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.follower.abort();
        self.metrics.closed();
        if !self.link.is_connected() {
            self.from.lost(&self.link);
        }
    }
}

/// Shows the condition of a connection in the metrics of one owner.
async fn follow(mut condition: watch::Receiver<Condition>, metrics: LinkMetrics) {
    loop {
        let Condition { blocked, lost } = condition.borrow_and_update().clone();
        if lost.is_some() {
            return metrics.closed();
        }
        metrics.blocked(blocked);
        if condition.changed().await.is_err() {
            return;
        }
    }
}

impl Hold {
    pub(crate) fn new(from: Arc<SharedLink>, metrics: LinkMetrics) -> Self {
        Self { from, lost_early: 0, metrics, share: None, in_vain: false }
    }

    /// The share of the last session, or else a new one, and whether it is new. It tries until there is one, and tells
    /// each failure.
    pub(crate) async fn get(&mut self, tell: impl Fn(&Error)) -> (&Share, bool) {
        let kept = self.share.take().filter(|share| share.link.is_connected());
        let is_new = kept.is_none();
        let share = match kept {
            Some(share) => share,
            None => Share::new(self.from.link(tell).await, &self.from, &self.metrics),
        };
        (self.share.insert(share), is_new)
    }

    /// Notes that the last session has settled something over its connection.
    pub(crate) fn works(&self) {
        self.share.iter().for_each(Share::works);
    }

    /// Notes that a session failed. Returns true if its connection is still there: then the caller waits before its next
    /// session. Otherwise the next connection is dialled only after a wait.
    pub(crate) fn failed(&mut self, error: &Error) -> bool {
        let Some(share) = self.share.take() else { return true };
        let was_in_vain = std::mem::take(&mut self.in_vain);
        if !share.link.is_connected() {
            self.lost(share.worked.load(Ordering::Relaxed), error);
            return false;
        }
        let refused = matches!(error, Error::AccessRefused { .. } | Error::Conflict { .. });
        self.in_vain = !share.worked.swap(false, Ordering::Relaxed) && !refused;
        let unanswered = matches!(error, Error::Silent { .. }) && !share.link.is_blocked();
        if unanswered || share.link.exhausted.load(Ordering::Relaxed) || (was_in_vain && self.in_vain) {
            self.in_vain = false;
            self.from.retire(&share.link);
        } else {
            self.share = Some(share);
        }
        true
    }

    /// Notes that the connection was lost, and whether this owner had settled something over it.
    fn lost(&mut self, worked: bool, error: &Error) {
        let words = error.to_string();
        if worked {
            self.lost_early = 0;
        } else if OF_A_CHANNEL.iter().any(|name| words.contains(name)) {
            self.lost_early += 1;
            if self.lost_early == LOST_EARLY {
                self.from = SharedLink::new(self.from.endpoint.clone(), self.from.role);
            }
        }
    }

    /// Gives the connection up. The last to do so closes it properly.
    pub(crate) async fn close(&mut self) {
        if let Some(share) = self.share.take() {
            share.close().await;
        }
    }
}
