//! A channel that closes when its owner drops it.

use std::ops::Deref;

use futures_util::FutureExt;
use lapin::Channel;

/// A channel with one owner. If it is dropped, it closes, and the broker delivers again what it holds. Its connection
/// goes on.
///
/// lapin closes a dropped channel as well, and takes it for the end of the connection if the broker has closed the
/// channel meanwhile. A `close` that this crate calls has no such effect, unless the broker closes the channel at the
/// same moment: then lapin gives up the connection.
pub(crate) struct OpenChannel(Channel);

impl OpenChannel {
    pub(super) fn new(channel: Channel) -> Self {
        Self(channel)
    }
}

impl Deref for OpenChannel {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.0
    }
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        // The first poll queues the frame. On a channel that is closed already, it does nothing.
        let _ = self.0.close(200, "bye".into()).now_or_never();
    }
}
