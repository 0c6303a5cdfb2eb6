//! Sessions that wait for the next mail.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::session::Session;

/// Shorter than any server's own limit (RFC 5321 asks for five minutes), and than what forgets a silent
/// connection on the way.
const KEPT: Duration = Duration::from_secs(30);

/// The sessions nobody uses right now, the latest last.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<(Instant, Session)>>);

impl Idle {
    /// The session used last: the others get the chance to grow old.
    pub(super) fn take(&self) -> Option<Session> {
        self.sessions().pop().map(|(_, session)| session)
    }

    pub(super) fn park(&self, session: Session) {
        self.sessions().push((Instant::now(), session));
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.sessions().len()
    }

    /// Drops them all: one was found dead, and what killed it killed the others.
    pub(super) fn clear(&self) {
        self.sessions().clear();
    }

    /// Takes out those that waited too long.
    pub(super) fn take_old(&self) -> Vec<Session> {
        let mut sessions = self.sessions();
        let old = sessions.partition_point(|(since, _)| since.elapsed() > KEPT);
        sessions.drain(..old).map(|(_, session)| session).collect()
    }

    /// Takes out every one.
    pub(super) fn take_all(&self) -> Vec<Session> {
        self.sessions().drain(..).map(|(_, session)| session).collect()
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<(Instant, Session)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
