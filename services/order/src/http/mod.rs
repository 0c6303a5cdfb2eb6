//! The HTTP interface: it turns a request into a confirmed event, or into a problem that says what became of the
//! order.

mod accepted;
mod api;
mod body_budget;
mod document;
#[cfg(test)]
mod fixture;
mod idempotency;
mod kind;
mod media;
mod metrics;
mod operation;
mod problem;
mod route;
mod span;
mod upload;

pub(crate) use api::Api;
pub(crate) use metrics::HttpMetrics;
pub(crate) use upload::BODY_TIME;
