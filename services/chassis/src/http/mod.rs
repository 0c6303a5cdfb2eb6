//! The HTTP server of the ops pages and of the order API, and a client for one request.
//!
//! The server limits connections, the size of headers, and every wait.

mod client;
pub use client::exchange;

mod connection;

mod connections;

mod limits;
pub use limits::Limits;

mod listener;
pub use listener::listen;

mod pace;
pub use pace::Arriving;

mod server;
pub use server::Server;
