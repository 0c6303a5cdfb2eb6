//! Takes orders over HTTP and publishes them as confirmed events. An order that is answered `202` is held by a queue.
//!
//! The service keeps no state. `openapi.json` beside this crate describes its answers, and what each says of the
//! order. `README.md` beside it shows them in a table.

mod config;
pub use config::Config;

mod app;
pub use app::App;

mod http;
mod readiness;

mod check;
pub use check::CHECK;
