//! The HTTP server of the ops pages and of the order API. It limits connections, the size of headers, and every wait.

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
