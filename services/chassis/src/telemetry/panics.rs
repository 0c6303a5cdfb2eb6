//! Logs panics.

use std::panic::{self, PanicHookInfo};

use tracing::error;

/// From now on, a panic is one line of the log, in the log's format, and not several lines on stderr.
pub(super) fn log_them() {
    panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(at, "panicked: {}", reason(panic));
    }));
}

fn reason<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    let text = panic.payload().downcast_ref::<&str>().copied();
    text.or_else(|| panic.payload().downcast_ref::<String>().map(String::as_str))
        .unwrap_or("for a reason that is no text")
}
