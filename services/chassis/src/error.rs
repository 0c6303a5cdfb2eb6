//! Why a process could not start.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

/// The errors of the chassis. Faults of the environment are [`Fault`](crate::Fault)s.
#[derive(Debug, Error)]
pub enum Error {
    /// Another process listens on the address.
    #[error("{variable}={address} is taken: stop what listens there, or set {variable} to a free address")]
    AddressTaken {
        /// The variable that names the address.
        variable: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The process cannot listen on the address, for another reason.
    #[error("{variable}={address} cannot be listened on: {source}")]
    Listen {
        /// The variable that names the address.
        variable: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The system gives the process no threads or no signals.
    #[error("the runtime could not be started: {0}")]
    Runtime(#[source] io::Error),
}
