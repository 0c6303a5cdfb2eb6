//! The settings of a publisher.

use std::time::Duration;

use settings::{Env, Variable};

use super::RequiredQueue;
use crate::Error;

const PUBLISH_TIMEOUT: Variable = Variable::new(
    "PUBLISH_TIMEOUT",
    "how long an event may wait for the broker's confirm; a broker that is away for less time costs no order",
)
.or("5s");
const PUBLISH_MAX_PENDING: Variable = Variable::new(
    "PUBLISH_MAX_PENDING",
    "the most events that may wait for their confirm, with at most 8 MiB of bodies; further events are refused at once",
)
.or("4096");
const PUBLISH_LANES: Variable =
    Variable::new("PUBLISH_LANES", "the number of channels that publish side by side").or("8");
const REQUIRED_QUEUES: Variable = Variable::new(
    "REQUIRED_QUEUES",
    "queues to declare and bind before anything is published, so that no event misses them",
)
.otherwise("none");

/// The settings of a publisher. These are the defaults:
///
/// ```
/// # use std::time::Duration;
/// let options = messaging::PublisherOptions::default();
/// assert_eq!(options.timeout, Duration::from_secs(5));
/// assert_eq!(options.max_pending, 4096);
/// assert_eq!(options.lanes, 8);
/// assert_eq!(options.required_queues, []);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherOptions {
    /// How long an event may wait for its confirm, if `publish_by` gives no other deadline.
    pub timeout: Duration,
    /// The most events that may wait.
    pub max_pending: usize,
    /// The number of channels that publish side by side.
    pub lanes: usize,
    /// The queues that have to be bound before events may be published.
    pub required_queues: Vec<RequiredQueue>,
}

impl PublisherOptions {
    /// Reads the options, and notes every fault in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let required_queues = REQUIRED_QUEUES.expecting("QUEUE:KEY+KEY,QUEUE:KEY");
        Self {
            timeout: env.duration(PUBLISH_TIMEOUT, Duration::from_millis(100)..=Duration::from_secs(60)),
            max_pending: env.number(PUBLISH_MAX_PENDING, 1..=65_536),
            lanes: env.number(PUBLISH_LANES, 1..=32),
            required_queues: env.read(required_queues, RequiredQueue::parse_list).unwrap_or_default(),
        }
    }
}

impl PublisherOptions {
    /// # Errors
    /// [`Error::Invalid`]: an option is out of its range.
    pub(super) fn check(&self) -> Result<(), Error> {
        Error::unless((1..=65_536).contains(&self.max_pending), "max_pending", self.max_pending, "from 1 to 65536")?;
        Error::unless((1..=32).contains(&self.lanes), "lanes", self.lanes, "from 1 to 32")
    }
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self::from_env(&mut Env::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_is_the_default() {
        let PublisherOptions { timeout, max_pending, lanes, required_queues } = PublisherOptions::default();
        assert_eq!((timeout, max_pending, lanes), (Duration::from_secs(5), 4096, 8));
        assert_eq!(required_queues, []);
    }

    #[test]
    fn each_setting_has_its_limits() {
        let refused = [
            ("PUBLISH_TIMEOUT", &["", "5", "0s", "99ms", "61s", "soon"][..]),
            ("PUBLISH_MAX_PENDING", &["", "0", "-1", "+5", "65537", "1e3", "many"]),
            ("PUBLISH_LANES", &["", "0", "33", "4.5"]),
        ];
        for (name, texts) in refused {
            for text in texts {
                let mut env = Env::from_map([(name, *text)]);
                PublisherOptions::from_env(&mut env);
                let faults: Vec<_> = env.faults().iter().map(settings::Fault::name).collect();
                assert_eq!(faults, [name], "{text:?}");
            }
        }
        let options = PublisherOptions::from_env(&mut Env::from_map([
            ("PUBLISH_TIMEOUT", "750ms"),
            ("PUBLISH_MAX_PENDING", "7"),
            ("PUBLISH_LANES", "2"),
            ("REQUIRED_QUEUES", "q:k"),
        ]));
        assert_eq!((options.timeout, options.max_pending, options.lanes), (Duration::from_millis(750), 7, 2));
        assert_eq!(options.required_queues.len(), 1);
    }
}
