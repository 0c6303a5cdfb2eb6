//! Connects to the first of a name's addresses that answers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::seq::SliceRandom;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;

/// How long an address may be silent before the next is tried as well: the delay of RFC 8305.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to a host. The caller keeps to `within`; each address is tried by half of it.
///
/// # Errors
/// The name cannot be resolved, or no address accepts the connection; then it is the last one's reason.
pub(super) async fn reach(host: &str, port: u16, within: Duration) -> io::Result<TcpStream> {
    let mut addresses: Vec<_> = lookup_host((host, port)).await?.collect();
    // Any address may accept the connection and then be silent, so the next attempt begins with another.
    addresses.shuffle(&mut rand::rng());
    first_of(addresses, within).await
}

async fn first_of(addresses: Vec<SocketAddr>, within: Duration) -> io::Result<TcpStream> {
    let share = (within / 2) / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let (head_start, mut waiting) = (HEAD_START.min(share), addresses.into_iter());
    let mut attempts = FuturesUnordered::new();
    let mut refusal = io::Error::new(io::ErrorKind::NotFound, "its name stands for no address");
    loop {
        let next = waiting.next();
        let more = next.is_some();
        attempts.extend(next.map(TcpStream::connect));
        let failed = tokio::select! {
            biased;
            Some(attempt) = attempts.next() => match attempt {
                Ok(tcp) => return Ok(tcp),
                Err(error) => Some(error),
            },
            () = sleep(head_start), if more => None,
            else => return Err(refusal),
        };
        refusal = failed.unwrap_or(refusal);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener as StdTcpListener};

    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::*;

    /// Longer than anything takes that works.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Listens, and drops what comes: its queue is full. What fills it has to be kept.
    async fn silent() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let (address, mut queue) = (listener.local_addr().unwrap(), Vec::new());
        while let Ok(Ok(tcp)) = timeout(Duration::from_secs(1), TcpStream::connect(address)).await {
            queue.push(tcp);
        }
        (listener, queue)
    }

    /// Nobody listens there.
    fn closed() -> SocketAddr {
        StdTcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn an_address_that_drops_packets_or_refuses_leaves_the_others_their_time() {
        let (mute, _queue) = silent().await;
        let mute = mute.local_addr().unwrap();
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = good.local_addr().unwrap();
        for addresses in [vec![mute, good], vec![mute, mute, closed(), good], vec![closed(), good], vec![good, mute]] {
            let reached = timeout(PATIENCE, first_of(addresses.clone(), PATIENCE)).await;
            let reached = reached.unwrap_or_else(|_| panic!("{addresses:?}")).unwrap();
            assert_eq!(reached.peer_addr().unwrap(), good);
        }
    }

    #[tokio::test]
    async fn where_nobody_takes_the_connection_the_reason_is_told() {
        let refused = first_of(vec![closed(), closed()], PATIENCE).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(first_of(Vec::new(), PATIENCE).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(reach("nowhere.invalid", 5672, PATIENCE).await.is_err());
    }
}
