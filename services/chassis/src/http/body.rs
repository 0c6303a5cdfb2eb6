//! The body of a request. It notes when its reader waits for the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::pace::Pace;

/// The body of a request. While its reader waits for bytes, the connection counts as one that waits for its client.
#[derive(Debug)]
pub struct Arriving {
    body: Incoming,
    pace: Pace,
}

impl Arriving {
    pub(super) fn new(body: Incoming, pace: Pace) -> Self {
        Self { body, pace }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let outcome = Pin::new(&mut self.body).poll_frame(cx);
        self.pace.body_is_awaited(outcome.is_pending());
        outcome
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A reader that is dropped no longer waits.
impl Drop for Arriving {
    fn drop(&mut self) {
        self.pace.body_is_awaited(false);
    }
}
