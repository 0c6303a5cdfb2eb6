//! Waits for a condition, never for a time.

use std::{
    fmt::Debug,
    future::Future,
    time::{Duration, Instant},
};

/// How long anything may take on a slow machine. A condition that holds sooner ends the wait at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Awaits a future that has to end by itself.
///
/// # Panics
/// After a minute, with `what` was awaited.
pub async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    let ended = tokio::time::timeout(PATIENCE, future).await;
    ended.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Asks `observe` again and again until `holds` is true of its answer, and returns that answer.
///
/// # Panics
/// After a minute, with `what` was awaited and the last answer.
pub async fn eventually<T: Debug, F: Future<Output = T>>(
    what: &str,
    observe: impl FnMut() -> F,
    holds: impl Fn(&T) -> bool,
) -> T {
    eventually_within(PATIENCE, what, observe, holds).await
}

/// The same with a longer limit, for what is slow by nature or under the test's own load.
///
/// # Panics
/// When it is at its end.
pub async fn eventually_within<T: Debug, F: Future<Output = T>>(
    patience: Duration,
    what: &str,
    mut observe: impl FnMut() -> F,
    holds: impl Fn(&T) -> bool,
) -> T {
    let begun = Instant::now();
    loop {
        let seen = tokio::time::timeout(patience, observe()).await;
        let seen = seen.unwrap_or_else(|_| panic!("{what}: nobody could look within {patience:?}"));
        if holds(&seen) {
            return seen;
        }
        assert!(begun.elapsed() < patience, "{what}: not within {patience:?}; last seen: {seen:?}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
