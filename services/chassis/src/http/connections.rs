//! The connections of a server. It decides which of them close when new clients wait.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use super::pace::{Pace, Stage};

/// To search for the connections that have waited longest is expensive. One search finds one in this many of a full
/// server's places.
const SHARE: usize = 16;

/// How soon a full server looks again for a connection to close, when all its clients were being served, or when the
/// one that it asked has not closed because the rest of its request came or the machine is slow.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Connections under way. Dropping them cuts them all.
#[derive(Debug, Default)]
pub(super) struct Connections {
    connections: JoinSet<()>,
    paces: HashMap<Id, Pace>,
    /// The connections that had waited longest at the last search, each with since when and for what.
    next_to_close: VecDeque<(Id, Wait)>,
    /// The connection that was last asked to close, and when.
    asked: Option<(Id, Wait, Instant)>,
}

/// Since when a connection waits for its client, and for what.
type Wait = (Instant, Stage);

impl Connections {
    /// The number of connections.
    pub(super) fn count(&self) -> usize {
        self.connections.len()
    }

    /// Adds a connection with this pace.
    pub(super) fn admit(&mut self, pace: Pace, connection: impl Future<Output = ()> + Send + 'static) {
        let id = self.connections.spawn(connection).id();
        self.paces.insert(id, pace);
    }

    /// Waits until a connection has closed; for ever if there is none.
    pub(super) async fn closed(&mut self) {
        let Some(ended) = self.connections.join_next_with_id().await else { return pending().await };
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.paces.remove(&id);
    }

    /// Asks the connection to close that has waited longest for its client, if it waited longer than `patience`.
    /// Returns when to look again, unless a connection closes before.
    pub(super) fn make_room(&mut self, patience: Duration) -> Instant {
        let now = Instant::now();
        if let Some((id, wait, since)) = self.asked
            && now < since + LOOK_AGAIN
            && self.still_waits((id, wait))
        {
            return since + LOOK_AGAIN;
        }
        let Some((id, wait)) = self.longest_waiting() else { return now + LOOK_AGAIN };
        if wait.0 + patience > now {
            return (now + LOOK_AGAIN).min(wait.0 + patience);
        }
        self.asked = Some((id, wait, now));
        self.next_to_close.pop_front();
        self.paces[&id].ask_to_close();
        now + LOOK_AGAIN
    }

    fn still_waits(&self, (id, wait): (Id, Wait)) -> bool {
        self.paces.get(&id).is_some_and(|pace| pace.waiting() == Some(wait))
    }

    fn longest_waiting(&mut self) -> Option<(Id, Wait)> {
        for looked in [false, true] {
            if looked {
                self.look();
            }
            while let Some(&next) = self.next_to_close.front() {
                if self.still_waits(next) {
                    return Some(next);
                }
                self.next_to_close.pop_front();
            }
        }
        None
    }

    /// A connection without a first byte is spared while the other connections are in the majority, so a crowd that
    /// begins requests and never ends them cannot drive out new clients. So each half of the places is safe from the
    /// clients that fill the other half.
    fn look(&mut self) {
        let waits = self.paces.iter().filter_map(|(id, pace)| Some((*id, pace.waiting()?)));
        let (fresh, begun): (Vec<_>, Vec<_>) = waits.partition(|(_, (_, stage))| *stage == Stage::Fresh);
        let spare_the_fresh = !begun.is_empty() && fresh.len() <= self.paces.len() / 2;
        let mut found = if spare_the_fresh || fresh.is_empty() { begun } else { fresh };
        found.sort_unstable_by_key(|(_, (since, _))| *since);
        found.truncate(self.paces.len().div_ceil(SHARE));
        self.next_to_close = found.into();
    }

    /// Waits until all connections have closed.
    pub(super) async fn all_closed(mut self) {
        while self.connections.join_next().await.is_some() {}
    }
}
