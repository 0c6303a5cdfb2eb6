//! A mail server from Debian's packages, in a folder of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use journey::{Folder, eventually};
use tokio::net::TcpStream;

use crate::mail::Mail;

const SERVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mail/serve");

/// A running server; it and all of its processes end with this value, and at the latest with the test process.
pub(crate) struct Server {
    folder: Folder,
    port: u16,
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// Starts `postfix`, `exim` or `opensmtpd` with these files in its `/case`, and waits until it takes connections on `port`.
    pub(crate) async fn start(kind: &str, port: u16, files: &[(&str, &str)]) -> Self {
        let folder = Folder::fresh();
        let own = folder.path().join("case");
        fs::create_dir(&own).expect("a folder can be made");
        for (name, text) in files {
            let file = own.join(name);
            fs::write(&file, text).expect("a file can be written");
            // Some servers refuse keys that others may read.
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("it is our own file");
        }
        let log = fs::File::create(folder.path().join("serve.log")).expect("a file can be made");
        let mut command = Command::new(SERVE);
        command.arg(kind).arg(&own).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut process = command.spawn().expect("mail/serve can be started");
        let orders = process.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let server = Self { folder, port, process, orders, answers };
        server.listens().await;
        server
    }

    async fn listens(&self) {
        let dial = || async {
            let dialled = TcpStream::connect(("127.0.0.1", self.port)).await;
            dialled.map_err(|error| format!("{error}\n{}", self.log()))
        };
        eventually("the mail server listens", dial, Result::is_ok).await.expect("it was awaited");
    }

    /// Its port, of 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `smtp://localhost:PORT`, and more.
    pub(crate) fn url(&self, query: &str) -> String {
        format!("smtp://localhost:{}{query}", self.port)
    }

    /// Changes a file of its configuration; the server takes what it has to take from it.
    pub(crate) fn change(&mut self, name: &str, text: &str) {
        fs::write(self.folder.path().join("case").join(name), text).expect("a file can be written");
        self.order("reload");
    }

    /// Kills the server with all of its parts.
    pub(crate) fn crash(&mut self) {
        self.order("crash");
    }

    /// Starts the server that was killed.
    pub(crate) fn restart(&mut self) {
        self.order("start");
    }

    /// Kills those parts of the server that talk with clients; the server starts others.
    pub(crate) fn hang_up(&mut self) {
        self.order("hang_up");
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("mail/serve listens");
    }

    /// What it says of the mails that it has taken and not delivered yet, a line each.
    pub(crate) fn holds(&mut self) -> String {
        self.order("queue");
        let mut held = String::new();
        loop {
            let read = self.answers.read_line(&mut held).expect("mail/serve answers");
            assert!(read > 0, "mail/serve has ended: {}", self.log());
            if let Some(lines) = held.strip_suffix("end\n") {
                return lines.to_owned();
            }
        }
    }

    /// How many mails it has delivered.
    pub(crate) fn delivered(&self) -> usize {
        fs::read_dir(self.folder.path().join("case/mail/all/new")).map_or(0, Iterator::count)
    }

    /// The mails it has delivered.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let files = fs::read_dir(self.folder.path().join("case/mail/all/new"));
        let files = files.into_iter().flatten().map(|file| file.expect("the folder can be read").path());
        files.map(|file| Mail::read(&fs::read(file).expect("a mail can be read"))).collect()
    }

    /// What it, its parts and its script have written.
    pub(crate) fn log(&self) -> String {
        let logs = fs::read_dir(self.folder.path().join("case/log"));
        let logs = logs.into_iter().flatten().map(|log| log.expect("the folder can be read").path());
        let all = logs.chain([self.folder.path().join("serve.log")]);
        all.map(|log| String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is the parent of a PID namespace, which the kernel ends with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
