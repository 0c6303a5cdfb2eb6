//! Receives a request's body. Its size and time are limited, and the rest of it never holds up an answer.

use std::fmt::Display;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use contract::limits::MAX_BODY_BYTES;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Body;
use hyper::header::{CONTENT_LENGTH, EXPECT};
use tokio::time::{Instant, timeout_at};

use super::body_budget::BodyBudget;
use super::kind::Kind;
use super::problem::Problem;

/// The longest time from a request's headers to the last byte of its body.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(10);

/// How long the rest of a body may take when there is no more memory for it.
const UNWANTED_TIME: Duration = Duration::from_secs(1);

/// The bytes of a refused body that are read all the same. A client that is still sending when its connection closes
/// often never sees the answer.
const MOST_DISCARDED: u64 = 16 * 1024 * 1024;

/// A body, its deadline, and what its headers say about it.
pub(super) struct Upload<'b, B> {
    body: Pin<&'b mut B>,
    budget: &'b BodyBudget,
    deadline: Instant,
    /// The length in bytes, if the client said it.
    declared: Option<u64>,
    /// Whether the client waits to be told to go on; the first read tells it.
    held_back: bool,
    /// Whether another request can follow on the connection.
    reusable: bool,
}

impl<'b, B: Body<Data = Bytes, Error: Display>> Upload<'b, B> {
    /// The body of a request that has just arrived. It shares `budget` with all other bodies.
    pub(super) fn new(headers: &HeaderMap, body: Pin<&'b mut B>, budget: &'b BodyBudget) -> Self {
        let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let held_back = headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        // hyper makes a request with both `Content-Length` and `Transfer-Encoding` the last one on its connection.
        Self { body, budget, deadline: Instant::now() + BODY_TIME, declared, held_back, reusable: true }
    }

    /// Whether it is known that no bytes are left.
    pub(super) fn is_at_end(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Reads the whole body.
    pub(super) async fn read(&mut self) -> Result<Bytes, Problem> {
        if self.declared.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64) {
            return Err(too_large());
        }
        let deadline = self.deadline;
        timeout_at(deadline, self.gather()).await.unwrap_or_else(|_| {
            let detail = format!("expected the whole body within {} seconds", BODY_TIME.as_secs());
            Err(Problem::new(Kind::SlowBody, detail))
        })
    }

    /// Reads and drops the rest of the body. Says whether the connection can take another request afterwards.
    pub(super) async fn discard(&mut self) -> bool {
        if self.is_at_end() {
            return self.reusable;
        }
        if self.held_back || self.declared.is_some_and(|bytes| bytes > MOST_DISCARDED) {
            return false;
        }
        let deadline = self.deadline;
        timeout_at(deadline, self.drop_chunks()).await.unwrap_or(false) && self.reusable
    }

    async fn gather(&mut self) -> Result<Bytes, Problem> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        // A body of usual size arrives in one piece, and is parsed where it was received.
        if self.is_at_end() && first.len() <= MAX_BODY_BYTES {
            return Ok(first);
        }
        let mut share = self.budget.share();
        let mut whole = BytesMut::new();
        let mut next = Some(first);
        while let Some(chunk) = next {
            if whole.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(too_large());
            }
            share.grow(chunk.len());
            whole.extend_from_slice(&chunk);
            next = tokio::select! {
                chunk = self.chunk() => chunk?,
                () = share.taken_back() => {
                    self.deadline = self.deadline.min(Instant::now() + UNWANTED_TIME);
                    return Err(Problem::new(Kind::Overloaded, "too many bodies are coming in; repeat it later"));
                }
            };
        }
        Ok(whole.freeze())
    }

    async fn drop_chunks(&mut self) -> bool {
        let mut left = MOST_DISCARDED;
        loop {
            match self.chunk().await {
                Ok(Some(chunk)) if (chunk.len() as u64) < left => left -= chunk.len() as u64,
                Ok(None) => return true,
                Ok(Some(_)) | Err(_) => return false,
            }
        }
    }

    /// The next bytes; trailers are ignored.
    async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        self.held_back = false;
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| {
                self.reusable = false;
                Problem::new(Kind::MalformedBody, format!("the body broke off, or its chunks are malformed: {error}"))
            })?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

fn too_large() -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("expected at most {MAX_BODY_BYTES} bytes"))
}
