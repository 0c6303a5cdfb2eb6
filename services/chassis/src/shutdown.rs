//! The wish to stop: asked for once, heard by everybody who holds a handle.

use std::time::Duration;

use tokio::sync::watch;

use crate::Deadline;

/// Asks a process, or in a test an app, to stop. Dropping it asks too.
#[derive(Debug)]
pub struct Stop {
    asked: watch::Sender<Option<Deadline>>,
    timeout: Duration,
}

/// Hears that the process should stop, and by when.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: watch::Receiver<Option<Deadline>>,
    timeout: Duration,
}

impl Shutdown {
    /// A pair: who asks, and who hears. `timeout` is the time between the asking and the deadline.
    pub fn new(timeout: Duration) -> (Stop, Self) {
        let (sender, receiver) = watch::channel(None);
        (Stop { asked: sender, timeout }, Self { asked: receiver, timeout })
    }

    /// Waits until the process should stop; gives the deadline, which counts from the asking.
    ///
    /// If dropped, nothing is lost: it can be asked again.
    pub async fn requested(&self) -> Deadline {
        let mut asked = self.asked.clone();
        let heard = asked.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
        heard.unwrap_or_else(|| Deadline::after(self.timeout))
    }

    /// Whether it has been asked for.
    pub fn is_requested(&self) -> bool {
        self.asked.borrow().is_some()
    }
}

impl Stop {
    /// Asks. The first call sets the deadline; later ones change nothing.
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
