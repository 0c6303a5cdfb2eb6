//! The connections that a server has let in, and which of them go when others wait at the door.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use super::pace::{Pace, Stage};

/// Looking for those who have waited the longest is dear: so many of a full server's places are found at a time, one in so many.
const SHARE: usize = 16;

/// Until a full server looks again whom it can send away: where all its clients are being served, and where the one that it asked
/// to go has not gone, because the rest of its request came or the machine is slow.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Connections under way. Dropping them cuts them all.
#[derive(Debug, Default)]
pub(super) struct Guests {
    connections: JoinSet<()>,
    paces: HashMap<Id, Pace>,
    /// Who has waited the longest when it was looked last, since when and for what.
    next_to_go: VecDeque<(Id, Wait)>,
    /// Who was asked to go last, and when.
    asked: Option<(Id, Wait, Instant)>,
}

/// Since when a connection waits for its client, and for what.
type Wait = (Instant, Stage);

impl Guests {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.connections.len()
    }

    /// Lets one more in, whose pace is `pace`.
    pub(super) fn admit(&mut self, pace: Pace, connection: impl Future<Output = ()> + Send + 'static) {
        let id = self.connections.spawn(connection).id();
        self.paces.insert(id, pace);
    }

    /// Waits until one has gone, and for ever if nobody is there.
    pub(super) async fn gone(&mut self) {
        let Some(ended) = self.connections.join_next_with_id().await else { return pending().await };
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.paces.remove(&id);
    }

    /// Asks the one to go that has waited the longest for its client, if that is longer than `patience`. Gives the time to look
    /// again, unless somebody has gone before.
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
        self.next_to_go.pop_front();
        self.paces[&id].ask_to_go();
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
            while let Some(&next) = self.next_to_go.front() {
                if self.still_waits(next) {
                    return Some(next);
                }
                self.next_to_go.pop_front();
            }
        }
        None
    }

    /// Who has said nothing yet is spared while the others are the more: a crowd that begins requests and never ends them cannot
    /// drive out those who have just come. So each half of the places is safe from what fills the other.
    fn look(&mut self) {
        let waits = self.paces.iter().filter_map(|(id, pace)| Some((*id, pace.waiting()?)));
        let (fresh, begun): (Vec<_>, Vec<_>) = waits.partition(|(_, (_, stage))| *stage == Stage::Fresh);
        let spare_the_fresh = !begun.is_empty() && fresh.len() <= self.paces.len() / 2;
        let mut found = if spare_the_fresh || fresh.is_empty() { begun } else { fresh };
        found.sort_unstable_by_key(|(_, (since, _))| *since);
        found.truncate(self.paces.len().div_ceil(SHARE));
        self.next_to_go = found.into();
    }

    /// Waits until all have gone.
    pub(super) async fn all_gone(mut self) {
        while self.connections.join_next().await.is_some() {}
    }
}
