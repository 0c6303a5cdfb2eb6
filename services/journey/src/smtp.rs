//! A real SMTP server, Debian's `python3-aiosmtpd`, that does what a test tells it.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::SystemTime,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::{Folder, eventually::PATIENCE, free_port};

mod delivered;
mod options;
mod trouble;

pub use delivered::Delivered;
pub use options::SmtpOptions;
pub use trouble::{At, Trouble};

const PROGRAM: &str = include_str!("smtp.py");

/// Debian's modules belong to Debian's Python, whichever comes first on the PATH.
const PYTHON: &str = "/usr/bin/python3";

/// An SMTP server on a port of its own, which it keeps when it is stopped and started. Ends with this value.
#[derive(Debug)]
pub struct SmtpServer {
    options: SmtpOptions,
    folder: Folder,
    port: u16,
    process: Option<Child>,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    events: Mutex<Events>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Events {
    listening: bool,
    done: usize,
    sessions: usize,
    throttled: usize,
    troubles: HashMap<String, usize>,
    mails: Vec<Delivered>,
}

impl SmtpServer {
    /// Starts one and waits until it listens.
    ///
    /// # Panics
    /// If `python3-aiosmtpd` is not installed.
    pub fn start(options: SmtpOptions) -> Self {
        let mut server =
            Self { options, folder: Folder::fresh(), port: free_port(), process: None, seen: Arc::default() };
        server.start_again();
        server
    }

    /// Starts a stopped server on its old port. What went wrong before is forgotten; its mails are not.
    ///
    /// # Panics
    /// If it does not listen.
    pub fn start_again(&mut self) {
        let mut command = Command::new(PYTHON);
        command.args(["-W", "ignore", "-c", PROGRAM, &self.told().to_string()]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = piped.expect("/usr/bin/python3 starts");
        let told = BufReader::new(process.stdout.take().expect("stdout is piped"));
        self.seen.events().listening = false;
        let seen = self.seen.clone();
        thread::spawn(move || told.lines().map_while(Result::ok).for_each(|line| seen.note(&line)));
        self.process = Some(process);
        self.seen.wait("python3-aiosmtpd to listen", |events| events.listening);
    }

    /// What the program is to be.
    fn told(&self) -> Value {
        let file = |name, text: &String| self.folder.file(name, text);
        let tls = self.options.tls.as_ref();
        let (user, password) = self.options.login.clone().unzip();
        json!({
            "port": self.port, "brief": self.options.brief, "most": self.options.most,
            "rate": self.options.rate, "utf8": self.options.utf8, "user": user, "password": password,
            "tls": tls.map(|(when, _)| when),
            "certificate": tls.map(|(_, identity)| file("certificate.pem", &identity.certificate)),
            "key": tls.map(|(_, identity)| file("key.pem", &identity.key)),
        })
    }

    /// Where it listens: `smtp://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("smtp://localhost:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("the server runs").id()
    }

    /// Makes a step go wrong from now on, or only the next `times`.
    pub fn trouble(&mut self, at: At, trouble: &Trouble, times: Option<u32>) {
        self.make_trouble(at, trouble, times, None);
    }

    /// Makes `MAIL` or `RCPT` go wrong from now on, for addresses that contain this text.
    pub fn trouble_for(&mut self, text: &str, at: At, trouble: &Trouble) {
        self.make_trouble(at, trouble, None, Some(text));
    }

    fn make_trouble(&mut self, at: At, trouble: &Trouble, times: Option<u32>, text: Option<&str>) {
        let mut told = match trouble {
            Trouble::Reply(text) => json!({"do": "reply", "text": text}),
            Trouble::Hang => json!({"do": "hang"}),
            Trouble::Drop => json!({"do": "drop"}),
            Trouble::Delay(time) => json!({"do": "delay", "seconds": time.as_secs_f64()}),
        };
        told["at"] = at.name().into();
        told["times"] = times.into();
        told["for"] = text.into();
        self.order(&json!({"trouble": told}));
    }

    /// Ends every trouble.
    pub fn recover(&mut self) {
        self.order(&json!({}));
    }

    /// Changes the password that it takes from now on.
    pub fn change_password(&mut self, password: &str) {
        self.order(&json!({"password": password}));
    }

    /// Sets from now on how many sessions it takes at once and how many mails a second, as the options do; none is as many as come.
    pub fn limit(&mut self, sessions: Option<u32>, a_second: Option<u32>) {
        self.order(&json!({"most": sessions, "rate": a_second}));
    }

    /// Kills it; its port then refuses connections.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it can be killed");
            process.wait().expect("it ends");
        }
    }

    /// Freezes it: connections are taken by the kernel, and nothing answers on them.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// The mails it took, oldest first.
    pub fn mails(&self) -> Vec<Delivered> {
        self.seen.events().mails.clone()
    }

    /// Looks at the mails it took, which may be too many to copy.
    pub fn look<T>(&self, look: impl FnOnce(&[Delivered]) -> T) -> T {
        look(&self.seen.events().mails)
    }

    /// How many connections it took.
    pub fn sessions(&self) -> usize {
        self.seen.events().sessions
    }

    /// How often a step went wrong.
    pub fn troubled(&self, at: At) -> usize {
        self.seen.events().troubles.get(at.name().as_str()).copied().unwrap_or_default()
    }

    /// How often it was asked for more than its limits.
    pub fn throttled(&self) -> usize {
        self.seen.events().throttled
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("the server runs");
        let pid = i32::try_from(process.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("it can be signalled");
    }

    /// Returns once the server has heard.
    fn order(&mut self, order: &Value) {
        let done = self.seen.events().done;
        let process = self.process.as_mut().expect("the server runs");
        let stdin = process.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{order}").expect("the server listens to its test");
        self.seen.wait("the SMTP server to obey", |events| events.done > done);
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Seen {
    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, line: &str) {
        let told: Value = serde_json::from_str(line).expect("smtp.py tells JSON");
        let mut events = self.events();
        match told["event"].as_str() {
            Some("listening") => events.listening = true,
            Some("done") => events.done += 1,
            Some("session") => events.sessions += 1,
            Some("throttled") => events.throttled += 1,
            Some("trouble") => {
                let at = told["at"].as_str().unwrap_or_default().to_owned();
                *events.troubles.entry(at).or_default() += 1;
            }
            Some("mail") => events.mails.push(Delivered { told, at: SystemTime::now() }),
            _ => unreachable!("smtp.py tells nothing else: {line}"),
        }
        self.changed.notify_all();
    }

    fn wait(&self, what: &str, holds: impl Fn(&Events) -> bool) {
        let waiting = self.changed.wait_timeout_while(self.events(), PATIENCE, |events| !holds(events));
        let (events, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        assert!(holds(&events), "waited for {what}; is python3-aiosmtpd installed?");
    }
}
