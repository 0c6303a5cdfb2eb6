//! A service through all its lives: the processes that ran one after the other.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use journey::{Metrics, Plan, Process, Request, eventually_within, free_port};
use tokio::time::timeout;

use crate::clock::{Clock, Jump};

/// How long a service may take to recover, with its back-off, on a machine under load.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// A service whose process may be replaced. Each process has the same ports.
pub(crate) struct Service {
    name: &'static str,
    plan: Plan,
    clock: Option<Clock>,
    ops_port: u16,
    /// The id of the process that runs, for other tasks; 0 while there is none.
    id: Arc<AtomicU32>,
    process: Option<Process>,
    /// The earlier lives, oldest first. Each process is kept for its log.
    past: Vec<Life>,
}

/// A life that is over.
pub(crate) struct Life {
    /// Its process.
    pub(crate) process: Process,
    /// How it ended.
    pub(crate) end: End,
    /// When it ended.
    pub(crate) at: SystemTime,
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By `kill -9`.
    Killed,
    /// By SIGTERM.
    Stopped {
        /// Its exit code.
        code: i32,
    },
}

impl Service {
    /// Starts its first life, with a clock of its own if it gets one, and waits for nothing.
    pub(crate) fn launch(name: &'static str, mut plan: Plan, clock: Option<Clock>) -> Self {
        for (variable, value) in clock.iter().flat_map(Clock::environment) {
            plan = plan.set(name, variable, value);
        }
        let mut service =
            Self { name, plan, clock, ops_port: free_port(), id: Arc::default(), process: None, past: Vec::new() };
        service.start();
        service
    }

    /// Its name, which is also that of its binary and of its user.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Starts another life and waits for nothing.
    pub(crate) fn start(&mut self) {
        let addr = format!("127.0.0.1:{}", self.ops_port);
        let life = self.past.len();
        let mut plan = self.plan.clone().set(self.name, "OPS_ADDR", addr);
        if self.name == "email" {
            // The sender of a mail says which life wrote it.
            plan = plan.email("EMAIL_FROM", format!("Warren <life-{life}@warren.test>"));
        }
        let process = plan.launch(self.name);
        self.id.store(process.id(), Ordering::Relaxed);
        self.process = Some(process);
    }

    /// Kills the process by SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut process = self.taken();
        process.kill();
        self.past.push(Life { process, end: End::Killed, at: SystemTime::now() });
    }

    /// Stops the process by SIGTERM, and waits until it has ended.
    pub(crate) async fn stop(&mut self) {
        let mut process = self.taken();
        process.terminate();
        let code = process.exit_code().await;
        self.past.push(Life { process, end: End::Stopped { code }, at: SystemTime::now() });
    }

    fn taken(&mut self) -> Process {
        self.id.store(0, Ordering::Relaxed);
        self.process.take().expect("it runs")
    }

    /// The id of its process, which changes with the process; 0 while there is none.
    pub(crate) fn id(&self) -> Arc<AtomicU32> {
        self.id.clone()
    }

    /// Waits at most so long for the process to end by itself. Returns whether it has ended.
    pub(crate) async fn ends_within(&mut self, time: Duration) -> bool {
        timeout(time, self.process().exit_code()).await.is_ok()
    }

    /// Moves its clock.
    ///
    /// # Panics
    /// If the process does not follow the clock.
    pub(crate) fn jump(&mut self, jump: Jump) {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.process().id())).expect("it runs");
        assert!(maps.contains("faketime"), "{} is linked statically, so its clock cannot be moved", self.name);
        self.clock.as_mut().expect("it has a clock").jump(jump);
    }

    /// Puts its clock right again.
    pub(crate) fn put_right(&mut self) {
        self.clock.as_mut().expect("it has a clock").put_right();
    }

    /// The true time at which its clock showed this time.
    pub(crate) fn showed(&self, time: SystemTime) -> SystemTime {
        self.clock.as_ref().map_or(time, |clock| clock.showed(time))
    }

    /// The process that runs.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it runs")
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// If it has ended or does not become so.
    pub(crate) async fn ready(&mut self) {
        let (port, process) = (self.ops_port, self.process.as_mut().expect("it runs"));
        let ready = || async { Request::get(port, "/readyz").try_send().await };
        let what = format!("{} is ready", self.name);
        let holds = |answer: &Result<journey::Answer, String>| answer.as_ref().is_ok_and(|answer| answer.status == 200);
        eventually_within(PATIENCE, &what, ready, holds).await.expect("it was awaited");
        assert!(process.is_running(), "{} has ended:\n{}", self.name, process.log());
    }

    /// Its metrics, if it answers.
    pub(crate) async fn metrics(&self) -> Option<Metrics> {
        let answer = Request::get(self.ops_port, "/metrics").try_send().await.ok()?;
        Some(Metrics::parse(answer.text()))
    }

    /// Waits until none of its connections to the broker is open.
    pub(crate) async fn disconnected(&self) {
        let connections = || async { Some(self.metrics().await?.sum("messaging_connected", &[])) };
        eventually_within(PATIENCE, &format!("{} notices", self.name), connections, |open| *open == Some(0.0)).await;
    }

    /// How its lives ended so far.
    pub(crate) fn past(&self) -> &[Life] {
        &self.past
    }

    /// The processes of all its lives, oldest first.
    pub(crate) fn processes(&self) -> impl Iterator<Item = &Process> {
        let past = self.past.iter().map(|life| &life.process);
        past.chain(self.process.as_ref())
    }

    /// The log of all its lives, oldest first.
    pub(crate) fn log(&self) -> impl Iterator<Item = String> {
        self.processes().flat_map(Process::each_line)
    }
}
