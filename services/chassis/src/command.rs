//! What a binary is told by its arguments: nothing, or one command.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::{Env, Exit, Settings, healthcheck};

/// A command that a service has besides serving, such as order's `check`.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// What is typed.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Does it; given the arguments after the name, gives the exit code.
    pub run: fn(&[String]) -> ExitCode,
}

/// Runs the command that the arguments name. `None`: there is none, the service should run.
pub(crate) fn dispatch(
    service: &str,
    commands: &[Command],
    arguments: &[String],
    variables: impl FnOnce(&mut Env),
) -> Option<ExitCode> {
    let (name, rest) = arguments.split_first()?;
    if let Some(command) = commands.iter().find(|command| command.name == name) {
        return Some((command.run)(rest));
    }
    match (name.as_str(), rest) {
        ("healthcheck", []) => Some(healthcheck::ask()),
        ("-h" | "--help" | "help", []) => Some(help(service, commands, variables)),
        ("-V" | "--version", []) => Some(say(&format!("{service} {}\n", env!("CARGO_PKG_VERSION")))),
        _ => Some(refuse(service, commands, arguments)),
    }
}

fn refuse(service: &str, commands: &[Command], arguments: &[String]) -> ExitCode {
    let known: Vec<_> =
        commands.iter().map(|command| command.name).chain(["healthcheck", "--help", "--version"]).collect();
    let reason =
        format!("unknown argument {:?}: {service} takes none, or one of {}", arguments.join(" "), known.join(", "));
    eprintln!("{service}: {reason}");
    Exit::Misconfigured(reason).code().into()
}

fn help(service: &str, commands: &[Command], variables: impl FnOnce(&mut Env)) -> ExitCode {
    let healthcheck = ("healthcheck", "asks /readyz on OPS_ADDR and exits with 0 if it is ready, else with 1");
    let commands = commands.iter().map(|command| (command.name, command.about)).chain([healthcheck]);
    let commands: String = commands.map(|(name, about)| format!("  {name:12} {about}\n")).collect();
    let mut env = Env::from_map::<String, String>([]);
    Settings::from_env(&mut env);
    variables(&mut env);
    let described = env.variables().iter().map(|variable| {
        let default = variable.shown_default().unwrap_or("none");
        format!("  {}\n      {}: {} (default: {default})\n", variable.name, variable.meaning, variable.expected)
    });
    let described: String = described.collect();
    say(&format!(
        "Usage: {service} [COMMAND]\n\nWithout a command it runs until SIGTERM or SIGINT.\n\n\
         Commands:\n{commands}\nEnvironment:\n{described}"
    ))
}

/// A reader that has seen enough, such as `head`, is no failure, as it would be to `println!`.
fn say(text: &str) -> ExitCode {
    let _ = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
