//! One channel and its only publisher.

use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use lapin::options::ConfirmSelectOptions;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use super::flight::Flight;
use super::outbox::{Batch, Outbox};
use super::{Answer, PublishError};
use crate::Error;
use crate::backoff::Backoff;
use crate::error::reply;
use crate::link::Link;
use crate::topology::Topology;

/// How long confirms are waited for at least, though nobody should wait for them any more: a new channel costs more than that.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Takes what waits, a batch at a time: publishes it, awaits every confirm, and only then answers. A message alone waits for no company.
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
        let lost = self.link.lost();
        tokio::pin!(lost);
        loop {
            tokio::select! {
                biased;
                error = &mut lost => return Gone::Link(error),
                () = self.work() => {}
            }
            let batch = self.outbox.take(self.lanes);
            if batch.tickets.is_empty() {
                continue;
            }
            if let Err(gone) = self.confirm(channel, batch, lost.as_mut()).await {
                return gone;
            }
            backoff.reset();
            *told = None;
        }
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

    async fn confirm(
        &self,
        channel: &Channel,
        mut batch: Batch<'_>,
        lost: impl Future<Output = Error>,
    ) -> Result<(), Gone> {
        let Some(latest) = batch.tickets.iter().map(|ticket| ticket.deadline).max() else { return Ok(()) };
        let count = batch.tickets.len();
        let (mut flight, launched) = Flight::launch(channel, &mut batch.tickets);
        let outcome = match launched {
            Err(error) => Err(self.gone(error)),
            Ok(()) => tokio::select! {
                biased;
                landed = flight.landed() => landed.map_err(|error| self.gone(error)),
                error = lost => Err(Gone::Link(error)),
                () = self.overdue(latest) => Err(Gone::Overdue),
            },
        };
        if outcome.is_err() {
            flight.give_up();
        }
        let verdict = flight.judge(count);
        let mut answers = verdict.answers(batch.tickets.iter().map(|ticket| &*ticket.outgoing));
        if let Err(Gone::Closed(Some((code, _)))) = &outcome {
            find_offender(*code, &mut batch, &mut answers);
        }
        batch.answer(answers);
        outcome
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

/// A message that offends the broker, being too large or forbidden, closes the channel for its whole batch. So those without an answer are
/// sent again each on its own, and the one that offends on its own is rejected.
fn find_offender(code: u16, batch: &mut Batch<'_>, answers: &mut [Option<Answer>]) {
    // A missing exchange is no message's fault.
    if code == 404 {
        return;
    }
    match answers {
        [only] => *only = only.or(Some(Err(PublishError::Rejected))),
        _ => batch.tickets.iter_mut().for_each(|ticket| ticket.alone = true),
    }
}
