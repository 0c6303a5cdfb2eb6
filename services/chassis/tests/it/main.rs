//! The chassis from outside: real sockets, real processes, real signals.

mod deadline;
mod drain;
mod env;
mod fixture;
mod limits;
mod ops;
mod process;
mod server;
mod traces;
