//! Asks `/readyz` of the service on the same machine. Compose runs this, because the images have no shell.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::HOST;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exit::refuse_faults;
use crate::http::exchange;
use crate::settings::ops_address;
use crate::{Env, runtime};

/// A process that does not answer its own machine within this time is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// More bytes than any answer of `/readyz` has.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Asks and prints the answer. The exit code is 0 for ready, 64 for a wrong environment, and 1 for anything else.
pub(crate) fn ask() -> ExitCode {
    let mut env = Env::from_process();
    let address = ops_address(&mut env);
    if let Some(refusal) = refuse_faults(&env) {
        return refusal;
    }
    let outcome = runtime().map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(readiness(address)));
    match outcome {
        Ok(answer) => {
            println!("{}", String::from_utf8_lossy(answer.body()).trim_end());
            if answer.status().is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(reason) => {
            println!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// The first answer, or the error of the last address.
async fn readiness(address: SocketAddr) -> Result<Response<Bytes>, String> {
    let mut last = String::new();
    for address in reachable(address) {
        match timeout(PATIENCE, fetch(address)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => last = format!("no answer from {address}: {error}"),
            Err(_) => last = format!("no answer from {address} within {PATIENCE:?}"),
        }
    }
    Err(last)
}

async fn fetch(address: SocketAddr) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>> {
    let request = Request::get("/readyz").header(HOST, address.to_string()).body(Default::default())?;
    exchange(TcpStream::connect(address).await?, request, LONGEST_ANSWER).await
}

/// Where the own machine reaches a process that listens on `address`. If it listens on all addresses, that is both
/// loopback addresses, or the one of IPv4 if there is no IPv6.
fn reachable(address: SocketAddr) -> Vec<SocketAddr> {
    let at = |ip: IpAddr| SocketAddr::new(ip, address.port());
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![at(Ipv4Addr::LOCALHOST.into())],
        IpAddr::V6(ip) if ip.is_unspecified() => vec![at(Ipv6Addr::LOCALHOST.into()), at(Ipv4Addr::LOCALHOST.into())],
        _ => vec![address],
    }
}
