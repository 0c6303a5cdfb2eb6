//! Runs a service as it is deployed: with its binary, environment, ports, log and signals.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{Answer, Child, Folder, Metrics, Request, binaries::binary, eventually};

/// A running service; killed on drop.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    _folder: Folder,
}

impl Process {
    /// Starts a binary of the workspace with this environment and what the images set, and no other variables. It listens on free ports of
    /// 127.0.0.1 and logs JSON, where the environment says nothing else.
    pub fn start<'a>(name: &str, environment: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        Self::start_with(name, &[], environment)
    }

    /// The same with arguments, such as `healthcheck`.
    pub fn start_with<'a>(
        name: &str,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Self {
        let folder = Folder::fresh();
        let log = folder.path().join("log");
        let file = File::create(&log).expect("a file can be made");
        let mut variables = BTreeMap::from([
            ("OPS_ADDR", "127.0.0.1:0".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
            // As in the images.
            ("MALLOC_MMAP_THRESHOLD_", "1048576".to_owned()),
        ]);
        if name == "order" {
            variables.insert("HTTP_ADDR", "127.0.0.1:0".to_owned());
        }
        variables.extend(environment);
        let mut command = Child::command(binary(name));
        command.args(arguments).env_clear().envs(variables);
        command.stdout(file.try_clone().expect("a handle can be copied")).stderr(file);
        Self { name: name.to_owned(), child: Child::spawn(command), log, _folder: folder }
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log is UTF-8")
    }

    /// The lines that it has written so far, one at a time: they may be too many to hold.
    pub fn each_line(&self) -> impl Iterator<Item = String> {
        let log = BufReader::new(File::open(&self.log).expect("the log is there"));
        log.lines().map(|line| line.expect("the log is UTF-8"))
    }

    /// The lines of its log that are JSON.
    pub fn log_lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The messages of its log that begin like this, without that beginning.
    pub fn logged(&self, beginning: &str) -> Vec<String> {
        let messages = self.log_lines().into_iter().filter_map(|line| Some(line["message"].as_str()?.to_owned()));
        messages.filter_map(|message| Some(message.strip_prefix(beginning)?.to_owned())).collect()
    }

    /// The port of its ops pages.
    pub async fn ops_port(&self) -> u16 {
        self.port(|name| name == "ops").await
    }

    /// The port of its API.
    pub async fn http_port(&self) -> u16 {
        self.port(|name| name != "ops").await
    }

    async fn port(&self, wanted: impl Fn(&str) -> bool) -> u16 {
        let find = |line: &Value| {
            line["name"].as_str().filter(|name| line["message"] == "listening" && wanted(name))?;
            line["addr"].as_str()?.rsplit(':').next()?.parse().ok()
        };
        let listening = || async { self.log_lines().iter().find_map(find).ok_or_else(|| self.log()) };
        eventually(&format!("{} listens", self.name), listening, Result::is_ok).await.expect("it was awaited")
    }

    /// A GET of an ops page, such as `/readyz`.
    pub async fn ops(&self, path: &str) -> Answer {
        Request::get(self.ops_port().await, path).send().await
    }

    /// The state that `/readyz` names now, such as `consuming`.
    pub async fn state(&self) -> String {
        self.ops("/readyz").await.json()["state"].as_str().expect("/readyz names a state").to_owned()
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// With its last answer and its log, if it does not become ready, or ends.
    pub async fn ready(&mut self) {
        let port = self.ops_port().await;
        for _ in 0..1200 {
            let last = Request::get(port, "/readyz").try_send().await;
            if last.as_ref().is_ok_and(|answer| answer.status.is_success()) {
                return;
            }
            let ended = self.child.exit_status();
            assert!(ended.is_none(), "{} ended with {ended:?}: {last:?}\n{}", self.name, self.log());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{} does not become ready: {:?}\n{}", self.name, self.ops("/readyz").await, self.log());
    }

    /// All metrics now.
    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(self.ops("/metrics").await.text())
    }

    /// The sum of a metric's series that carry these labels; 0 without any.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().await.sum(name, labels)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it holds in memory now, in MiB.
    pub fn resident_mib(&self) -> f64 {
        self.memory_mib("VmRSS:")
    }

    /// The most memory that it has held so far, in MiB.
    pub fn peak_mib(&self) -> f64 {
        self.memory_mib("VmHWM:")
    }

    fn memory_mib(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("Linux tells a process's memory");
        let kib = line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok());
        kib.expect("memory is a number of KiB") / 1024.0
    }

    /// Sends any signal.
    pub fn signal(&mut self, signal: Signal) {
        self.child.signal(signal);
    }

    /// SIGTERM: what Kubernetes sends.
    pub fn terminate(&mut self) {
        self.signal(Signal::SIGTERM);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// SIGSTOP.
    pub fn freeze(&mut self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub fn thaw(&mut self) {
        self.signal(Signal::SIGCONT);
    }

    /// Waits for its end: the exit code, or 128 and the signal that ended it.
    pub async fn exit_code(&mut self) -> i32 {
        let status = self.child.ended().await;
        status.code().or_else(|| Some(128 + status.signal()?)).expect("a process ends in one of both ways")
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.exit_status().is_none()
    }
}
