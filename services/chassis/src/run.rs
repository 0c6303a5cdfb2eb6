//! Runs a service from `main` to its exit code: arguments, environment, telemetry, runtime, signals, service, flush.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use tokio::runtime::Runtime;
use tracing::{error, info, warn};

use crate::command::Usage;
use crate::exit::refuse_faults;
use crate::shutdown::Signals;
use crate::telemetry::Telemetry;
use crate::{Command, Env, Error, Exit, Process, Settings, Shutdown, descriptors, runtime};

/// Runs a service. `configure` reads its part of the environment. `service` works until [`Process::shutdown`] asks it
/// to stop.
///
/// The exit code is 0 for a requested stop, the code of [`Exit`] for a failure, 64 for faults of the environment (all
/// printed to stderr) or an unknown argument, and 130 after a second signal. With the argument `healthcheck`, it asks
/// the service on this machine.
pub fn run<C, E: Into<Exit>>(
    name: &'static str,
    configure: impl FnOnce(&mut Env) -> C,
    service: impl AsyncFnOnce(C, &Process) -> Result<(), E>,
) -> ExitCode {
    run_with(name, &[], configure, service)
}

/// Like [`run`], for a task. A task ends by itself and serves nothing, so it has neither `OPS_ADDR` nor
/// `healthcheck`.
pub fn run_task<C, E: Into<Exit>>(
    name: &'static str,
    configure: impl FnOnce(&mut Env) -> C,
    task: impl AsyncFnOnce(C, &Process) -> Result<(), E>,
) -> ExitCode {
    start(Usage { name, commands: &[], settings: Settings::of_task, is_task: true }, configure, task)
}

/// Like [`run`], for a service with commands of its own.
pub fn run_with<C, E: Into<Exit>>(
    name: &'static str,
    commands: &[Command],
    configure: impl FnOnce(&mut Env) -> C,
    service: impl AsyncFnOnce(C, &Process) -> Result<(), E>,
) -> ExitCode {
    start(Usage { name, commands, settings: Settings::from_env, is_task: false }, configure, service)
}

fn start<C, E: Into<Exit>>(
    usage: Usage<'_>,
    configure: impl FnOnce(&mut Env) -> C,
    service: impl AsyncFnOnce(C, &Process) -> Result<(), E>,
) -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
    if !arguments.is_empty() {
        let variables = |env: &mut Env| drop(configure(env));
        return usage.dispatch(&arguments, variables).expect("there is an argument");
    }
    let mut env = Env::from_process();
    let settings = (usage.settings)(&mut env);
    let config = configure(&mut env);
    if let Some(refusal) = refuse_faults(&env) {
        return refusal;
    }
    let warnings = env.warnings().iter().map(ToString::to_string).collect();
    match serve(usage.name, settings, warnings, config, service) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.code().into(),
    }
}

fn serve<C, E: Into<Exit>>(
    name: &'static str,
    settings: Settings,
    warnings: Vec<String>,
    config: C,
    service: impl AsyncFnOnce(C, &Process) -> Result<(), E>,
) -> Result<(), Exit> {
    descriptors();
    // There is no log yet.
    let runtime = runtime().inspect_err(|error| eprintln!("{name}: {error}"))?;
    let telemetry = Telemetry::start(name, &settings.log, &settings.trace, runtime.handle());
    info!(service = name, version = env!("CARGO_PKG_VERSION"), "starting");
    for warning in warnings {
        warn!("{warning}; what cannot be used is left out");
    }
    let outcome = watch_over(&runtime, name, settings, config, service);
    telemetry.flush();
    match &outcome {
        Ok(()) => info!(service = name, "stopped"),
        Err(exit) => error!(service = name, code = exit.code(), "{}", exit.reason()),
    }
    // A thread that still blocks must not hold up the end.
    runtime.shutdown_background();
    outcome
}

fn watch_over<C, E: Into<Exit>>(
    runtime: &Runtime,
    name: &'static str,
    settings: Settings,
    config: C,
    service: impl AsyncFnOnce(C, &Process) -> Result<(), E>,
) -> Result<(), Exit> {
    let (stop, shutdown) = Shutdown::new(settings.shutdown_timeout);
    let process = Process::new(name, settings, shutdown);
    let work = async {
        let signals = Signals::catch().map_err(|error: io::Error| Exit::from(Error::Runtime(error)))?;
        tokio::spawn(signals.watch(stop));
        service(config, &process).await.map_err(Into::into)
    };
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
    // The panic hook has logged where and why.
    ended.unwrap_or_else(|_| Err(Exit::Failed("the service panicked".to_owned())))
}
