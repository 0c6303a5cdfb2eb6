//! One RabbitMQ process in its own folder, started by `deploy/broker` as every local broker is.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::PermissionsExt,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use super::{Options, definitions::definitions};
use crate::{Child, Disk, Folder, Request, eventually, eventually_within, free_port};
use nix::sys::signal::Signal;
use tokio::{net::TcpStream, time::timeout};

pub(super) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/broker");

/// How long a node may take to boot while everything else uses the processors too.
const BOOT: Duration = Duration::from_secs(300);
/// How long one try to reach a node may take.
const LOOK: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Ports {
    pub(super) amqp: u16,
    pub(super) tls: u16,
    pub(super) management: u16,
    distribution: u16,
    name_server: u16,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) folder: Folder,
    pub(super) ports: Ports,
    pub(super) name: String,
    stock: bool,
    speaks_tls: bool,
    pub(super) disk: Option<Disk>,
    child: Mutex<Option<Child>>,
}

impl Node {
    pub(super) async fn start(options: Options) -> Self {
        let node = Self::prepare(options);
        node.restart().await;
        node
    }

    pub(super) fn prepare(options: Options) -> Self {
        let folder = Folder::fresh();
        let name_server = options.member.as_ref().map_or_else(free_port, |member| member.name_server);
        let ports = Ports {
            amqp: free_port(),
            tls: free_port(),
            management: free_port(),
            distribution: free_port(),
            name_server,
        };
        folder.file("definitions.json", definitions().to_string());
        folder.file("extra.conf", extra_lines(&folder, &options, &ports));
        if let Some(terms) = &options.advanced {
            folder.file("advanced.config", terms);
        }
        if let Some(member) = &options.member {
            let cookie = folder.file(".erlang.cookie", &member.cookie);
            fs::set_permissions(cookie, fs::Permissions::from_mode(0o400)).expect("it is our own file");
        }
        let disk = options.disk.map(|bytes| Disk::mounted(folder.path().join("data"), bytes));
        let name = options.member.map_or_else(|| "warren@localhost".to_owned(), |member| member.name);
        let (stock, speaks_tls) = (options.stock, options.tls.is_some());
        Self { folder, ports, name, stock, speaks_tls, disk, child: Mutex::new(None) }
    }

    /// Starts the process, which takes some seconds to answer.
    pub(super) fn launch(&self) {
        let log = self.folder.path().join("log");
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a file can be made");
        let mut command = Child::command(SCRIPT);
        command.arg("node").arg(self.folder.path()).envs(self.environment());
        if self.stock {
            command.env("STOCK", "1");
        }
        command.stdin(File::open("/dev/null").expect("it is always there"));
        command.stdout(log.try_clone().expect("a handle can be copied")).stderr(log);
        let mut child = self.child();
        *child = None; // Kills the one before: two cannot have the same ports.
        *child = Some(Child::spawn(command));
    }

    pub(super) fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("NODE_NAME", self.name.clone()),
            ("AMQP_PORT", self.ports.amqp.to_string()),
            ("MANAGEMENT_PORT", self.ports.management.to_string()),
            ("DIST_PORT", self.ports.distribution.to_string()),
            ("EPMD_PORT", self.ports.name_server.to_string()),
        ]
    }

    pub(super) async fn restart(&self) {
        self.launch();
        self.answers().await;
    }

    // Plain AMQP is served last at boot, but before TLS, and by another process than the management API.
    pub(super) async fn answers(&self) {
        let url = format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports.amqp);
        eventually_within(BOOT, "the broker answers", || self.answers_at(&url), Result::is_ok)
            .await
            .expect("it was awaited");
    }

    async fn answers_at(&self, url: &str) -> Result<(), String> {
        if let Some(status) = self.child().as_mut().and_then(Child::exit_status) {
            panic!("the broker ended with {status}; its log:\n{}", self.log());
        }
        // A node that boots may take a connection and never answer on it.
        let connected = timeout(LOOK, super::amqp::connect(url)).await.map_err(|_| format!("silent for {LOOK:?}"))?;
        connected.map_err(|error| error.to_string())?;
        if self.speaks_tls {
            TcpStream::connect(("127.0.0.1", self.ports.tls)).await.map_err(|error| error.to_string())?;
        }
        Request::get(self.ports.management, "/api/overview").try_send().await.map(drop)
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(super) async fn kill(&self) {
        let recorded = || std::future::ready(self.unrecorded_queues());
        eventually("the broker records its queues", recorded, Vec::is_empty).await;
        *self.child() = None;
    }

    // Each quorum queue has a folder, made at once, and an entry in `names.dets`, written a little later.
    fn unrecorded_queues(&self) -> Vec<String> {
        let queues = self.folder.path().join("data").join(&self.name).join("quorum").join(&self.name);
        let Ok(names) = fs::read(queues.join("names.dets")) else { return Vec::new() };
        let recorded = |queue: &String| names.windows(queue.len()).any(|part| part == queue.as_bytes());
        let folders = fs::read_dir(queues).expect("the folder is there").map(|entry| entry.expect("it can be read"));
        let folders =
            folders.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().to_string_lossy().into_owned());
        folders.filter(|queue| !recorded(queue)).collect()
    }

    pub(super) async fn stop(&self) {
        let Some(mut child) = self.child().take() else { return };
        child.signal(Signal::SIGTERM);
        assert!(child.ended_within(Duration::from_secs(60)).await.is_some(), "the broker does not end");
    }

    pub(super) fn freeze(&self) {
        self.running(|child| child.signal(Signal::SIGSTOP));
    }

    pub(super) fn thaw(&self) {
        self.running(|child| child.signal(Signal::SIGCONT));
    }

    fn running(&self, act: impl FnOnce(&mut Child)) {
        act(self.child().as_mut().expect("the broker runs"));
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().expect("no holder panics")
    }
}

fn extra_lines(folder: &Folder, options: &Options, ports: &Ports) -> String {
    let mut lines = options.lines.clone();
    if let Some(identity) = &options.tls {
        let files =
            [("cacertfile", &identity.authority), ("certfile", &identity.certificate), ("keyfile", &identity.key)];
        lines.push(format!("listeners.ssl.1 = 127.0.0.1:{}", ports.tls));
        lines.extend(
            files.map(|(option, pem)| format!("ssl_options.{option} = {}", folder.file(option, pem).display())),
        );
        let verify = if options.asks_for_certificates { "verify_peer" } else { "verify_none" };
        lines.push(format!("ssl_options.verify = {verify}"));
        lines.push(format!("ssl_options.fail_if_no_peer_cert = {}", options.asks_for_certificates));
    }
    if options.asks_for_certificates {
        folder.file("plugins", "[rabbitmq_management,rabbitmq_auth_mechanism_ssl].");
        let mechanisms = ["PLAIN", "EXTERNAL"].iter().enumerate();
        lines.extend(mechanisms.map(|(index, name)| format!("auth_mechanisms.{} = {name}", index + 1)));
        lines.push("ssl_cert_login_from = common_name".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}
