//! The process that a service runs in: its threads, its files, its metrics, and what the service gets from it.

use std::sync::Arc;
use std::{fs, thread};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
use tokio::runtime::{Builder, Runtime};

use crate::{Error, Health, Ops, Server, Settings, Shutdown, http, ops};

/// The process that a service runs in.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    settings: Settings,
    registry: Registry,
    shutdown: Shutdown,
}

impl Process {
    /// A process with this name. [`run`](crate::run()) makes it, and so can a test that starts an app.
    pub fn new(name: &'static str, settings: Settings, shutdown: Shutdown) -> Self {
        Self { name, registry: registry(name), settings, shutdown }
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The settings that every service has.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The registry for metrics; `/metrics` shows them.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A handle that learns when to stop.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Serves `/livez`, `/readyz` and `/metrics` on `OPS_ADDR`. Each `/readyz` calls `health`. Once the process
    /// should stop, the answer is `draining`, whatever `health` says.
    ///
    /// # Errors
    /// [`Error::AddressTaken`] and [`Error::Listen`]. They name `OPS_ADDR`.
    ///
    /// # Panics
    /// In a task, which has no `OPS_ADDR`.
    pub async fn serve_ops(&self, health: impl Fn() -> Health + Send + Sync + 'static) -> Result<Ops, Error> {
        let address = self.settings.ops_address.expect("a service has OPS_ADDR");
        let listener = http::listen("OPS_ADDR", address).await?;
        let (pages, reads) = ops::Pages::new(self.registry.clone(), self.shutdown.clone(), health);
        let pages = Arc::new(pages);
        let server = Server::start("ops", listener, ops::LIMITS, move |request| {
            let answer = pages.answer(&request);
            async move { answer }
        });
        Ok(Ops::new(server, reads, self.shutdown.clone()))
    }
}

/// The number of worker threads. More workers cost memory and wake each other; a service that needs more cores has
/// more replicas.
const MOST_WORKERS: usize = 4;

/// The number of blocking threads, for look-ups of names and reads of files, which are rare.
const BLOCKING_THREADS: usize = 4;

/// The runtime that services run on.
///
/// # Errors
/// [`Error::Runtime`]: the system gives the process no threads.
pub fn runtime() -> Result<Runtime, Error> {
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_WORKERS));
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).max_blocking_threads(BLOCKING_THREADS).enable_all();
    builder.build().map_err(Error::Runtime)
}

/// Raises the soft limit to the hard limit, and returns how many files and sockets may be open at a time.
///
/// Systems keep the soft limit low for programs that use `select`. A server that keeps the soft limit turns clients
/// away needlessly.
pub fn descriptors() -> usize {
    // A system that does not report its limit does not enforce one either.
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return usize::MAX };
    let granted = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    };
    usize::try_from(granted).unwrap_or(usize::MAX)
}

/// The revision that was built, if the build names it.
const REVISION: &str = match option_env!("WARREN_REVISION") {
    Some(revision) => revision,
    None => "",
};

/// The files in which the kernel says how much memory this process and its neighbours may use: cgroup v2, then v1.
const MEMORY_LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// A registry with process metrics, `warren_build_info` and `warren_memory_limit_bytes`.
fn registry(service: &str) -> Registry {
    let registry = Registry::new();
    let build = Opts::new("warren_build_info", "What runs: always 1, the facts are in the labels.");
    let build = IntGaugeVec::new(build, &["service", "version", "revision"]).expect("the labels are valid");
    build.with_label_values(&[service, env!("CARGO_PKG_VERSION"), REVISION]).set(1);
    registry.register(Box::new(build)).expect("the registry is new");
    let help = "How much memory the process may have before it is killed, in bytes; 0 without a limit.";
    let limit = IntGauge::new("warren_memory_limit_bytes", help).expect("the name is valid");
    limit.set(memory_limit(MEMORY_LIMITS.iter().find_map(|path| fs::read_to_string(path).ok())));
    registry.register(Box::new(limit)).expect("the registry is new");
    registry.register(Box::new(ProcessCollector::for_self())).expect("the registry is new");
    registry
}

/// Reads the kernel's limit. It is 0 for `max`, and for a number larger than any machine's memory, by which v1 means
/// no limit.
fn memory_limit(said: Option<String>) -> i64 {
    let limit = said.and_then(|said| said.trim().parse().ok());
    limit.filter(|&limit| limit < 1 << 50).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_memory_is_shown_only_where_there_is_one() {
        let said = |words: &str| memory_limit(Some(words.to_owned()));
        assert_eq!(said("167772160\n"), 167_772_160);
        assert_eq!((said("max\n"), said("9223372036854771712\n"), said("18446744073709551615\n")), (0, 0, 0));
        assert_eq!(memory_limit(None), 0);
    }
}
