//! A service with nothing in it but the chassis: it is ready until it is asked to stop. The tests start it as a process.

use std::process::ExitCode;
use std::time::Duration;

use chassis::{Command, Env, Exit, Health, Process, Variable};
use tracing::{info, info_span};

/// How this service stops.
struct Config {
    pause: Duration,
    ending: Ending,
}

/// What happens once it is ready.
#[derive(Clone, Copy)]
enum Ending {
    Asked,
    Failed,
    Unavailable,
    Panicked,
}

impl Config {
    fn from_env(env: &mut Env) -> Self {
        let pause = Variable::new("PAUSE", "how long stopping takes").or("0ms");
        let ending =
            Variable::new("ENDING", "why it ends").expecting("asked, failed, unavailable or panicked").or("asked");
        Self {
            pause: env.duration(pause, Duration::ZERO..=Duration::from_secs(600)),
            ending: env.read(ending, Ending::parse).expect("the default is an ending"),
        }
    }
}

impl Ending {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "asked" => Some(Self::Asked),
            "failed" => Some(Self::Failed),
            "unavailable" => Some(Self::Unavailable),
            "panicked" => Some(Self::Panicked),
            _ => None,
        }
    }
}

async fn serve(config: Config, process: &Process) -> Result<(), Exit> {
    info_span!("greet").in_scope(|| info!(guests = 0, "welcome"));
    let ops = process.serve_ops(|| Health { ready: true, state: "idle", reason: None }).await?;
    match config.ending {
        Ending::Asked => {}
        Ending::Failed => return Err(Exit::Failed("a task failed".to_owned())),
        Ending::Unavailable => return Err(Exit::Unavailable("what it needs is not there".to_owned())),
        Ending::Panicked => panic!("on two\nlines"),
    }
    let deadline = process.shutdown().requested().await;
    deadline.step("pause", tokio::time::sleep(config.pause)).await;
    deadline.step("ops", ops.drain()).await;
    Ok(())
}

/// A command beside serving: how many arguments it was given is its exit code.
const COUNT: Command = Command {
    name: "count",
    about: "counts what follows it",
    run: |arguments| arguments.len().try_into().map_or(ExitCode::FAILURE, |count: u8| count.into()),
};

fn main() -> ExitCode {
    chassis::run_with("idle", &[COUNT], Config::from_env, serve)
}
