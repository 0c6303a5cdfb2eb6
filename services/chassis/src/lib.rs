//! Everything that a service needs to run in a cluster: environment, telemetry, health pages, readiness, shutdown.
//!
//! A service's `main` is one call of [`run()`]. It reads the [`Env`], starts the logs, gives the service a
//! [`Process`], and turns the service's end into an exit code. A [`ConsumerService`] is all that a service needs whose
//! work is to consume a queue.

pub use ::settings::{Env, Fault, Secret, Variable, authorities, duration, whole};

mod settings;
pub use crate::settings::Settings;

mod run;
pub use run::{run, run_task, run_with};

mod command;
pub use command::Command;

mod healthcheck;

mod exit;
pub use exit::{Exit, refuse_faults};

mod error;
pub use error::Error;

mod telemetry;
pub use telemetry::{Batches, Export, LogFormat, LogSettings, TraceSettings};

mod process;
pub use process::{Process, descriptors, runtime};

mod ops;
pub use ops::{Health, Ops};

mod consumer;
pub use consumer::{ConsumerService, ConsumerSettings, Drained};

mod http;
pub use http::{Arriving, Limits, Server, exchange, listen};

mod shutdown;
pub use shutdown::{Deadline, Shutdown, Stop};
