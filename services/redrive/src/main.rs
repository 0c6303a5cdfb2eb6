//! Moves dead letters back to their queue, says what it did, and ends.

mod config;
mod exit;

use std::process::ExitCode;

use chassis::{Exit, Process};
use messaging::Client;
use tracing::info;

use config::Config;

fn main() -> ExitCode {
    chassis::run_task("redrive", Config::from_env, redrive)
}

/// Moves the letters that the settings name, until none is left or a stop is requested.
async fn redrive(config: Option<Config>, process: &Process) -> Result<(), Exit> {
    let Config { endpoint, options } = config.expect("a start without a queue is refused");
    let shutdown = process.shutdown();
    let stop = async {
        shutdown.requested().await;
    };
    let client = Client::new(endpoint.named(process.name()), process.registry()).map_err(exit::of)?;
    let summary = messaging::redrive::run(&client, options, stop).await.map_err(exit::of)?;
    info!("{summary}");
    exit::after(&summary)
}
