//! One channel and its only publisher.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::ConfirmSelectOptions;
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};

use super::publish_queue::{PublishQueue, Turn};
use super::unconfirmed::Unconfirmed;
use crate::Error;
use crate::backoff::Backoff;
use crate::error::reply;
use crate::link::{Link, OpenChannel};
use crate::topology::Keeper;
use crate::user_name::UserName;

/// How often a lane looks for late confirms.
const ROUNDS: Duration = Duration::from_millis(100);

/// How long lanes have to collect the confirms that arrived before their session ended.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// Takes its share of the waiting messages, publishes them, and answers each publisher when the confirm comes. A
/// single message is sent at once.
pub(super) struct Lane {
    pub(super) publish_queue: Arc<PublishQueue>,
    pub(super) link: Arc<Link>,
    pub(super) keeper: Arc<Mutex<Keeper>>,
    pub(super) user: Option<Arc<UserName>>,
    /// The number of lanes that share the waiting messages.
    pub(super) lanes: usize,
    /// Becomes true when its session ends.
    pub(super) over: watch::Receiver<bool>,
}

/// The lanes of a session.
pub(super) struct Running {
    pub(super) lanes: JoinSet<Error>,
    /// The number of lanes at the beginning.
    pub(super) opened: usize,
    end: watch::Sender<bool>,
}

/// Why a channel cannot be used any more.
enum Gone {
    /// The connection is lost, or the session has ended.
    Link(Error),
    /// The broker closed the channel, with a reason if it gave one.
    Closed(Option<(u16, String)>),
    /// No confirm came until no publisher waited any more.
    Overdue,
}

impl Running {
    /// Starts a lane on each channel. `lane` makes one, of what says that the session has ended, and of their number.
    pub(super) fn start(channels: Vec<OpenChannel>, lane: impl Fn(watch::Receiver<bool>, usize) -> Lane) -> Self {
        let (opened, (end, over)) = (channels.len(), watch::channel(false));
        let lanes = channels.into_iter().map(|channel| lane(over.clone(), opened).run(channel)).collect();
        Self { lanes, opened, end }
    }

    /// Ends the lanes. They first collect the confirms that have arrived; the other messages wait again.
    pub(super) async fn end(mut self) {
        self.end.send_replace(true);
        let _ = timeout(LAST_WORDS, async { while self.lanes.join_next().await.is_some() {} }).await;
        self.lanes.shutdown().await;
    }
}

/// Opens a channel that confirms. While an alarm holds back the connection, it waits.
pub(super) async fn open(link: &Link) -> Result<OpenChannel, Error> {
    link.unblocked().await?;
    let channel = link.channel().await?;
    link.step(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

impl Lane {
    /// Publishes until the connection is lost, or its session ends.
    pub(super) async fn run(self, mut channel: OpenChannel) -> Error {
        let mut backoff = Backoff::default();
        let mut told = None;
        loop {
            match self.publish_on(&channel, &mut backoff, &mut told).await {
                Gone::Link(error) => return error,
                Gone::Overdue => {}
                Gone::Closed(reason) => {
                    if let Err(error) = self.recover(reason, &mut backoff, &mut told).await {
                        return error;
                    }
                }
            }
            // Closes before the next opens, because their number may be limited.
            drop(channel);
            channel = match open(&self.link).await {
                Ok(channel) => channel,
                Err(error) => return error,
            };
        }
    }

    async fn publish_on(&self, channel: &OpenChannel, backoff: &mut Backoff, told: &mut Option<u16>) -> Gone {
        let mut unconfirmed = Unconfirmed::new(&self.link, &self.publish_queue, channel);
        let gone = match self.keep_busy(&mut unconfirmed, backoff, told).await {
            // The first message that failed may not know the reason; another may.
            Gone::Closed(None) => unconfirmed.poll_all().map_or_else(|error| self.gone(error), |()| Gone::Closed(None)),
            gone => gone,
        };
        let _ = unconfirmed.poll_all();
        unconfirmed.judge(match &gone {
            // No message is at fault for a name that nobody knew.
            Gone::Closed(Some((406, words))) if self.learns_user(words) => None,
            Gone::Closed(Some((code, _))) => Some(*code),
            Gone::Closed(None) | Gone::Link(_) | Gone::Overdue => None,
        });
        gone
    }

    fn learns_user(&self, words: &str) -> bool {
        let learns = self.user.as_ref().is_some_and(|user| user.learn(words));
        if learns {
            info!(reason = words, "copies carry the name under which the broker knows this user");
        }
        learns
    }

    /// Sends the waiting messages, and answers as they are confirmed, until the channel cannot be used any more.
    async fn keep_busy(
        &self,
        unconfirmed: &mut Unconfirmed<'_>,
        backoff: &mut Backoff,
        told: &mut Option<u16>,
    ) -> Gone {
        let lost = self.over();
        tokio::pin!(lost);
        let mut rounds = interval(ROUNDS);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whether this lane has its share of the waiting messages.
        let mut full = false;
        loop {
            let confirmed = tokio::select! {
                biased;
                error = &mut lost => return Gone::Link(error),
                confirmed = unconfirmed.some_confirmed(), if !unconfirmed.is_empty() => confirmed,
                turn = self.turn(), if !full && unconfirmed.takes_more() => match self.hand_over(turn, unconfirmed).await {
                    Ok(enough) => {
                        full = enough;
                        continue;
                    }
                    Err(error) => return self.gone(error),
                },
                _ = rounds.tick(), if !unconfirmed.is_empty() => {
                    if unconfirmed.is_overdue() {
                        return Gone::Overdue;
                    }
                    // Its share grows with the number of waiting messages.
                    full = false;
                    continue;
                }
            };
            if let Err(error) = confirmed {
                return self.gone(error);
            }
            full = false;
            backoff.reset();
            self.link.works();
            *told = None;
        }
    }

    /// Resolves when nothing can be published any more.
    async fn over(&self) -> Error {
        let mut over = self.over.clone();
        tokio::select! {
            lost = self.link.lost() => lost,
            // Without a sender, the session has ended as well.
            _ = over.wait_for(|over| *over) => Error::Lost { reason: "the session ended".to_owned() },
        }
    }

    /// Resolves when it is this lane's turn to send, and the broker accepts messages.
    async fn turn(&self) -> Turn<'_> {
        if self.link.is_blocked() {
            self.link.until_blocked(false).await;
        }
        self.publish_queue.turn().await
    }

    /// Sends this lane's share of the waiting messages. Says whether it had the share already.
    async fn hand_over(&self, turn: Turn<'_>, unconfirmed: &mut Unconfirmed<'_>) -> lapin::Result<bool> {
        // Callers that are about to publish have queued their messages when this goes on, so the messages share a
        // write.
        yield_now().await;
        if self.link.is_blocked() || !unconfirmed.takes_more() {
            return Ok(false);
        }
        let (batch, left) = turn.take(self.lanes, unconfirmed.load());
        let enough = batch.is_empty() && left;
        unconfirmed.send(batch)?;
        Ok(enough)
    }

    fn gone(&self, error: lapin::Error) -> Gone {
        match self.link.is_connected() {
            true => Gone::Closed(reply(&error).map(|(code, words)| (code, words.to_owned()))),
            false => Gone::Link(Error::lost(error)),
        }
    }

    /// Mends what closed a channel, if it can be mended. 404 is a missing exchange. 403 is an exchange to which this
    /// user may not write, which only a publish shows.
    async fn recover(
        &self,
        reason: Option<(u16, String)>,
        backoff: &mut Backoff,
        told: &mut Option<u16>,
    ) -> Result<(), Error> {
        let (code, words) = reason.unwrap_or((0, "it did not say why".to_owned()));
        if told.replace(code) != Some(code) {
            warn!(reason = words, "the broker closed a channel that published; its messages are sent again");
        }
        self.publish_queue.note_closing(words.clone());
        if code == 403 {
            self.publish_queue.refuse(words.clone());
        }
        let again = Error::Lost { reason: words };
        sleep(backoff.next_delay(&again)).await;
        if code == 404 {
            self.keeper.lock().await.assert(&self.link).await?;
        }
        Ok(())
    }
}
