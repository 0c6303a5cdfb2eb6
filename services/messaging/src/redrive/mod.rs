//! Moves dead letters back to their queue, and only there. It declares nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tokio::time::Instant;
use tracing::{info, warn};

mod options;
pub use options::RedriveOptions;
mod summary;
pub use summary::Summary;

use crate::delivery::{Delivery, Reader};
use crate::error::reply;
use crate::link::{Link, OpenChannel};
use crate::metrics::{Owner, Role};
use crate::publisher::{Lanes, Limits, Plan};
use crate::topology::Topology;
use crate::{Client, Error, PublishError};

/// The number of letters that are moved at once.
const UNDER_WAY: usize = 64;
/// How long one letter waits for the broker's confirm.
const CONFIRM: Duration = Duration::from_secs(30);
/// How long the broker may take to deliver one letter. Thousands of nested headers cost it seconds.
const GET: Duration = Duration::from_secs(120);

/// Moves the dead letters that the options name, at most as many as there are now, until it has looked at all or
/// `stop` resolves. It acknowledges a letter only when the queue has it again, with its id, its trace, its first
/// failure and one more redrive. The letter's attempts begin anew. If the broker does not take a letter, the log
/// names it and the next one follows. All other letters are held until the end and then requeued.
///
/// # Errors
/// [`Error::Invalid`]: a name cannot be used. The broker cannot be reached, is lost, refuses access, or has no such queue. Letters that were moved stay moved;
/// the others are still dead.
///
/// # If dropped
/// The letters under way may be in both queues. None is lost.
pub async fn run(client: &Client, options: RedriveOptions, stop: impl Future<Output = ()>) -> Result<Summary, Error> {
    options.check()?;
    let metrics = |role| client.metrics().link(role, Owner::Queue(&options.queue));
    let share = client.link(Role::Consume).once(&metrics(Role::Consume)).await?;
    let link: &Link = share.link();
    let lanes = Lanes::start(Plan {
        link: client.link(Role::Publish),
        what: format!("publisher of redriven letters to {}", options.queue),
        topology: Topology::default(),
        lanes: 1,
        lanes_setting: None,
        user: None,
        limits: Limits { messages: usize::MAX, bytes: usize::MAX },
        link_metrics: metrics(Role::Publish),
        health_metrics: None,
    });
    let found = depth(link, &options.dead_queue()).await?;
    let summary = Summary { found, dry_run: options.dry_run, ..Summary::default() };
    let channel = link.channel().await?;
    let moving = FuturesUnordered::new();
    let reader = Arc::new(Reader::dead_letters(link.frame_max()));
    let (options, link, lanes) = (&options, link, &lanes);
    let mut redrive = Redrive { options, link, channel, lanes, reader, moving, held: None, failure: None, summary };
    let moved = redrive.take_all(std::pin::pin!(stop)).await;
    let given_back = redrive.give_back().await;
    let summary = redrive.summary;
    drop(redrive);
    lanes.close(Instant::now()).await;
    share.close().await;
    moved.and(given_back).map(|()| summary)
}

/// A letter, and whether its queue has it again.
type Moved = (Delivery, Result<(), PublishError>);

struct Redrive<'a> {
    options: &'a RedriveOptions,
    link: &'a Link,
    channel: OpenChannel,
    lanes: &'a Lanes,
    reader: Arc<Reader>,
    moving: FuturesUnordered<BoxFuture<'a, Moved>>,
    /// The last letter that stays dead. All unacknowledged letters in front of it stay dead as well.
    held: Option<u64>,
    /// Why no letter can be moved now.
    failure: Option<PublishError>,
    summary: Summary,
}

impl<'a> Redrive<'a> {
    async fn take_all(&mut self, mut stop: Pin<&mut impl Future<Output = ()>>) -> Result<(), Error> {
        let queue = self.options.dead_queue();
        for _ in 0..self.summary.found {
            let enough = self.failure.is_some() || self.options.limit.is_some_and(|limit| self.begun() >= limit);
            let stopped = tokio::select! {
                biased;
                () = &mut stop => true,
                () = std::future::ready(()) => false,
            };
            if enough || stopped {
                break;
            }
            let get = self.channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
            // Another program may have taken the letters that were found.
            let got = self.link.patiently(GET, get).await?.map_err(Error::lost)?;
            let Some(message) = got else { break };
            self.take(Delivery::new(message.delivery, Arc::clone(&self.reader)));
            while self.moving.len() >= UNDER_WAY {
                self.settle_one().await?;
            }
        }
        // After a failure too, because a letter that its queue has again must not stay dead as well.
        while !self.moving.is_empty() {
            self.settle_one().await?;
        }
        let (queue, moved) = (self.options.queue.clone(), self.summary.moved);
        self.failure.map_or(Ok(()), |reason| Err(Error::NotMoved { queue, moved, reason }))
    }

    fn begun(&self) -> u64 {
        self.summary.moved + u64::try_from(self.moving.len()).unwrap_or(u64::MAX)
    }

    fn take(&mut self, letter: Delivery) {
        let tag = letter.tag();
        if !self.is_meant(&letter) {
            return self.held = Some(tag);
        }
        let (event_id, reason, redriven) = (letter.message_id(), letter.dead_reason(), letter.redriven());
        if redriven >= self.options.max_redrives {
            info!(event_id, %reason, redriven, "letter stays dead: it was moved too often");
            self.summary.refused += 1;
            return self.held = Some(tag);
        }
        let (error, dry_run) = (letter.error(), self.options.dry_run);
        info!(event_id, %reason, error, redriven, dry_run, "letter goes back to its queue");
        if dry_run {
            self.summary.moved += 1;
            return self.held = Some(tag);
        }
        let (lanes, copy) = (self.lanes, letter.to_redrive(self.options.queue.clone()));
        let moving = async move {
            let moved = lanes.send(copy.outgoing(), Instant::now() + CONFIRM).await;
            (letter, moved)
        };
        self.moving.push(Box::pin(moving));
    }

    fn is_meant(&self, letter: &Delivery) -> bool {
        let event = self.options.event_id.as_deref();
        self.options.reason.is_none_or(|reason| letter.dead_reason() == reason)
            && event.is_none_or(|event| letter.message_id() == Some(event))
    }

    /// Acknowledges last. A crash before it leaves the letter in both queues; the other order would leave it in none.
    async fn settle_one(&mut self) -> Result<(), Error> {
        let Some((letter, moved)) = self.moving.next().await else { return Ok(()) };
        let tag = letter.tag();
        if let Err(error) = moved {
            self.held = self.held.max(Some(tag));
            self.step_over(&letter, error);
            return Ok(());
        }
        self.link.step(self.channel.basic_ack(tag, BasicAckOptions::default())).await?;
        self.summary.moved += 1;
        Ok(())
    }

    /// The other letters do not wait for one that the broker does not take. If the broker would take none, the run
    /// ends.
    fn step_over(&mut self, letter: &Delivery, error: PublishError) {
        match error {
            PublishError::Rejected | PublishError::Unconfirmed => {
                let (event_id, reason, bytes) = (letter.message_id(), letter.dead_reason(), letter.body().len());
                warn!(event_id, %reason, bytes, %error, "letter cannot be moved and stays dead");
                self.summary.not_taken += 1;
            }
            PublishError::Unavailable
            | PublishError::Blocked
            | PublishError::AccessRefused
            | PublishError::TopologyConflict
            | PublishError::Unroutable
            | PublishError::Overloaded => {
                self.failure.get_or_insert(error);
            }
        }
    }

    async fn give_back(&mut self) -> Result<(), Error> {
        if let Some(last) = self.held {
            let requeue = BasicNackOptions { multiple: true, requeue: true };
            self.link.step(self.channel.basic_nack(last, requeue)).await?;
        }
        // The broker answers in order, so after this answer nothing is left unread.
        self.link.step(self.channel.close(200, "done".into())).await
    }
}

/// The number of letters in a queue. It does not declare the queue.
async fn depth(link: &Link, queue: &str) -> Result<u64, Error> {
    let object = || format!("queue {queue:?}");
    let channel = link.channel().await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let asked = channel.queue_declare(queue.into(), passive, FieldTable::default());
    match link.step(async { Ok(asked.await) }).await? {
        Ok(found) => Ok(found.message_count().into()),
        Err(error) => Err(match reply(&error) {
            Some((404, _)) => Error::NotFound { object: object() },
            // To look for a queue that does not exist, RabbitMQ 4.3 demands the right to declare it. To look for one
            // that exists, it demands no right.
            Some((403, words)) if words.contains("configure access") => Error::NotFound { object: object() },
            Some((403, words)) => Error::AccessRefused { object: object(), reason: words.to_owned() },
            _ => Error::lost(error),
        }),
    }
}
