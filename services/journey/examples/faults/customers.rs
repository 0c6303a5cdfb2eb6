//! Careful customers: each places one order after the other, and repeats it with the same key until it is accepted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Interval, interval, sleep, timeout};

use crate::ledger::{Ledger, Wish};
use crate::till::Till;

/// How many customers place orders at once.
const CUSTOMERS: usize = 64;
/// How long a customer waits before it repeats an order.
const PAUSE: Duration = Duration::from_millis(200);
/// How long it may take until one more order is accepted, on the slowest machine and through the slowest fault.
const PATIENCE: Duration = Duration::from_secs(300);

/// Customers at work.
pub(crate) struct Customers {
    permits: Arc<Semaphore>,
    pace: Arc<Mutex<Option<Interval>>>,
    accepted: watch::Receiver<usize>,
    granted: usize,
    before_round: usize,
    _tasks: JoinSet<()>,
}

impl Customers {
    /// Makes customers of the order service on this port. They begin when they are allowed to.
    pub(crate) fn at(port: u16, seed: u64, ledger: &Arc<Ledger>) -> Self {
        let permits = Arc::new(Semaphore::new(0));
        let (sender, accepted) = watch::channel(0);
        let sender = Arc::new(sender);
        let pace = Arc::<Mutex<_>>::default();
        let mut tasks = JoinSet::new();
        for _ in 0..CUSTOMERS {
            let customer = Customer { till: Till::at(port), seed, ledger: ledger.clone(), pace: pace.clone() };
            tasks.spawn(customer.shop(permits.clone(), sender.clone()));
        }
        Self { permits, pace, accepted, granted: 0, before_round: 0, _tasks: tasks }
    }

    /// From now on all customers together begin at most so many orders a second. After an outage they make up for the orders
    /// that they could not begin.
    pub(crate) async fn keep_pace(&self, rate: u32) {
        *self.pace.lock().await = Some(interval(Duration::from_secs(1) / rate));
    }

    /// Begins a round: lets them place so many more orders.
    pub(crate) fn allow(&mut self, orders: usize) {
        self.before_round = self.granted;
        self.grant(orders);
    }

    /// Waits until so many orders were accepted since the last [`Customers::allow`].
    pub(crate) async fn accepted_in_round(&mut self, orders: usize) {
        self.accepted_in_all(self.before_round + orders).await;
    }

    /// Waits until so many more orders were accepted, or all that are allowed.
    pub(crate) async fn accepted_more(&mut self, orders: usize) {
        let goal = *self.accepted.borrow() + orders;
        self.accepted_in_all(goal.min(self.granted)).await;
    }

    /// Waits until every order that is allowed was accepted.
    pub(crate) async fn all_accepted(&mut self) {
        self.accepted_in_all(self.granted).await;
    }

    /// Lets them finish the orders that they have begun, and begin no more. Returns how many orders they had left, for
    /// [`Customers::grant`].
    pub(crate) async fn hold(&mut self) -> usize {
        let held = self.permits.forget_permits(usize::MAX >> 4);
        self.granted -= held;
        self.all_accepted().await;
        held
    }

    /// Lets them place so many more orders, in the same round.
    pub(crate) fn grant(&mut self, orders: usize) {
        self.granted += orders;
        self.permits.add_permits(orders);
    }

    /// # Panics
    /// If no order is accepted for [`PATIENCE`]: something hangs.
    async fn accepted_in_all(&mut self, goal: usize) {
        loop {
            let now = *self.accepted.borrow_and_update();
            if now >= goal {
                return;
            }
            let changed = timeout(PATIENCE, self.accepted.changed()).await;
            assert!(changed.is_ok(), "{now} of {goal} orders accepted, and none more within {PATIENCE:?}");
        }
    }
}

struct Customer {
    till: Till,
    seed: u64,
    ledger: Arc<Ledger>,
    pace: Arc<Mutex<Option<Interval>>>,
}

impl Customer {
    async fn shop(mut self, permits: Arc<Semaphore>, accepted: Arc<watch::Sender<usize>>) {
        while let Ok(permit) = permits.acquire().await {
            permit.forget();
            if let Some(pace) = &mut *self.pace.lock().await {
                pace.tick().await;
            }
            let wish = self.ledger.begin(self.seed);
            loop {
                self.ledger.sent(wish.number);
                let answer = self.till.order(&wish).await;
                if judge(&self.ledger, &wish, answer) {
                    break;
                }
                sleep(PAUSE).await;
            }
            accepted.send_modify(|count| *count += 1);
        }
    }
}

/// Notes the answer, and returns whether the order was accepted.
fn judge(ledger: &Ledger, wish: &Wish, answer: Option<(StatusCode, Bytes)>) -> bool {
    let Some((status, body)) = answer else {
        ledger.otherwise(wish.number, "unanswered".to_owned());
        return false;
    };
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    match status.as_u16() {
        202 => {
            if told["id"] != wish.order {
                ledger.odd(format!("order {} was accepted as {told}", wish.order));
            }
            ledger.accepted(wish.number);
            return true;
        }
        503 => {
            let kind = told["type"].as_str().unwrap_or_default();
            ledger.otherwise(wish.number, kind.rsplit(['/', ':', '#']).next().unwrap_or_default().to_owned());
        }
        _ => ledger.odd(format!("order {} was answered {status}: {told}", wish.order)),
    }
    false
}
