//! HTTP request to order to confirmed event: what is answered `202` is held by a queue.
//!
//! The service keeps no state. Its answers, and what each says of the order, are in `openapi.json` beside this crate.

mod config;
pub use config::Config;

mod app;
pub use app::App;

mod http;
mod readiness;

mod check;
pub use check::CHECK;
