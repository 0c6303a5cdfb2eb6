//! Careful customers: each places orders one after the other and repeats, with the same key, what was not accepted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use journey::{Request, World, an_order, eventually};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// How many place orders at once.
const CUSTOMERS: usize = 8;

/// Customers at work.
pub(crate) struct Customers {
    enough: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<BTreeSet<String>>>,
}

impl Customers {
    /// Sends them to the order service that listens on this port of 127.0.0.1, now or later.
    pub(crate) fn at(port: u16) -> Self {
        let (enough, accepted) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let customer = || tokio::spawn(shop(port, Arc::clone(&enough), Arc::clone(&accepted)));
        let tasks = (0..CUSTOMERS).map(|_| customer()).collect();
        Self { enough, accepted, tasks }
    }

    /// Waits until `more` orders have been accepted from now on.
    pub(crate) async fn get_accepted(&self, more: usize) {
        let goal = self.accepted.load(Ordering::SeqCst) + more;
        let accepted = || std::future::ready(self.accepted.load(Ordering::SeqCst));
        eventually(&format!("{more} more orders are accepted"), accepted, |now| *now >= goal).await;
    }

    /// Lets each finish its order, however often it has to repeat it, and returns the ids of all.
    pub(crate) async fn finish(self) -> BTreeSet<String> {
        self.enough.store(true, Ordering::SeqCst);
        let mut ids = BTreeSet::new();
        for task in self.tasks {
            ids.extend(task.await.expect("a customer does not panic"));
        }
        ids
    }
}

async fn shop(port: u16, enough: Arc<AtomicBool>, accepted: Arc<AtomicUsize>) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    while !enough.load(Ordering::SeqCst) {
        ids.insert(insist(port, &Uuid::now_v7().to_string()).await);
        accepted.fetch_add(1, Ordering::SeqCst);
    }
    ids
}

/// Repeats one order with the same key until it is accepted, and returns its id.
pub(crate) async fn insist(port: u16, key: &str) -> String {
    let place = || Request::post(port, "/orders", &an_order()).header("idempotency-key", key).try_send();
    let accepted = |answer: &Result<journey::Answer, String>| answer.as_ref().is_ok_and(|answer| answer.status == 202);
    let answer = eventually("an order that is repeated is accepted", place, accepted).await.expect("it was awaited");
    answer.json()["id"].as_str().expect("an accepted order has an id").to_owned()
}

/// The ids of the orders that were mailed, as often as they were.
pub(crate) fn mailed(mails: &[String]) -> Vec<String> {
    let id = |mail: &String| Some(mail.strip_prefix("order ")?.split(' ').next()?.to_owned());
    mails.iter().filter_map(id).collect()
}

/// Waits until every order of `due` was mailed by the email process that runs, and fails if it mailed one that is not in
/// `sent`.
pub(crate) async fn reconcile(world: &World, due: &BTreeSet<String>, sent: &BTreeSet<String>) {
    let lost = async |world: &World| {
        let mailed: BTreeSet<_> = mailed(&world.mails()).into_iter().collect();
        due.difference(&mailed).cloned().collect::<Vec<_>>()
    };
    world.eventually("every accepted order is mailed", lost, Vec::is_empty).await;
    let invented: Vec<_> = mailed(&world.mails()).into_iter().filter(|id| !sent.contains(id)).collect();
    assert!(invented.is_empty(), "mailed, and sent by nobody: {invented:?}");
}
