//! Reads the arguments of a binary: none, or one command.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::{Env, Exit, Settings, healthcheck};

/// A command of a service in addition to serving, such as order's `check`.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// The name that the user types.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Runs the command with the arguments behind its name, and returns the exit code.
    pub run: fn(&[String]) -> ExitCode,
}

/// The commands of a binary.
pub(crate) struct Usage<'c> {
    /// The binary's name.
    pub(crate) name: &'static str,
    /// The binary's own commands, in addition to those that every binary has.
    pub(crate) commands: &'c [Command],
    /// Reads the chassis's own settings from the environment.
    pub(crate) settings: fn(&mut Env) -> Settings,
    /// Whether the binary ends by itself. If not, it has the command `healthcheck`.
    pub(crate) is_task: bool,
}

impl Usage<'_> {
    /// Runs the command that the arguments name. `None` if there is none and the service should run.
    pub(crate) fn dispatch(&self, arguments: &[String], variables: impl FnOnce(&mut Env)) -> Option<ExitCode> {
        let (name, rest) = arguments.split_first()?;
        if let Some(command) = self.commands.iter().find(|command| command.name == name) {
            return Some((command.run)(rest));
        }
        match (name.as_str(), rest) {
            ("healthcheck", []) if !self.is_task => Some(healthcheck::ask()),
            ("-h" | "--help" | "help", []) => Some(self.help(variables)),
            ("-V" | "--version", []) => Some(say(&format!("{} {}\n", self.name, env!("CARGO_PKG_VERSION")))),
            _ => Some(self.refuse(arguments)),
        }
    }

    fn refuse(&self, arguments: &[String]) -> ExitCode {
        let known: Vec<_> = self.described().map(|(name, _)| name).chain(["--help", "--version"]).collect();
        let (name, argument, known) = (self.name, arguments.join(" "), known.join(", "));
        let reason = format!("unknown argument {argument:?}: {name} takes none, or one of {known}");
        eprintln!("{name}: {reason}");
        Exit::Misconfigured(reason).code().into()
    }

    /// The list of commands, each with its sentence.
    fn described(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let healthcheck = ("healthcheck", "asks /readyz on OPS_ADDR and exits with 0 if it is ready, else with 1");
        let own = self.commands.iter().map(|command| (command.name, command.about));
        own.chain((!self.is_task).then_some(healthcheck))
    }

    fn help(&self, variables: impl FnOnce(&mut Env)) -> ExitCode {
        let commands: String = self.described().map(|(name, about)| format!("  {name:12} {about}\n")).collect();
        let usage = match self.is_task {
            true => format!("Usage: {}\n\nIt runs until it is done, or SIGTERM or SIGINT.\n", self.name),
            false => format!(
                "Usage: {} [COMMAND]\n\nWithout a command it runs until SIGTERM or SIGINT.\n\nCommands:\n{commands}",
                self.name
            ),
        };
        let mut env = Env::default();
        (self.settings)(&mut env);
        variables(&mut env);
        say(&format!("{usage}\nEnvironment:\n{}", env.help()))
    }
}

/// Prints without failing when the reader, such as `head`, has closed the pipe; `println!` would panic.
fn say(text: &str) -> ExitCode {
    let _ = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
