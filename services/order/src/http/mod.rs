//! The HTTP interface: from a request to a confirmed event, or to a problem that says what became of it.

mod accepted;
mod api;
mod document;
#[cfg(test)]
mod fixture;
mod idempotency;
mod kind;
mod media;
mod metrics;
mod operation;
mod problem;
mod room;
mod route;
mod span;
mod upload;

pub(crate) use api::Api;
pub(crate) use metrics::HttpMetrics;
pub(crate) use upload::BODY_TIME;
