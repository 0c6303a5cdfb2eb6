//! Runs the email service.
use std::process::ExitCode;

use email::{App, Config};

fn main() -> ExitCode {
    chassis::run("email", Config::from_env, async |config, process| {
        App::build(config, process).await?.run(process.shutdown()).await
    })
}
