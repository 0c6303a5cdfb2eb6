//! What the chassis itself is told by the environment.

use std::net::SocketAddr;
use std::time::Duration;

use crate::{Env, LogSettings, TraceSettings, Variable};

/// The settings that every service has.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where `/livez`, `/readyz` and `/metrics` are served (`OPS_ADDR`).
    pub ops_address: SocketAddr,
    /// How long stopping may take in all (`SHUTDOWN_TIMEOUT`).
    pub shutdown_timeout: Duration,
    /// What is logged and how (`LOG_LEVEL`, `LOG_FORMAT`).
    pub log: LogSettings,
    /// Whether traces exist, and where they go (`OTEL_*`).
    pub trace: TraceSettings,
}

impl Settings {
    /// Reads them. Reading them again is harmless: a variable and its fault are noted once.
    pub fn from_env(env: &mut Env) -> Self {
        let ops = Variable::new("OPS_ADDR", "where `/livez`, `/readyz` and `/metrics` are served").or("0.0.0.0:9090");
        let timeout = Variable::new("SHUTDOWN_TIMEOUT", "how long stopping may take in all").or("25s");
        Self {
            ops_address: env.address(ops),
            log: LogSettings::from_env(env),
            shutdown_timeout: env.duration(timeout, Duration::from_secs(1)..=Duration::from_secs(60 * 60)),
            trace: TraceSettings::from_env(env),
        }
    }
}
