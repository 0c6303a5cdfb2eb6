//! One channel and its only publisher.

use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use lapin::options::ConfirmSelectOptions;
use tokio::sync::Mutex;
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::warn;

use super::flight::Flight;
use super::outbox::{Outbox, Turn};
use crate::Error;
use crate::backoff::Backoff;
use crate::error::reply;
use crate::link::Link;
use crate::topology::Keeper;

/// How often a lane looks after what is late.
const ROUNDS: Duration = Duration::from_millis(100);

/// Takes its share of what waits, publishes it, and answers each publisher as its confirm comes. A message alone waits for no company.
pub(super) struct Lane {
    pub(super) outbox: Arc<Outbox>,
    pub(super) link: Arc<Link>,
    pub(super) keeper: Arc<Mutex<Keeper>>,
    /// How many lanes share the outbox.
    pub(super) lanes: usize,
}

/// Why a channel is of no more use.
enum Gone {
    /// The connection is.
    Link(Error),
    /// The broker closed it, for a reason if it gave one.
    Closed(Option<(u16, String)>),
    /// Confirms stayed away until nobody waited for them any more.
    Overdue,
}

impl Lane {
    pub(super) async fn open(&self) -> Result<Channel, Error> {
        let channel = self.link.channel().await?;
        self.link.step(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    /// Publishes until the connection is lost.
    pub(super) async fn run(self, mut channel: Channel) -> Error {
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
            channel = match self.open().await {
                Ok(channel) => channel,
                Err(error) => return error,
            };
        }
    }

    async fn publish_on(&self, channel: &Channel, backoff: &mut Backoff, told: &mut Option<u16>) -> Gone {
        let mut flight = Flight::new(&self.link, &self.outbox, channel);
        let gone = match self.keep_busy(&mut flight, backoff, told).await {
            // Whatever failed first may not know why; another of them may.
            Gone::Closed(None) => flight.poll_all().map_or_else(|error| self.gone(error), |()| Gone::Closed(None)),
            gone => gone,
        };
        let _ = flight.poll_all();
        flight.judge(match &gone {
            Gone::Closed(Some((code, _))) => Some(*code),
            Gone::Closed(None) | Gone::Link(_) | Gone::Overdue => None,
        });
        gone
    }

    /// Launches what waits, and answers as it lands, until the channel is of no more use.
    async fn keep_busy(&self, flight: &mut Flight<'_>, backoff: &mut Backoff, told: &mut Option<u16>) -> Gone {
        let lost = self.link.lost();
        tokio::pin!(lost);
        let mut rounds = interval(ROUNDS);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whether this lane has its share of what waits.
        let mut full = false;
        loop {
            let landed = tokio::select! {
                biased;
                error = &mut lost => return Gone::Link(error),
                landed = flight.some_landed(), if !flight.is_empty() => landed,
                turn = self.turn(), if !full && flight.takes_more() => match self.hand_over(turn, flight).await {
                    Ok(enough) => {
                        full = enough;
                        continue;
                    }
                    Err(error) => return self.gone(error),
                },
                _ = rounds.tick(), if !flight.is_empty() => {
                    if flight.is_overdue() {
                        return Gone::Overdue;
                    }
                    // What is its share grows with what waits.
                    full = false;
                    continue;
                }
            };
            if let Err(error) = landed {
                return self.gone(error);
            }
            full = false;
            backoff.reset();
            *told = None;
        }
    }

    /// Resolves when it is this lane's turn to hand something over, and the broker takes it.
    async fn turn(&self) -> Turn<'_> {
        if self.link.is_blocked() {
            self.link.until_blocked(false).await;
        }
        self.outbox.turn().await
    }

    /// Launches this lane's share of what waits; whether it had it already.
    async fn hand_over(&self, turn: Turn<'_>, flight: &mut Flight<'_>) -> lapin::Result<bool> {
        // Whoever is about to publish is in line when this goes on: they share a write.
        yield_now().await;
        if self.link.is_blocked() || !flight.takes_more() {
            return Ok(false);
        }
        let (tickets, left) = turn.take(self.lanes, flight.load());
        let enough = tickets.is_empty() && left;
        flight.launch(tickets)?;
        Ok(enough)
    }

    fn gone(&self, error: lapin::Error) -> Gone {
        match self.link.is_connected() {
            true => Gone::Closed(reply(&error).map(|(code, words)| (code, words.to_owned()))),
            false => Gone::Link(Error::lost(error)),
        }
    }

    /// Makes good for what closed a channel, as far as that can be done: 404 is a missing exchange. 403 is an exchange that this user may not write to,
    /// which only a publish shows.
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
        if code == 403 {
            self.outbox.refuse(words.clone());
        }
        let again = Error::Lost { reason: words };
        sleep(backoff.next_delay(&again)).await;
        if code == 404 {
            self.keeper.lock().await.assert(&self.link).await?;
        }
        Ok(())
    }
}
