//! Does to a broker what an operator does: the management API, `rabbitmqctl`, alarms.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use serde_json::{Value, json};

use super::{Broker, node::SCRIPT};
use crate::{Answer, Request, eventually, eventually::PATIENCE};

/// An alarm, which makes a broker block its publishers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// Too little memory is left.
    Memory,
    /// Too little disk is left.
    Disk,
}

impl Broker {
    /// Raises an alarm: connections that publish are blocked until it is cleared.
    pub async fn set_alarm(&self, alarm: Alarm) {
        self.own_node();
        match alarm {
            Alarm::Memory => self.rabbitmqctl(&["set_vm_memory_high_watermark", "0.00001"]).await,
            Alarm::Disk => self.rabbitmqctl(&["set_disk_free_limit", "1000000000000000"]).await,
        };
    }

    /// Ends an alarm.
    pub async fn clear_alarm(&self, alarm: Alarm) {
        match alarm {
            Alarm::Memory => self.rabbitmqctl(&["set_vm_memory_high_watermark", "0.6"]).await,
            Alarm::Disk => self.rabbitmqctl(&["set_disk_free_limit", "50MB"]).await,
        };
    }

    /// Closes every connection to this vhost.
    pub async fn close_connections(&self) {
        self.rabbitmqctl(&["close_all_connections", "--vhost", self.vhost(), "closed by a test"]).await;
    }

    /// Runs `rabbitmqctl` on this node (about a second) and returns its output.
    ///
    /// # Panics
    /// If it fails, with its output.
    pub async fn rabbitmqctl(&self, arguments: &[&str]) -> String {
        // It would wait for ever for a node that is frozen.
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", &PATIENCE.as_secs().to_string()]).arg(program("rabbitmqctl"));
        // It connects to the node as a hidden node that knows the cookie in the folder.
        command.args(["--quiet", "--node", &self.node.name]).args(arguments);
        command.env("HOME", self.node.folder.path());
        for (name, value) in self.node.environment() {
            command.env(if name == "EPMD_PORT" { "ERL_EPMD_PORT" } else { name }, value);
        }
        succeeded(&format!("rabbitmqctl {arguments:?}"), run(command).await)
    }

    /// Whether the node is a RabbitMQ of at least this version, as it says itself: `(4, 3)` is 4.3.
    pub async fn is_at_least(&self, version: (u32, u32)) -> bool {
        let overview = self.management("overview").await;
        let told = overview["rabbitmq_version"].as_str().expect("a broker has a version");
        let mut numbers = told.split('.').map(|number| number.parse().expect("a version is numbers"));
        (numbers.next().expect("a first number"), numbers.next().expect("a second number")) >= version
    }

    /// A GET of the management API, below `/api/`; its statistics are some seconds old.
    pub async fn management(&self, path: &str) -> Value {
        self.ask(Request::get(self.management_port(), &format!("/api/{path}"))).await.json()
    }

    /// A PUT of the management API, below `/api/`.
    pub async fn put(&self, path: &str, body: &Value) {
        self.ask(Request::new(self.management_port(), "PUT", &format!("/api/{path}")).json(body)).await;
    }

    /// Gives a queue the policy that the product gives to its consumers' queues, with another delivery limit.
    pub async fn apply_policy(&self, queue: &str, delivery_limit: u32) {
        let policy = json!({
            "pattern": format!("^{queue}$"),
            "apply-to": "quorum_queues",
            "definition": {
                "delivery-limit": delivery_limit,
                "dead-letter-exchange": "",
                "dead-letter-routing-key": format!("{queue}.dead"),
                "dead-letter-strategy": "at-least-once",
                "overflow": "reject-publish",
            },
        });
        self.put(&format!("policies/{}/{queue}", self.vhost_in_urls()), &policy).await;
    }

    async fn ask(&self, request: Request) -> Answer {
        let described = format!("{request:?}");
        // guest:guest
        let request = request.header("authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=");
        // A node that has only begun answers 500 for a moment.
        let answer = eventually(&described, || request.clone().send(), |answer| answer.status != 500).await;
        assert!(answer.status.is_success(), "{described}: {answer:?}");
        answer
    }
}

/// The folder of the server's programs.
static SERVER: LazyLock<String> = LazyLock::new(|| {
    let output = Command::new(SCRIPT).arg("find").output().expect("deploy/broker can be started");
    succeeded("deploy/broker find", output).trim().to_owned()
});

/// One of the server's programs, or the one on the PATH.
pub(super) fn program(name: &str) -> PathBuf {
    let path = Path::new(&*SERVER).join(name);
    if path.exists() { path } else { name.into() }
}

async fn run(mut command: Command) -> Output {
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    output.expect("it does not panic").expect("rabbitmqctl can be started")
}

fn succeeded(what: &str, output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{what}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
