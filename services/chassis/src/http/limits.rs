//! What one HTTP server grants its clients.

use std::time::Duration;

/// Bounds on connections, sizes and waits. A body's size and time are the service's to bound: only it knows them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; more wait in the kernel's queue until one closes, or has to.
    pub connections: usize,
    /// Bytes of a request's line and headers; more is answered 431.
    pub header_bytes: usize,
    /// From the connection, or from a later request's first byte, to the end of its headers; then 408 and close.
    pub header_time: Duration,
    /// Between an answer and the next request's first byte; then close. Longer than a usual proxy's own, so that the
    /// proxy closes first and never sends into a closing connection.
    pub idle_time: Duration,
    /// What is left of both times once the server drains: nobody holds up its end by sending half a request, or by not
    /// reading an answer.
    pub leave_time: Duration,
    /// How long a client may keep a full server waiting for its first request, the rest of one (its body too), or the next one,
    /// while others wait for its place; then close, the longest waiting first. Silent clients would keep everybody else out
    /// for as long as the times above.
    pub crowded_time: Duration,
}

impl Limits {
    /// For a service behind a proxy or an ingress.
    pub const DEFAULT: Self = Self {
        connections: 1024,
        header_bytes: 16 * 1024,
        header_time: Duration::from_secs(10),
        idle_time: Duration::from_secs(75),
        leave_time: Duration::from_secs(3),
        crowded_time: Duration::from_millis(100),
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
