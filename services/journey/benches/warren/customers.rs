//! Customers of the order service who are told when their mail has come, and customers who come at a steady pace.

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

/// The most orders under way at once, each customer on a connection of its own.
const CUSTOMERS: usize = 256;

/// An order that was accepted.
pub(crate) struct Accepted {
    /// The event, and so the mail.
    pub(crate) event: Uuid,
    /// When its request began, or should have begun.
    pub(crate) begun: SystemTime,
    /// When its `202` was read.
    pub(crate) answered: SystemTime,
}

/// Each customer places its next order when a mail has come for one of theirs, `total` of them. Mails a second.
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

/// Places `total` orders, `rate` a second, whatever becomes of them.
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

/// Where the timer comes late, the order begins late; where nobody was free, it should have begun at `due`.
async fn wait_until(due: Instant) -> SystemTime {
    let late = due.elapsed();
    if late.is_zero() {
        tokio::time::sleep_until(due.into()).await;
    }
    SystemTime::now() - late
}

/// Places one order and gives back the id of its event, which follows from the order's where there is a key.
async fn place(client: &mut Client) -> Uuid {
    let key = format!("idempotency-key: {}\r\n", Uuid::now_v7());
    let answer: Value = serde_json::from_slice(client.post(&load::request(sample::ORDER, &key)).await).expect("JSON");
    let order: Uuid = answer["id"].as_str().and_then(|id| id.parse().ok()).expect("an accepted order has an id");
    Uuid::new_v5(&order, b"order.placed")
}
