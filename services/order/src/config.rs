//! The settings of the order service.

use std::net::SocketAddr;
use std::time::Duration;

use chassis::{Env, Limits, Settings, Variable};
use messaging::{Endpoint, PublisherOptions};

use crate::http::BODY_TIME;

/// The valid configuration.
#[derive(Debug)]
pub struct Config {
    /// Where orders are taken (`HTTP_ADDR`).
    pub http_address: SocketAddr,
    /// The broker.
    pub endpoint: Endpoint,
    /// The settings of the publisher.
    pub publisher: PublisherOptions,
    /// How long a stopping service goes on accepting, so that clients and load balancers see that it stops
    /// (`DRAIN_DELAY`).
    pub drain_delay: Duration,
    /// How long the broker may be away before the service is unready (`READINESS_GRACE`).
    pub readiness_grace: Duration,
}

impl Config {
    /// Reads it, and notes every fault in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let config = Self {
            http_address: env.address(HTTP_ADDR),
            endpoint: Endpoint::from_env(env),
            publisher: PublisherOptions::from_env(env),
            drain_delay: env.duration(DRAIN_DELAY, Duration::ZERO..=Duration::from_secs(10 * 60)),
            readiness_grace: env.duration(READINESS_GRACE, Duration::ZERO..=Duration::from_secs(60 * 60)),
        };
        config.compare_with(&Settings::from_env(env), env);
        config
    }

    fn compare_with(&self, chassis: &Settings, env: &mut Env) {
        // An order that begins to arrive at the end of the delay has as much time as any other, and so has its
        // confirm.
        let request = Limits::DEFAULT.leave_time + BODY_TIME;
        if self.drain_delay + request + self.publisher.timeout >= chassis.shutdown_timeout {
            let seconds = request.as_secs();
            let expected =
                format!("a duration above DRAIN_DELAY, PUBLISH_TIMEOUT and {seconds}s for a request, all together");
            env.fault("SHUTDOWN_TIMEOUT", expected);
        }
        if Some(self.http_address) == chassis.ops_address && self.http_address.port() != 0 {
            env.fault("HTTP_ADDR", "another address than OPS_ADDR");
        }
    }
}

const HTTP_ADDR: Variable = Variable::new("HTTP_ADDR", "where orders are taken").or("[::]:8080");
const DRAIN_DELAY: Variable =
    Variable::new("DRAIN_DELAY", "how long a stopping service goes on accepting, so that clients see that it stops")
        .or("5s");
const READINESS_GRACE: Variable =
    Variable::new("READINESS_GRACE", "how long the broker may be away or blocked before the service is unready")
        .or("30s");

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Config, Vec<String>) {
        let mut env = Env::from_map(variables.iter().copied());
        let config = Config::from_env(&mut env);
        (config, env.faults().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_variable_has_a_default() {
        let (config, faults) = read(&[]);
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(config.http_address, "[::]:8080".parse().unwrap());
        assert_eq!((config.drain_delay, config.readiness_grace), (Duration::from_secs(5), Duration::from_secs(30)));
    }

    #[test]
    fn all_faults_are_told_at_once_and_no_password() {
        let (_, told) = read(&[
            ("AMQP_URL", "amqp//guest:secret@host"),
            ("HTTP_ADDR", "8080"),
            ("DRAIN_DELAY", "5"),
            ("READINESS_GRACE", ""),
            ("PUBLISH_LANES", "none"),
            ("REQUIRED_QUEUES", "email-queue"),
        ]);
        assert_eq!(told.len(), 6, "{told:?}");
        let expected = "HTTP_ADDR=\"8080\": expected an IP address and a port such as [::]:9090 (default: [::]:8080)";
        assert!(told.iter().any(|fault| fault == expected), "{told:?}");
        assert!(told.iter().all(|fault| !fault.contains("secret")), "{told:?}");
    }

    #[test]
    fn what_comes_in_last_has_time_to_be_answered() {
        for variables in [[("SHUTDOWN_TIMEOUT", "23s")], [("DRAIN_DELAY", "7s")], [("PUBLISH_TIMEOUT", "7s")]] {
            let (_, told) = read(&variables);
            assert_eq!(told.len(), 1, "{variables:?}: {told:?}");
            assert!(told[0].starts_with("SHUTDOWN_TIMEOUT"), "{told:?}");
            let expected = "expected a duration above DRAIN_DELAY, PUBLISH_TIMEOUT and 13s for a request, all together";
            assert!(told[0].contains(expected), "{told:?}");
        }
        assert_eq!(read(&[("SHUTDOWN_TIMEOUT", "23001ms")]).1, Vec::<String>::new());
    }

    #[test]
    fn orders_and_ops_are_on_different_ports() {
        let (_, told) = read(&[("HTTP_ADDR", "127.0.0.1:9090"), ("OPS_ADDR", "127.0.0.1:9090")]);
        assert!(told.len() == 1 && told[0].starts_with("HTTP_ADDR"), "{told:?}");
        assert_eq!(read(&[("HTTP_ADDR", "127.0.0.1:0"), ("OPS_ADDR", "127.0.0.1:0")]).1, Vec::<String>::new());
    }
}
