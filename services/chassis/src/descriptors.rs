//! How many files and sockets this process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many files and sockets may be open at a time, once the soft limit is raised to the hard one.
///
/// Systems keep the soft limit low for programs that use `select`; a server that keeps it turns clients away for nothing.
pub fn descriptors() -> usize {
    // A system that does not tell its limit does not keep to one either.
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return usize::MAX };
    let granted = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    };
    usize::try_from(granted).unwrap_or(usize::MAX)
}
