//! Runs the analytics service.

use std::process::ExitCode;

use analytics::{App, Config};

fn main() -> ExitCode {
    chassis::run("analytics", Config::from_env, async |config, process| {
        App::build(config, process).await?.run(process.shutdown()).await
    })
}
