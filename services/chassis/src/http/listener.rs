//! A listening socket, or one clear line why not.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::Error;

/// Listens on `address`, which the environment names in `variable`. Port 0 takes a free one.
///
/// # Errors
/// [`Error::AddressTaken`] or [`Error::Listen`].
pub async fn listen(variable: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => Error::AddressTaken { variable, address },
        _ => Error::Listen { variable, address, source },
    })
}
