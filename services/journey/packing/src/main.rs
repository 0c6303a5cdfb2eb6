//! Asks for a parcel for each order. Only the fault journey runs this service: it hears one event and publishes another.
#![forbid(unsafe_code)]

use std::process::ExitCode;

mod handler;
mod service;

fn main() -> ExitCode {
    chassis::run("packing", service::Config::from_env, service::serve)
}
