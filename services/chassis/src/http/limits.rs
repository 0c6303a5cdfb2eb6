//! The limits of one HTTP server.

use std::time::Duration;

/// The limits on connections, sizes and waits. Only the service knows the right size and time of a body, so it limits
/// these itself.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at a time. Further clients wait in the kernel's queue until one closes or has to close.
    pub connections: usize,
    /// The most bytes of a request's line and headers; more is answered 431.
    pub header_bytes: usize,
    /// The longest time from the connection, or from the first byte of a later request, to the end of the headers.
    /// Then the server answers 408 and closes.
    pub header_time: Duration,
    /// The longest time between an answer and the first byte of the next request. Then the server closes. It is
    /// longer than a usual proxy's own time, so that the proxy closes first and never sends into a closing
    /// connection.
    pub idle_time: Duration,
    /// What is left of both times once the server drains. So no client holds up the end by sending half a request or
    /// by not reading an answer.
    pub leave_time: Duration,
    /// How long a client of a full server may be waited for, while others wait for its place: for its first request,
    /// the rest of a request with its body, or the next request. Then the server closes the connection, the longest
    /// wait first. Otherwise silent clients would keep everybody else out for as long as the times above.
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
