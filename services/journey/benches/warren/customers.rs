//! Two kinds of customers of the order service: some order again when a mail has come, others order at a steady rate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use journey::SmtpServer;
use serde_json::Value;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::load::{self, Client};
use crate::sample;

/// The number of customers, each with a connection of its own. So it is also the most orders under way at once.
const CUSTOMERS: usize = 256;

/// An order that was accepted.
pub(crate) struct Accepted {
    /// The id of its event, which its mail names too.
    pub(crate) event: Uuid,
    /// When its request began, or should have begun.
    pub(crate) begun: SystemTime,
    /// When its `202` was read.
    pub(crate) answered: SystemTime,
}

/// Places `total` orders. Whenever a mail comes, a customer places the next order. Returns mails a second.
pub(crate) async fn order_after_mails(address: SocketAddr, smtp: &SmtpServer, total: usize) -> f64 {
    let earlier = smtp.look(<[_]>::len);
    let (room, left) = (Arc::new(Semaphore::new(CUSTOMERS)), Arc::new(AtomicUsize::new(total)));
    let started = Instant::now();
    for _ in 0..CUSTOMERS {
        let (room, left) = (Arc::clone(&room), Arc::clone(&left));
        tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            loop {
                room.acquire().await.expect("it is never closed").forget();
                if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_err() {
                    return;
                }
                place(&mut client).await;
            }
        });
    }
    let mut mailed = 0;
    while mailed < total {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let now = smtp.look(<[_]>::len) - earlier;
        room.add_permits(now - mailed);
        mailed = now;
        assert!(started.elapsed() < Duration::from_secs(120), "{mailed} of {total} mails came");
    }
    total as f64 / started.elapsed().as_secs_f64()
}

/// Places `total` orders at `rate` a second, and waits for no mail.
pub(crate) async fn order_steadily(address: SocketAddr, rate: f64, total: usize) -> Vec<Accepted> {
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let customer = || {
        let next = Arc::clone(&next);
        tokio::spawn(async move {
            let (mut client, mut accepted) = (Client::connect(address).await, Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return accepted;
                }
                let begun = wait_until(start + Duration::from_secs_f64(number as f64 / rate)).await;
                let event = place(&mut client).await;
                accepted.push(Accepted { event, begun, answered: SystemTime::now() });
            }
        })
    };
    let customers: Vec<_> = (0..CUSTOMERS).map(|_| customer()).collect();
    let mut accepted = Vec::with_capacity(total);
    for customer in customers {
        accepted.extend(customer.await.expect("a customer panicked"));
    }
    accepted
}

/// Waits until `due`, and returns when the order begins. If the timer is late, that is late too. If no customer was free
/// at `due`, it is `due`.
async fn wait_until(due: Instant) -> SystemTime {
    let late = due.elapsed();
    if late.is_zero() {
        tokio::time::sleep_until(due.into()).await;
    }
    SystemTime::now() - late
}

/// Places one order with a key, and returns the id of its event, which is derived from the order's id.
async fn place(client: &mut Client) -> Uuid {
    let key = format!("idempotency-key: {}\r\n", Uuid::now_v7());
    let answer: Value = serde_json::from_slice(client.post(&load::request(sample::ORDER, &key)).await).expect("JSON");
    let order: Uuid = answer["id"].as_str().and_then(|id| id.parse().ok()).expect("an accepted order has an id");
    Uuid::new_v5(&order, b"order.placed")
}
