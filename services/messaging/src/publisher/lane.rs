//! One channel and its only publisher.

use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use lapin::options::ConfirmSelectOptions;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use super::flight::Flight;
use super::outbox::Outbox;
use crate::Error;
use crate::backoff::Backoff;
use crate::error::reply;
use crate::link::Link;
use crate::topology::Topology;

/// How long confirms are waited for at least, though nobody should wait for them any more: a new channel costs more than that.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Takes its share of what waits, publishes it, and answers each publisher as its confirm comes. A message alone waits for no company.
pub(super) struct Lane {
    pub(super) outbox: Arc<Outbox>,
    pub(super) link: Arc<Link>,
    pub(super) topology: Arc<Topology>,
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
        let (lost, overdue) = (self.link.lost(), self.overdue(Instant::now()));
        tokio::pin!(lost, overdue);
        // Until when somebody waits for what is on its way, and until when `overdue` sleeps.
        let (mut latest, mut asleep) = (Instant::now(), Instant::now());
        // Whether this lane has its share of what waits.
        let mut full = false;
        let gone = loop {
            tokio::select! {
                biased;
                error = &mut lost => break Gone::Link(error),
                landed = flight.landed(), if flight.len() > 0 => match landed {
                    Ok(()) => {
                        backoff.reset();
                        (*told, full) = (None, false);
                    }
                    Err(error) => break self.gone(error),
                },
                () = self.work(), if !full && flight.has_room() => {
                    // Whoever is about to publish has his message in line when this goes on: they share a write.
                    yield_now().await;
                    let tickets = self.outbox.take(self.lanes, flight.len());
                    full = tickets.is_empty() && !self.outbox.is_empty();
                    latest = tickets.iter().map(|ticket| ticket.deadline).fold(latest, Instant::max);
                    if let Err(error) = flight.launch(tickets) {
                        break self.gone(error);
                    }
                }
                () = &mut overdue, if flight.len() > 0 => {
                    if asleep == latest {
                        break Gone::Overdue;
                    }
                    // Others were launched since.
                    asleep = latest;
                    overdue.set(self.overdue(latest));
                }
            }
        };
        flight.end(match &gone {
            Gone::Closed(Some((code, _))) => Some(*code),
            _ => None,
        });
        gone
    }

    /// Resolves when something waits, and the broker takes it.
    async fn work(&self) {
        loop {
            self.outbox.arrival().await;
            if !self.link.is_blocked() {
                return;
            }
            self.link.until_blocked(false).await;
        }
    }

    /// Resolves when the last one who waited has given up. While an alarm lasts no other channel could do better.
    async fn overdue(&self, latest: Instant) {
        sleep_until(latest.max(Instant::now() + LEAST_WAIT)).await;
        while self.link.is_blocked() {
            self.link.until_blocked(false).await;
            // What the alarm held back is confirmed now.
            sleep(LEAST_WAIT).await;
        }
    }

    fn gone(&self, error: lapin::Error) -> Gone {
        match self.link.is_connected() {
            true => Gone::Closed(reply(&error).map(|(code, words)| (code, words.to_owned()))),
            false => Gone::Link(Error::lost(error)),
        }
    }

    /// Makes good for what closed a channel, as far as that can be done: 404 is a missing exchange.
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
        let again = Error::Lost { reason: words };
        sleep(backoff.next_delay(&again)).await;
        if code == 404 { self.topology.assert(&self.link).await } else { Ok(()) }
    }
}
