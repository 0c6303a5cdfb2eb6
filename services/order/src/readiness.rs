//! Decides whether orders should be sent to this process.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::Health;
use messaging::State;
use tokio::sync::watch;
use tokio::time::Instant;

/// Follows the publisher's state, and overlooks short troubles.
///
/// If every process left its Service as soon as the broker is away, clients would be refused connections, in place of
/// answers that say what became of their orders. And most gaps end within the time of an answer.
#[derive(Debug)]
pub(crate) struct Readiness {
    grace: Duration,
    observed: Mutex<Observed>,
}

#[derive(Debug)]
struct Observed {
    state: State,
    connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    /// There was never a connection.
    Awaited,
    Usable,
    LostAt(Instant),
}

impl Readiness {
    /// The readiness of a publisher without a connection.
    pub(crate) fn new(grace: Duration) -> Self {
        let observed = Observed { state: State::Connecting { reason: None }, connection: Connection::Awaited };
        Self { grace, observed: Mutex::new(observed) }
    }

    /// Follows the publisher's states until it is gone.
    pub(crate) async fn follow(&self, mut states: watch::Receiver<State>) {
        loop {
            let state = states.borrow_and_update().clone();
            self.see(state);
            if states.changed().await.is_err() {
                return;
            }
        }
    }

    /// The answer of `/readyz`. It shows the state at once, and is unready only after the grace.
    pub(crate) fn health(&self) -> Health {
        let observed = self.lock();
        let ready = match observed.connection {
            Connection::Awaited => false,
            Connection::Usable => true,
            Connection::LostAt(since) => since.elapsed() < self.grace,
        };
        Health::of(&observed.state, ready)
    }

    fn see(&self, state: State) {
        let mut observed = self.lock();
        observed.connection = match (&state, observed.connection) {
            // Something may be wrong without which orders can go on. They are taken, and the state says so.
            (state, _) if state.is_serving() => Connection::Usable,
            (_, Connection::Usable) => Connection::LostAt(Instant::now()),
            (_, connection) => connection,
        };
        observed.state = state;
    }

    fn lock(&self) -> MutexGuard<'_, Observed> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn away() -> State {
        State::Connecting { reason: Some("connection refused".to_owned()) }
    }

    fn conflict(serving: bool) -> State {
        State::TopologyConflict { reason: "queue \"q\" differs".to_owned(), serving }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_as_long_as_orders_are_taken_whatever_else_is_amiss() {
        let readiness = Readiness::new(GRACE);
        readiness.see(conflict(true));
        advance(GRACE * 2).await;
        let health = readiness.health();
        assert_eq!((health.ready, health.state), (true, "topology-conflict"));
        assert_eq!(health.reason.as_deref(), Some("queue \"q\" differs"));
        readiness.see(conflict(false));
        assert!(readiness.health().ready, "within the grace");
        advance(GRACE).await;
        assert!(!readiness.health().ready);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_first_connection_it_is_never_ready() {
        let readiness = Readiness::new(GRACE);
        assert!(!readiness.health().ready);
        for state in [away(), State::Blocked, conflict(false)] {
            readiness.see(state.clone());
            let health = readiness.health();
            assert_eq!((health.ready, health.state), (false, state.name()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_shorter_than_the_grace_keeps_it_ready_and_shows() {
        for trouble in [away(), State::Blocked] {
            let readiness = Readiness::new(GRACE);
            readiness.see(State::Connected);
            readiness.see(trouble.clone());
            advance(GRACE - Duration::from_millis(1)).await;
            let health = readiness.health();
            assert_eq!((health.ready, health.state), (true, trouble.name()));
            assert_eq!(health.reason.as_deref(), trouble.reason());
            readiness.see(State::Connected);
            advance(GRACE).await;
            assert!(readiness.health().ready);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_counts_from_the_first_trouble() {
        let readiness = Readiness::new(GRACE);
        readiness.see(State::Connected);
        readiness.see(away());
        advance(GRACE / 2).await;
        readiness.see(State::Blocked);
        advance(GRACE / 2).await;
        assert!(!readiness.health().ready);
    }

    #[tokio::test]
    async fn it_follows_the_publisher() {
        let (publisher, states) = watch::channel(away());
        let readiness = Readiness::new(GRACE);
        let follow = async {
            publisher.send(State::Connected).unwrap();
            while readiness.health().state != "connected" {
                tokio::task::yield_now().await;
            }
            drop(publisher);
        };
        tokio::join!(readiness.follow(states), follow);
        assert!(readiness.health().ready);
    }
}
