//! Everything that a service needs to run in a cluster: environment, telemetry, health pages, readiness, shutdown.
//!
//! A service's `main` is one call of [`run()`]. It reads the [`Env`], starts the logs, gives the service a
//! [`Process`], and turns the service's end into an exit code. A [`ConsumerService`] is all that a service needs whose
//! work is to consume a queue.

pub use ::settings::{Env, Fault, Secret, Variable, duration, whole};

mod settings;
pub use crate::settings::Settings;

mod run;
pub use run::{run, run_task, run_with, runtime};

mod command;
pub use command::Command;

mod healthcheck;

mod exit;
pub use exit::Exit;

mod error;
pub use error::Error;

mod telemetry;
pub use telemetry::{Export, LogFormat, LogSettings, TraceSettings};

mod process;
pub use process::Process;

mod metrics;

mod health;
pub use health::Health;

mod ops;
pub use ops::Ops;

mod consumer;
pub use consumer::{ConsumerService, ConsumerSettings, Drained};

mod descriptors;
pub use descriptors::descriptors;

mod http;
pub use http::{Arriving, Limits, Server, listen};

mod shutdown;
pub use shutdown::{Shutdown, Stop};

mod signals;

mod deadline;
pub use deadline::Deadline;
