//! Starts processes that never outlive the tests.

use std::{
    io,
    process::{self, Command, ExitStatus},
    sync::{LazyLock, mpsc},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::eventually::eventually;

/// A running process, killed on drop, and by the kernel when the test process ends.
#[derive(Debug)]
pub struct Child(process::Child);

type Errand = (Command, mpsc::Sender<io::Result<process::Child>>);

impl Child {
    /// A command whose process dies with the one that started it.
    pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    }

    /// Starts what [`Child::command`] made.
    pub fn spawn(command: Command) -> Self {
        // The kernel kills a child when the thread that started it ends; this thread ends with the process only, while a
        // test's thread ends with its test.
        static SPAWNER: LazyLock<mpsc::Sender<Errand>> = LazyLock::new(|| {
            let (sender, errands) = mpsc::channel::<Errand>();
            thread::spawn(move || {
                for (mut command, answer) in errands {
                    let _ = answer.send(command.spawn());
                }
            });
            sender
        });
        let described = format!("{command:?}");
        let (answer, child) = mpsc::channel();
        SPAWNER.send((command, answer)).expect("the spawner lives as long as the process");
        match child.recv().expect("the spawner answers") {
            Ok(child) => Self(child),
            Err(error) => panic!("{described} could not be started: {error}"),
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal; a process that has ended gets none.
    pub fn signal(&mut self, signal: Signal) {
        // A reaped child's id may be somebody else's by now.
        if self.exit_status().is_none() {
            let id = Pid::from_raw(i32::try_from(self.id()).expect("process ids are positive"));
            signal::kill(id, signal).expect("it is our own child, not reaped yet");
        }
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("it is our own child")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// After a minute.
    pub async fn ended(&mut self) -> ExitStatus {
        let id = self.id();
        let mut seen = None;
        eventually(
            &format!("process {id} ends"),
            || {
                seen = self.0.try_wait().expect("it is our own child");
                std::future::ready(seen)
            },
            Option::is_some,
        )
        .await
        .expect("it was awaited")
    }

    /// Kills it (`kill -9`) and waits for its end.
    pub fn kill(&mut self) -> ExitStatus {
        let _ = self.0.kill();
        self.0.wait().expect("it is our own child")
    }

    /// Waits for its end at most for `within`.
    pub async fn ended_within(&mut self, within: Duration) -> Option<ExitStatus> {
        tokio::time::timeout(within, self.ended()).await.ok()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
