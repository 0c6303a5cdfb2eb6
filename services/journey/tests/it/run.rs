//! `make run` as a new user meets it, on ports of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;
use std::{fs, thread};

use journey::{Child, Folder, Request, an_order, eventually, eventually_within, free_port};
use nix::sys::signal::Signal;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy");
const PORTS: [&str; 6] =
    ["ORDER_PORT", "ORDER_OPS_PORT", "EMAIL_OPS_PORT", "ANALYTICS_OPS_PORT", "AMQP_PORT", "MANAGEMENT_PORT"];

/// A script of `deploy/`, what it writes, and a folder for its temporary files.
struct Script {
    child: Child,
    folder: Folder,
    ports: [u16; 6],
}

impl Script {
    fn start(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let (folder, ports) = (Folder::fresh(), PORTS.map(|_| free_port()));
        fs::create_dir(folder.path().join("tmp")).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        // Whoever runs the tests in the background ignores Ctrl-C, and a shell that is started like that cannot hear it.
        let mut command = Child::command("/usr/bin/env");
        command.args(["--default-signal=INT", "/bin/bash", &format!("{DEPLOY}/{name}")]).args(arguments);
        command.env_remove("AMQP_URL").env_remove("SMTP_URL").env_remove("LOG_LEVEL");
        command.env("TMPDIR", folder.path().join("tmp"));
        command.envs(PORTS.into_iter().zip(ports.map(|port| port.to_string())));
        command.envs(environment.iter().copied());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Self { child: Child::spawn(command), folder, ports }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    async fn says(&self, words: &str, times: usize) {
        let log = async || self.log();
        // It may have to build the services first.
        let patience = Duration::from_secs(600);
        let said = |log: &String| log.matches(words).count() >= times;
        eventually_within(patience, &format!("it says {words:?}"), log, said).await;
    }

    /// What it wrote, when it has ended with this code.
    async fn ends(mut self, code: i32) -> String {
        let status = self.child.ended_within(Duration::from_secs(50)).await;
        assert_eq!(status.and_then(|status| status.code()), Some(code), "{}", self.log());
        self.log()
    }
}

#[tokio::test]
async fn one_command_shows_an_order_and_its_email_and_leaves_nothing_behind() {
    let mut run = Script::start("run", &[], &[]);
    run.says("Ctrl-C stops everything", 1).await;
    for shown in ["\"status\":\"accepted\"", "analytics_orders_total{event=\"order.placed\"} 1", "try next"] {
        assert!(run.log().contains(shown), "{}", run.log());
    }
    run.says("run: orders: accepted 1, mailed 1, counted 1, waiting 0, dead 0", 1).await;
    let email = "Sending email for: order";
    run.says(email, 1).await;
    let log = run.log();
    let (_, broker) = log.rsplit_once("kill -9 ").expect("it says how to kill the broker");
    let broker = broker.split_whitespace().next().and_then(|id| id.parse().ok()).expect("a process id");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(broker), Signal::SIGKILL).unwrap();
    run.says("management page http", 2).await;
    let placed = || async { Request::post(run.ports[0], "/orders", &an_order()).send().await.status };
    eventually("an order is accepted again", placed, |status| *status == 202).await;
    run.says(email, 2).await;
    run.says("run: orders: accepted 2, mailed 2, counted 2, waiting 0, dead 0", 1).await;
    run.child.signal(Signal::SIGINT);
    run.says("run: stopping", 1).await;
    let ended = run.child.ended_within(Duration::from_secs(50)).await;
    assert!(ended.is_some(), "it does not stop\n{}", run.log());
    for port in run.ports {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "somebody listens on {port}\n{}", run.log());
    }
    let left: Vec<_> = fs::read_dir(run.folder.path().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(run.ends(0).await.contains("run: stopping"));
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_variable_that_changes_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for name in PORTS {
        let said = Script::start("run", &[], &[(name, &port.to_string())]).ends(69).await;
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&format!("port {port} is taken: set {name} to a free one")), "{said}");
    }
}

#[tokio::test]
async fn a_missing_tool_is_named() {
    let tools = Folder::fresh();
    let path = tools.path().to_str().unwrap();
    for tool in ["dirname", "setpriv"] {
        symlink(format!("/usr/bin/{tool}"), tools.path().join(tool)).unwrap();
    }
    // As on macOS.
    let said = Script::start("run", &[], &[("PATH", path)]).ends(69).await;
    assert!(said.starts_with("run: this needs Linux, with bash 4.4, setsid and setpriv"), "{said}");
    symlink("/usr/bin/setsid", tools.path().join("setsid")).unwrap();
    let said = Script::start("run", &[], &[("PATH", path)]).ends(69).await;
    assert_eq!(said, "run: cargo is missing: install Rust from https://rustup.rs\n");
}

#[tokio::test]
async fn a_broker_that_is_too_old_is_passed_over() {
    let old = Folder::fresh();
    program(old.path(), "rabbitmq-server", "exit 1");
    program(old.path(), "rabbitmqctl", "echo 3.13.7");
    let path = format!("{}:{}", old.path().display(), path());
    let said = Script::start("broker", &["find"], &[("PATH", &path), ("BROKER", "4.0")]).ends(0).await;
    let (first, found) = said.split_once('\n').expect("it says two lines");
    assert!(first.ends_with("rabbitmq-server is RabbitMQ 3.13.7, older than 4.0: looking for another"), "{said}");
    assert!(!found.contains(old.path().to_str().unwrap()), "{said}");
}

#[tokio::test]
async fn the_broker_whose_folder_is_named_is_taken_and_no_other() {
    let named = Folder::fresh();
    let folder = named.path().to_str().unwrap();
    program(named.path(), "rabbitmq-server", "exit 1");
    let said = Script::start("broker", &["find"], &[("BROKER", folder)]).ends(69).await;
    let lacking = format!("broker: BROKER={folder} holds no program rabbitmqctl: ");
    assert!(said.starts_with(&lacking) && said.lines().count() == 1, "{said}");
    program(named.path(), "rabbitmqctl", "exit 1");
    assert_eq!(Script::start("broker", &["find"], &[("BROKER", folder)]).ends(0).await, format!("{folder}\n"));
    let said = Script::start("broker", &["find"], &[("BROKER", "3.13")]).ends(69).await;
    assert!(
        said.starts_with("broker: BROKER=3.13 is not known: set it to 4.0, 4.3 or the folder of a rabbitmq-server"),
        "{said}"
    );
}

#[tokio::test]
async fn a_broker_on_the_path_is_taken_if_it_is_as_new_as_was_asked_for() {
    let newer = Folder::fresh();
    program(newer.path(), "rabbitmq-server", "exit 1");
    program(newer.path(), "rabbitmqctl", "echo 4.10.1");
    let path = format!("{}:{}", newer.path().display(), path());
    let found = format!("{}\n", newer.path().display());
    for asked in ["4.0", "4.3"] {
        let said = Script::start("broker", &["find"], &[("PATH", &path), ("BROKER", asked)]).ends(0).await;
        assert_eq!(said, found);
    }
}

#[tokio::test]
async fn a_given_broker_that_is_too_old_is_refused_by_its_version() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8]);
            let _ = stream.write_all(b"\x01\0\0\0\0\0\x20\0\x0a\0\x0a\0\x09\0\0\0\x14\x07versionS\0\0\0\x063.13.7");
        }
    });
    let url = format!("amqp://guest:guest@127.0.0.1:{port}/");
    let said = Script::start("run", &[], &[("AMQP_URL", &url)]).ends(69).await;
    assert_eq!(said, format!("run: the broker at 127.0.0.1:{port} is RabbitMQ 3.13.7: Warren needs 4.0 or later\n"));
}

fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[allow(clippy::disallowed_methods, reason = "a test is no service: it has no Config")]
fn path() -> String {
    std::env::var("PATH").expect("a PATH is set")
}
