//! Runs the order service.

use std::process::ExitCode;

use order::{App, CHECK, Config};

fn main() -> ExitCode {
    chassis::run_with("order", &[CHECK], Config::from_env, async |config, process| {
        App::build(config, process).await?.run(process.shutdown()).await
    })
}
