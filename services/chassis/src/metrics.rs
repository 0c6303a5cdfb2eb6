//! The metrics registry of a process, with the metrics that every process has.

use std::fs;

use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

/// The revision that was built, if the build names it.
const REVISION: &str = match option_env!("WARREN_REVISION") {
    Some(revision) => revision,
    None => "",
};

/// The files in which the kernel says how much memory this process and its neighbours may use: cgroup v2, then v1.
const MEMORY_LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// A registry with process metrics, `warren_build_info` and `warren_memory_limit_bytes`.
pub(crate) fn registry(service: &str) -> Registry {
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
