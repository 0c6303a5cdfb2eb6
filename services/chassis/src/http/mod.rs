//! The one HTTP server, for the ops pages and the order API: bounded in connections, header size and every wait.

mod body;
pub use body::Arriving;

mod connection;

mod guests;

mod limits;
pub use limits::Limits;

mod listener;
pub use listener::listen;

mod pace;

mod server;
pub use server::Server;
