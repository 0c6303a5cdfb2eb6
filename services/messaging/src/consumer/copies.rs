//! Publishes copies to delay queues and dead queues, on the connection that publishes.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lapin::BasicProperties;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::Handler;
use super::settlements::{Settlement, Settlements};
use super::work::Work;
use crate::backoff::Doubling;
use crate::delivery::Copy;
use crate::link::SharedLink;
use crate::metrics::{LinkMetrics, Owner, Role};
use crate::publisher::{Lanes, Limits, Outgoing, Plan};
use crate::topology::Topology;
use crate::user_name::UserName;
use crate::{Client, PublishError, State};

/// How long one try waits for the broker's confirm, if no alarm holds the confirm back.
const CONFIRM: Duration = Duration::from_secs(10);
/// The wait after a try without a confirm. Each further wait is twice as long.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(30);

/// After this time a copy is stuck, and the deliveries that need no copy do not wait for it any more.
const STUCK: Duration = Duration::from_secs(5);

/// The most KiB of bodies that are sent and not confirmed. lapin keeps a second copy of each until it is written, so
/// publishers of the largest messages could otherwise fill the memory.
const ROOM: u32 = 4096;

/// How long a consumer waits for the name under which the broker knows its user.
const ASKING: Duration = Duration::from_secs(2);

/// How many channels publish copies side by side.
const LANES: usize = 2;
/// How long closing the channels may take when nothing is under way.
const FAREWELL: Duration = Duration::from_secs(1);

/// Publishes copies on the connection that publishes, because an alarm that blocks copies must not hold back
/// acknowledgements.
pub(super) struct Copies {
    link: Arc<SharedLink>,
    queue: String,
    metrics: LinkMetrics,
    user: Arc<UserName>,
    lanes: OnceLock<Lanes>,
    room: Semaphore,
    /// The broker has seen the user's name.
    knows_user: AtomicBool,
}

impl Copies {
    pub(super) fn new(client: &Client, queue: &str) -> Self {
        let (user, queue) = (Arc::new(UserName::new(&client.endpoint().url.user)), queue.to_owned());
        let (room, knows_user) = (Semaphore::new(ROOM as usize), AtomicBool::new(false));
        let (link, metrics) = (client.link(Role::Publish), client.metrics().link(Role::Publish, Owner::Queue(&queue)));
        Self { link, queue, metrics, user, lanes: OnceLock::new(), room, knows_user }
    }

    /// The user's name, by which copies are recognised.
    pub(super) fn user(&self) -> &Arc<UserName> {
        &self.user
    }

    /// Makes sure of the user's name, within a limited time, before anything is consumed: copies of an earlier process
    /// are recognised by it. Only the refusal of a message tells the name, so this sends one that no queue takes.
    pub(super) async fn learn_user(&self) {
        if self.knows_user.load(Ordering::Relaxed) {
            return;
        }
        let user = Arc::clone(&self.user);
        let signed = move || match user.get() {
            Some(user) => BasicProperties::default().with_user_id(user),
            None => BasicProperties::default(),
        };
        let (exchange, routing_key, body) = ("".into(), "".into(), Bytes::new());
        let question = Outgoing { exchange, routing_key, properties: Box::new(signed), body };
        let answer = self.lanes().send(question, Instant::now() + ASKING).await;
        self.knows_user.store(matches!(answer, Ok(()) | Err(PublishError::Unroutable)), Ordering::Relaxed);
    }

    /// The channels that publish. They begin to connect when they are first used.
    pub(super) fn lanes(&self) -> &Lanes {
        self.lanes.get_or_init(|| {
            Lanes::start(Plan {
                link: Arc::clone(&self.link),
                what: format!("publisher of copies for {}", self.queue),
                topology: Topology::default(),
                lanes: LANES,
                lanes_setting: None,
                user: Some(Arc::clone(&self.user)),
                // The prefetch bounds their number, and their bodies are in memory anyway.
                limits: Limits { messages: usize::MAX, bytes: usize::MAX },
                link_metrics: self.metrics.clone(),
                health_metrics: None,
            })
        })
    }

    /// Why copies do not pass, if it is not an alarm: `last` is why the last try of one failed.
    pub(super) fn trouble(&self, last: Option<PublishError>) -> Option<String> {
        let state = self.lanes().state().borrow().clone();
        let words = match last {
            Some(PublishError::Rejected) => self.lanes().last_closing(),
            _ => None,
        };
        match state.reason() {
            _ if state == State::Blocked => None,
            Some(reason) => Some(reason.to_owned()),
            None => words.or(last.map(|error| error.to_string())),
        }
    }

    pub(super) async fn close(&self) {
        self.lanes().close(Instant::now() + FAREWELL).await;
    }
}

impl<H: Handler> Work<H> {
    /// Publishes a copy until the broker has confirmed and not returned it, and says whether that happened. It gives
    /// up only when the session has ended, because then the original is no longer this session's to acknowledge. A
    /// copy that no broker takes keeps its original unacknowledged, and holds up nothing else.
    pub(super) async fn copied(&self, copy: &Copy, settlements: &Settlements) -> bool {
        let last = Mutex::new(None);
        let mut copying = pin!(self.copy(copy, &last));
        tokio::select! {
            biased;
            () = settlements.closed() => return false,
            () = &mut copying => return true,
            () = sleep(STUCK) => settlements.report(Settlement::Stuck),
        }
        let stuck = self.stuck.add();
        tokio::select! {
            biased;
            () = settlements.closed() => false,
            () = copying => {
                settlements.report(Settlement::Unstuck);
                drop(stuck);
                self.show_sound();
                true
            }
            never = self.show_stuck(copy, &last) => never,
        }
    }

    /// Tries until it works. `last` tells why the last try failed.
    async fn copy(&self, copy: &Copy, last: &Mutex<Option<PublishError>>) {
        let (mut waits, mut told) = (Doubling::new(SHORTEST, LONGEST), None);
        while let Err(error) = self.try_copy(copy).await {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            // Logs once for each reason, because most tries fail for the same one.
            if told != Some(error) {
                told = Some(error);
                // The queue of the copy may be gone.
                if error == PublishError::Unroutable {
                    self.doubt();
                }
                let event_id = copy.message_id();
                warn!(event_id, queue = copy.queue, %error, "copy not confirmed, its original stays unacknowledged");
            }
            sleep(waits.next_wait()).await;
        }
    }

    async fn try_copy(&self, copy: &Copy) -> Result<(), PublishError> {
        let outgoing = copy.outgoing();
        let kib = u32::try_from(outgoing.body.len() / 1024 + 1).map_or(ROOM, |kib| kib.min(ROOM));
        let _room = self.copies.room.acquire_many(kib).await.expect("it is never closed");
        self.copies.lanes().send_through_alarms(outgoing, CONFIRM).await
    }
}
