//! Asks the process beside it for `/readyz`: what Compose runs in an image without a shell.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::settings::ops_address;
use crate::{Env, run};

/// A process that does not answer its own machine in this time is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// More than any `/readyz` answer has, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Asks and prints the answer: 0 for ready, 1 for anything else, 64 for a wrong environment.
pub(crate) fn ask() -> ExitCode {
    let mut env = Env::from_process();
    let address = reachable(ops_address(&mut env));
    if let Some(refusal) = run::refuse_faults("healthcheck", &env) {
        return refusal;
    }
    let answer = match fetch(address) {
        Ok(answer) => answer,
        Err(error) => {
            println!("no answer from {address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    println!("{}", body.trim_end());
    if head.starts_with("HTTP/1.1 200 ") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where a process that listens on `address` is reached from its own machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
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
