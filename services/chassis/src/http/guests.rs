//! The connections that a server has let in, and which of them go when others wait at the door.

use std::collections::HashMap;
use std::future::pending;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Instant;

use super::pace::Pace;

/// Of a full server's places, one in so many is made free at a time: looking for whom to send away is dear.
const SHARE: usize = 16;

/// Connections under way. Dropping them cuts them all.
#[derive(Debug, Default)]
pub(super) struct Guests {
    connections: JoinSet<()>,
    paces: HashMap<Id, (Pace, AbortHandle)>,
}

impl Guests {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.connections.len()
    }

    /// Lets one more in, whose pace is `pace`.
    pub(super) fn admit(&mut self, pace: Pace, connection: impl Future<Output = ()> + Send + 'static) {
        let handle = self.connections.spawn(connection);
        self.paces.insert(handle.id(), (pace, handle));
    }

    /// Waits until one has gone, and for ever if nobody is there.
    pub(super) async fn gone(&mut self) {
        let Some(ended) = self.connections.join_next_with_id().await else { return pending().await };
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.paces.remove(&id);
    }

    /// Cuts those that have kept the server waiting the longest, and longer than `patience`. Whether there are any.
    pub(super) fn send_away(&mut self, patience: Duration) -> bool {
        // Those that were sent away before are still on their way out.
        if self.connections.len() > self.paces.len() {
            return true;
        }
        let Some(before) = Instant::now().checked_sub(patience) else { return false };
        let waiting = self.paces.iter().filter_map(|(id, (pace, _))| Some((pace.waiting_since()?, *id)));
        let mut waiting: Vec<_> = waiting.filter(|(since, _)| *since <= before).collect();
        waiting.sort_unstable_by_key(|(since, _)| *since);
        for (_, id) in waiting.iter().take(self.paces.len().div_ceil(SHARE)) {
            if let Some((_, connection)) = self.paces.remove(id) {
                connection.abort();
            }
        }
        !waiting.is_empty()
    }

    /// Waits until all have gone.
    pub(super) async fn all_gone(mut self) {
        while self.connections.join_next().await.is_some() {}
    }
}
