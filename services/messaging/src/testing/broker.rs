//! Starts a broker for a test.

use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::Endpoint;

/// Finds a RabbitMQ and runs it.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/broker");

/// Runs the script until its own input ends. That is when the test drops the broker, and when the test process ends,
/// however it ends. The shell has no errors of its own, so that the errors end with the script.
const UNTIL_DROPPED: &str = r#""$0" run & exec 2>/dev/null; read -r _; kill $!; wait"#;

/// How long a broker may take to start, on a slow machine and when its packages are fetched first.
const START: Duration = Duration::from_secs(300);

/// What the script says before the URL, once the broker answers.
const STARTED: &str = " at amqp://";

/// A RabbitMQ node of a test's own, on a free port and in a folder of its own. It ends when this is dropped, and at
/// the latest with the test process, and its data with it.
///
/// ```no_run
/// use messaging::testing::Broker;
/// # use messaging::{Client, Error};
/// # use prometheus::Registry;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let broker = Broker::start().await.unwrap();
/// let client = Client::new(broker.endpoint("packing"), &Registry::new())?;
/// # Ok(())
/// # }
/// ```
///
/// A node takes about five seconds to start. Tests with other names for their queues and exchanges can share one, in a
/// `static` of the type `tokio::sync::OnceCell<Broker>`.
#[derive(Debug)]
pub struct Broker {
    port: u16,
    management_port: u16,
    /// The script runs as long as this is open.
    _open: ChildStdin,
}

impl Broker {
    /// Starts a node of RabbitMQ 4.0 or later, with the definitions that every broker of Warren has: the default queue
    /// type is quorum.
    ///
    /// `deploy/broker` finds the RabbitMQ: the folder in the variable `BROKER`, or a `rabbitmq-server` on the `PATH`, or
    /// Debian's packages, which it unpacks once, or Docker.
    ///
    /// # Errors
    /// No RabbitMQ can be had, or it does not start. The error says what to install or to set.
    pub async fn start() -> io::Result<Self> {
        spawn_blocking(|| start_by(Command::new("sh"))).await.map_err(io::Error::other)?
    }

    /// The node, for a service of this name.
    pub fn endpoint(&self, name: &str) -> Endpoint {
        let url = self.url().parse().expect("it is a broker's URL");
        Endpoint::new(url, name)
    }

    /// The node's `AMQP_URL`, for a process. The user is guest, and may do anything.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Where the management page and its API are, for the user guest with the password guest.
    pub fn management_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.management_port)
    }
}

/// Starts a node with this shell.
fn start_by(mut shell: Command) -> io::Result<Broker> {
    let (port, management_port) = (free_port(), free_port());
    shell.args(["-c", UNTIL_DROPPED, SCRIPT]);
    shell.env("AMQP_PORT", port.to_string()).env("MANAGEMENT_PORT", management_port.to_string());
    // A Ctrl-C is for the test process. The end of that process ends the broker, which then clears up.
    shell.process_group(0);
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let open = shell.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    started(shell)?;
    Ok(Broker { port, management_port, _open: open })
}

/// Waits until the broker answers.
fn started(mut shell: Child) -> io::Result<()> {
    let errors = shell.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(errors).lines().map_while(Result::ok) {
            // Once the broker has started, nobody listens. The lines are still read, or the script would stop.
            let _ = sender.send(line);
        }
        // Now it is known that the script has ended.
        drop(sender);
        let _ = shell.wait();
    });
    let mut said = Vec::new();
    let end = loop {
        match lines.recv_timeout(START) {
            Ok(line) if line.contains(STARTED) => return Ok(()),
            Ok(line) => said.push(line),
            Err(end) => break end,
        }
    };
    if end == RecvTimeoutError::Timeout {
        said.push(format!("broker: it did not start within {START:?}"));
    }
    Err(io::Error::other(said.join("\n")))
}

/// A port of this machine that is free now. It is below the ports that the kernel gives to outgoing connections,
/// because a client that dials a dead broker from the broker's own port would be connected to itself.
fn free_port() -> u16 {
    loop {
        let port = rand::random_range(10_000..30_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_broker_can_be_had_the_error_says_what_to_set() {
        let mut shell = Command::new("sh");
        shell.env("BROKER", "/nowhere/bin");
        let error = start_by(shell).unwrap_err().to_string();
        let told = "broker: BROKER=/nowhere/bin holds no program rabbitmq-server: name the folder of a rabbitmq-server";
        assert!(error.starts_with(told), "{error}");
    }
}
