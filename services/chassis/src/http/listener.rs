//! Opens a listening socket, or says in one line why it cannot.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Once;

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tracing::info;

use crate::Error;

/// The clients that the kernel accepts before the server does.
const BACKLOG: i32 = 1024;

/// Listens on `address`, which comes from the environment variable `variable`. Port 0 takes a free port.
///
/// `[::]` stands for every address of IPv6 and of IPv4. Without IPv6 it stands for every address of IPv4.
///
/// # Errors
/// [`Error::AddressTaken`] or [`Error::Listen`].
pub async fn listen(variable: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    or_on_ipv4(address, bind).map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => Error::AddressTaken { variable, address },
        _ => Error::Listen { variable, address, source },
    })
}

/// tokio's own `bind` lets the system's settings decide whether `[::]` includes IPv4.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn or_on_ipv4<T>(address: SocketAddr, bind: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    static TOLD: Once = Once::new();
    match bind(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && says_there_is_no_ipv6(&error) => {
            TOLD.call_once(|| info!(%error, "there is no IPv6 here: listening on IPv4 alone"));
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        outcome => outcome,
    }
}

fn says_there_is_no_ipv6(error: &io::Error) -> bool {
    let unknown = [Errno::EAFNOSUPPORT, Errno::EPFNOSUPPORT, Errno::EPROTONOSUPPORT, Errno::EADDRNOTAVAIL];
    error.raw_os_error().is_some_and(|code| unknown.contains(&Errno::from_raw(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound_where_ipv6_fails_with(error: Errno, address: &str) -> Result<SocketAddr, i32> {
        let bind = |address: SocketAddr| match address.is_ipv6() {
            true => Err(io::Error::from_raw_os_error(error as i32)),
            false => Ok(address),
        };
        or_on_ipv4(address.parse().unwrap(), bind).map_err(|error| error.raw_os_error().unwrap())
    }

    #[test]
    fn where_there_is_no_ipv6_all_addresses_are_those_of_ipv4() {
        for error in [Errno::EAFNOSUPPORT, Errno::EADDRNOTAVAIL] {
            assert_eq!(bound_where_ipv6_fails_with(error, "[::]:9090"), Ok("0.0.0.0:9090".parse().unwrap()));
            assert_eq!(bound_where_ipv6_fails_with(error, "[::1]:9090"), Err(error as i32), "it was asked for");
        }
        assert_eq!(bound_where_ipv6_fails_with(Errno::EADDRINUSE, "[::]:9090"), Err(Errno::EADDRINUSE as i32));
    }
}
