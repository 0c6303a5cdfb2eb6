//! How many files and sockets this process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

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
