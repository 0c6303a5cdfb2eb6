//! Keeps idle sessions for the next mails.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::session::Session;

/// The longest that a session is kept. It is shorter than any server's own limit (RFC 5321 asks for five minutes),
/// and than the time after which a device on the way forgets a silent connection.
const KEPT: Duration = Duration::from_secs(30);

/// The idle sessions, the latest last.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<(Instant, Session)>>);

impl Idle {
    /// Takes the session that was used last, so that the others grow old.
    pub(super) fn take(&self) -> Option<Session> {
        self.sessions().pop().map(|(_, session)| session)
    }

    pub(super) fn park(&self, session: Session) {
        self.sessions().push((Instant::now(), session));
    }

    /// The number of idle sessions.
    pub(super) fn count(&self) -> usize {
        self.sessions().len()
    }

    /// Drops all of them. One was found dead, and its cause probably killed the others.
    pub(super) fn clear(&self) {
        self.sessions().clear();
    }

    /// Removes those that were idle for too long.
    pub(super) fn take_old(&self) -> Vec<Session> {
        let mut sessions = self.sessions();
        let old = sessions.partition_point(|(since, _)| since.elapsed() > KEPT);
        sessions.drain(..old).map(|(_, session)| session).collect()
    }

    /// Removes all of them.
    pub(super) fn take_all(&self) -> Vec<Session> {
        self.sessions().drain(..).map(|(_, session)| session).collect()
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<(Instant, Session)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
