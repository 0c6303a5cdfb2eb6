//! The request to stop. It is made once, and every holder of a handle learns of it.

use std::time::Duration;

use tokio::sync::watch;

use crate::Deadline;

/// Asks a process, or an app in a test, to stop. Dropping it asks too.
#[derive(Debug)]
pub struct Stop {
    asked: watch::Sender<Option<Deadline>>,
    timeout: Duration,
}

/// Learns that the process should stop, and by when.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: watch::Receiver<Option<Deadline>>,
    timeout: Duration,
}

impl Shutdown {
    /// A pair: one asks to stop, the other learns of it. `timeout` is the time from the request to the deadline.
    pub fn new(timeout: Duration) -> (Stop, Self) {
        let (sender, receiver) = watch::channel(None);
        (Stop { asked: sender, timeout }, Self { asked: receiver, timeout })
    }

    /// Waits until the process should stop, and returns the deadline, which counts from the request.
    ///
    /// If dropped, nothing is lost: it can be called again.
    pub async fn requested(&self) -> Deadline {
        let mut asked = self.asked.clone();
        let heard = asked.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
        heard.unwrap_or_else(|| Deadline::after(self.timeout))
    }

    /// Whether the process should stop.
    pub fn is_requested(&self) -> bool {
        self.asked.borrow().is_some()
    }
}

impl Stop {
    /// Asks to stop. The first call sets the deadline; later calls change nothing.
    pub fn now(&self) {
        self.asked.send_if_modified(|asked| {
            let first = asked.is_none();
            asked.get_or_insert_with(|| Deadline::after(self.timeout));
            first
        });
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.now();
    }
}
