//! The registry of a process, with what is known of every process.

use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGaugeVec, Opts, Registry};

/// The revision that was built, where the build says it.
const REVISION: &str = match option_env!("WARREN_REVISION") {
    Some(revision) => revision,
    None => "",
};

/// A registry with process metrics and `warren_build_info`.
pub(crate) fn registry(service: &str) -> Registry {
    let registry = Registry::new();
    let build = Opts::new("warren_build_info", "What runs: always 1, the facts are in the labels.");
    let build = IntGaugeVec::new(build, &["service", "version", "revision"]).expect("the labels are valid");
    build.with_label_values(&[service, env!("CARGO_PKG_VERSION"), REVISION]).set(1);
    registry.register(Box::new(build)).expect("the registry is new");
    registry.register(Box::new(ProcessCollector::for_self())).expect("the registry is new");
    registry
}
