//! SIGTERM and SIGINT: the first asks the process to stop, the second ends it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::Stop;

/// The exit code after a second signal: the one that a shell shows for a process ended by SIGINT.
const ENDED_BY_SIGNAL: i32 = 130;

/// The two signals. They are caught from its creation on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Needs the runtime's context. Fails if the process may not catch signals.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Asks the process to stop at the first signal, and ends it at the second.
    pub(crate) async fn watch(mut self, stop: Stop) {
        let first = self.next().await;
        info!(signal = first, "stopping");
        stop.now();
        let second = self.next().await;
        warn!(signal = second, "ended at once by a second signal");
        end();
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a second signal may not wait for anything")]
fn end() -> ! {
    std::process::exit(ENDED_BY_SIGNAL)
}
