//! The settings of the chassis itself.

use std::net::SocketAddr;
use std::time::Duration;

use crate::{Env, LogSettings, TraceSettings, Variable};

/// The settings that every service and every task has.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where `/livez`, `/readyz` and `/metrics` are served (`OPS_ADDR`). `None` for a task, which serves nothing.
    pub ops_address: Option<SocketAddr>,
    /// How long stopping may take in all (`SHUTDOWN_TIMEOUT`).
    pub shutdown_timeout: Duration,
    /// What is logged and how (`LOG_LEVEL`, `LOG_FORMAT`).
    pub log: LogSettings,
    /// Whether traces exist, and where they go (`OTEL_*`).
    pub trace: TraceSettings,
}

impl Settings {
    /// Reads the settings of a service. To read them again is harmless: each variable and each fault is noted once.
    pub fn from_env(env: &mut Env) -> Self {
        let ops_address = Some(ops_address(env));
        Self { ops_address, ..Self::of_task(env) }
    }

    /// Reads the settings of a task.
    pub(crate) fn of_task(env: &mut Env) -> Self {
        let timeout = Variable::new("SHUTDOWN_TIMEOUT", "how long stopping may take in all").or("25s");
        Self {
            ops_address: None,
            log: LogSettings::from_env(env),
            shutdown_timeout: env.duration(timeout, Duration::from_secs(1)..=Duration::from_secs(60 * 60)),
            trace: TraceSettings::from_env(env),
        }
    }
}

pub(crate) fn ops_address(env: &mut Env) -> SocketAddr {
    env.address(Variable::new("OPS_ADDR", "where `/livez`, `/readyz` and `/metrics` are served").or("[::]:9090"))
}
