//! Asks `/readyz` of the service on the same machine. Compose runs this, because the images have no shell.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::settings::ops_address;
use crate::{Env, run};

/// A process that does not answer its own machine within this time is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// More bytes than any answer of `/readyz` has.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Asks and prints the answer. The exit code is 0 for ready, 64 for a wrong environment, and 1 for anything else.
pub(crate) fn ask() -> ExitCode {
    let mut env = Env::from_process();
    let addresses = reachable(ops_address(&mut env));
    if let Some(refusal) = run::refuse_faults("healthcheck", &env) {
        return refusal;
    }
    let answer = match fetch_from(&addresses) {
        Ok(answer) => answer,
        Err((address, error)) => {
            println!("no answer from {address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    println!("{}", body.trim_end());
    if head.starts_with("HTTP/1.1 200 ") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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

/// The first answer, or the error of the last address.
fn fetch_from(addresses: &[SocketAddr]) -> Result<String, (SocketAddr, io::Error)> {
    let mut answers = addresses.iter().map(|&address| fetch(address).map_err(|error| (address, error)));
    let first = answers.next().expect("there is an address");
    answers.fold(first, |outcome, answer| if outcome.is_ok() { outcome } else { answer })
}

fn fetch(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
