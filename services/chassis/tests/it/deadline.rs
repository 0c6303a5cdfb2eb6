//! The wish to stop, and the time it leaves.

use std::future::pending;
use std::time::Duration;

use chassis::{Deadline, Shutdown};
use tokio::time::{advance, sleep};

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_from_the_asking_and_not_from_the_hearing() {
    let (stop, shutdown) = Shutdown::new(Duration::from_secs(25));
    assert!(!shutdown.is_requested());
    stop.now();
    advance(Duration::from_secs(5)).await;
    stop.now();
    assert!(shutdown.is_requested());
    assert_eq!(shutdown.requested().await.left(), Duration::from_secs(20));
    assert_eq!(shutdown.clone().requested().await.left(), Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_hear_it() {
    let (stop, shutdown) = Shutdown::new(Duration::from_secs(25));
    let waiting: Vec<_> =
        (0..3).map(|_| shutdown.clone()).map(|s| tokio::spawn(async move { s.requested().await })).collect();
    drop(stop);
    for waiting in waiting {
        waiting.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn steps_share_one_deadline() {
    let deadline = Deadline::after(Duration::from_secs(10));
    assert_eq!(deadline.step("quick", sleep(Duration::from_secs(4))).await, Some(()));
    assert_eq!(deadline.left(), Duration::from_secs(6));
    assert_eq!(deadline.step("stuck", pending::<()>()).await, None);
    assert_eq!(deadline.left(), Duration::ZERO);
    assert_eq!(deadline.step("late but quick", async { 1 }).await, Some(1));
}
