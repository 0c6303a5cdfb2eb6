//! The settings of analytics.

use chassis::Env;
use messaging::{ConsumerOptions, Endpoint};

/// The valid configuration.
#[derive(Debug)]
pub struct Config {
    /// The broker.
    pub endpoint: Endpoint,
    /// The settings of the consumer.
    pub consumer: ConsumerOptions,
}

impl Config {
    /// Reads it, and notes every fault in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let endpoint = Endpoint::from_env(env).named("analytics");
        let consumer = ConsumerOptions::from_env(env);
        Self { endpoint, consumer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(variables: &[(&str, &str)]) -> Vec<String> {
        let mut env = Env::from_map(variables.iter().copied());
        Config::from_env(&mut env);
        env.faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_variable_has_a_default() {
        assert_eq!(faults(&[]), Vec::<String>::new());
    }

    #[test]
    fn all_faults_are_told_at_once_and_no_password() {
        let told = faults(&[("AMQP_URL", "amqp//guest:secret@host"), ("PREFETCH", "many"), ("CONCURRENCY", "")]);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("AMQP_URL=[redacted]: it must begin with amqp://"), "{told:?}");
        assert!(told[1].starts_with("CONCURRENCY=\"\": expected a whole number"), "{told:?}");
        assert!(told[2].starts_with("PREFETCH=\"many\": expected a whole number"), "{told:?}");
    }

    #[test]
    fn a_handler_may_take_longer_than_a_shutdown() {
        assert_eq!(faults(&[("HANDLE_TIMEOUT", "10m"), ("SHUTDOWN_TIMEOUT", "1s")]), Vec::<String>::new());
    }
}
