//! The settings of redrive.

use chassis::Env;
use messaging::Endpoint;
use messaging::redrive::RedriveOptions;

/// The valid configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// The broker.
    pub(crate) endpoint: Endpoint,
    /// Which dead letters to move.
    pub(crate) options: RedriveOptions,
}

impl Config {
    /// Reads it, and notes every fault in `env`. `None` without a queue, which is a fault.
    pub(crate) fn from_env(env: &mut Env) -> Option<Self> {
        let endpoint = Endpoint::from_env(env);
        Some(Self { endpoint, options: RedriveOptions::from_env(env)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Option<Config>, Vec<String>) {
        let mut env = Env::from_map(variables.iter().copied());
        let config = Config::from_env(&mut env);
        (config, env.faults().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_queue_is_all_it_needs() {
        let (config, faults) = read(&[("QUEUE", "email-queue")]);
        assert_eq!((config.unwrap().options.queue.as_str(), faults), ("email-queue", vec![]));
    }

    #[test]
    fn without_a_queue_every_other_fault_is_told_too() {
        let (config, faults) = read(&[("LIMIT", "0"), ("DRY_RUN", "yes"), ("AMQP_URL", "secret")]);
        assert!(config.is_none());
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(faults[0].starts_with("AMQP_URL=[redacted]: "), "{faults:?}");
        let queue = "QUEUE is not set: expected the name of the queue whose dead letters go back, such as email-queue";
        assert_eq!(faults[1], queue);
    }

    #[test]
    fn a_wrong_queue_is_one_fault() {
        let (_, faults) = read(&[("QUEUE", "")]);
        assert!(faults.len() == 1 && faults[0].starts_with("QUEUE=\"\": expected "), "{faults:?}");
    }
}
