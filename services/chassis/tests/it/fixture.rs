//! The example service as a process, and a plain client for its pages.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a test waits for what has to come before it says what it saw instead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The example service, running.
pub(crate) struct Fixture {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

/// The example's binary, which `cargo test` builds beside this test.
pub(crate) fn binary() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let binary = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples/idle");
    assert!(binary.exists(), "{} is not built: cargo build --examples", binary.display());
    binary
}

/// The example with this environment and no other.
pub(crate) fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("OPS_ADDR", "127.0.0.1:0").envs(variables.iter().copied());
    command
}

/// Runs the example to its end.
pub(crate) fn output(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = command(variables);
    let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = Pid::from_raw(child.id().try_into().unwrap());
    let (sender, output) = channel();
    thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    output.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        kill(id, Signal::SIGKILL).unwrap();
        panic!("{arguments:?} does not end: {:#?}", output.recv());
    })
}

impl Fixture {
    /// Starts the example and waits until it listens.
    pub(crate) fn start(variables: &[(&str, &str)]) -> (Self, SocketAddr) {
        Self::spawn(command(variables))
    }

    pub(crate) fn spawn(mut command: Command) -> (Self, SocketAddr) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut fixture = Self { child, lines, seen: Vec::new() };
        let line = fixture.line("listening");
        let address = line.split("addr=").nth(1).or(line.split(r#""addr":""#).nth(1)).unwrap();
        let address = address.split([' ', '"']).next().unwrap().parse().unwrap();
        (fixture, address)
    }

    /// The next line that contains a text.
    pub(crate) fn line(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
                panic!("no line with {text:?} in {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for the end: the exit code and every line.
    pub(crate) fn end(&mut self) -> (Option<i32>, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:#?}", self.seen),
            }
        }
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole answer to one request.
pub(crate) fn ask(address: SocketAddr, request_line: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{request_line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
