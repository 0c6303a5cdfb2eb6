//! The settings of a consumer.

use std::ops::RangeInclusive;
use std::time::Duration;

use settings::{Env, Variable, duration};

use crate::Error;

/// How a consumer works. These are the defaults:
///
/// ```
/// # use std::time::Duration;
/// let options = messaging::ConsumerOptions::default();
/// assert_eq!(options.concurrency, 64);
/// assert_eq!(options.prefetch, 128);
/// assert_eq!(options.handle_timeout, Duration::from_secs(15));
/// assert_eq!(options.retry_delays, [1, 10, 60, 600, 3600].map(Duration::from_secs)); // so there are six attempts
/// assert_eq!(options.dedupe_capacity, 100_000);
/// assert_eq!(options.max_deliveries, 5);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// The most events handled at once.
    pub concurrency: usize,
    /// The most deliveries held at once, begun or not.
    pub prefetch: u16,
    /// The longest that an attempt may take.
    pub handle_timeout: Duration,
    /// The waits of a failed event before its second attempt, its third, and so on. When they are used up, the event
    /// is a dead letter.
    pub retry_delays: Vec<Duration>,
    /// How many handled events are remembered.
    pub dedupe_capacity: usize,
    /// A delivery whose handling has ended the process this many times is dead-lettered. From its second redelivery
    /// on, the delivery is handled alone.
    pub max_deliveries: u32,
}

const CONCURRENCY: Variable = Variable::new("CONCURRENCY", "the most events handled at once").or("64");
const PREFETCH: Variable =
    Variable::new("PREFETCH", "the most messages held at once, begun or not").otherwise("twice CONCURRENCY");
const HANDLE_TIMEOUT: Variable = Variable::new(
    "HANDLE_TIMEOUT",
    "the longest that an attempt may take; a stop waits for `SHUTDOWN_TIMEOUT` at most",
)
.or("15s");
const RETRY_DELAYS: Variable = Variable::new(
    "RETRY_DELAYS",
    "how long a failed event waits before each further attempt; each delay has a queue of its own",
)
.or("1s,10s,1m,10m,1h");
const DEDUPE_CAPACITY: Variable = Variable::new(
    "DEDUPE_CAPACITY",
    "how many handled events a process remembers, so that it handles none of them again; about 100 bytes each",
)
.or("100000");
const MAX_DELIVERIES: Variable =
    Variable::new("MAX_DELIVERIES", "how often a message may end the process before it is a dead letter").or("5");

impl ConsumerOptions {
    /// Reads the options, and notes every fault in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        Self::with_handle_timeout(HANDLE_TIMEOUT, env)
    }

    /// Reads the options of a consumer whose `HANDLE_TIMEOUT` has another default, or another meaning.
    ///
    /// # Panics
    /// The variable has no default that is a duration above zero.
    pub fn with_handle_timeout(handle_timeout: Variable, env: &mut Env) -> Self {
        let concurrency = env.number(CONCURRENCY, 1..=4096);
        let prefetch = env.number_if_any(PREFETCH, 1..=u16::MAX);
        let handle_timeout =
            env.read(handle_timeout.expecting("a duration such as 500ms, 5s or 2m"), duration_above_zero);
        let retry_delays =
            env.read(RETRY_DELAYS.expecting("1 to 10 durations from 1ms to 24h, as 1s,10s,1m,10m"), retry_delays);
        Self {
            concurrency,
            prefetch: prefetch.unwrap_or_else(|| u16::try_from(concurrency * 2).expect("the most is far below 65535")),
            handle_timeout: handle_timeout.expect("the default is a duration"),
            retry_delays: retry_delays.expect("the default is a list of durations"),
            dedupe_capacity: env.number(DEDUPE_CAPACITY, 0..=10_000_000),
            // A delivery is handled alone from its second redelivery on, so a killer is found at the third at the
            // earliest.
            max_deliveries: env.number(MAX_DELIVERIES, 3..=10),
        }
    }
}

impl ConsumerOptions {
    /// # Errors
    /// [`Error::Invalid`]: an option is out of its range.
    pub(super) fn check(&self) -> Result<(), Error> {
        let Self { concurrency, prefetch, handle_timeout, retry_delays, dedupe_capacity, max_deliveries } = self;
        Error::unless((1..=4096).contains(concurrency), "concurrency", concurrency, "from 1 to 4096")?;
        Error::unless(*prefetch > 0, "prefetch", prefetch, "from 1 to 65535")?;
        Error::unless(!handle_timeout.is_zero(), "handle_timeout", handle_timeout, "a duration above zero")?;
        let delays = (1..=10).contains(&retry_delays.len()) && retry_delays.iter().all(|delay| DELAYS.contains(delay));
        Error::unless(delays, "retry_delays", retry_delays, "1 to 10 durations from 1ms to 24h")?;
        Error::unless(*dedupe_capacity <= 10_000_000, "dedupe_capacity", dedupe_capacity, "from 0 to 10000000")?;
        Error::unless((3..=10).contains(max_deliveries), "max_deliveries", max_deliveries, "from 3 to 10")
    }
}

/// How long a failed event may wait. The broker counts milliseconds, and a day is enough.
const DELAYS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self::from_env(&mut Env::default())
    }
}

fn duration_above_zero(text: &str) -> Option<Duration> {
    duration(text).filter(|duration| !duration.is_zero())
}

fn retry_delays(text: &str) -> Option<Vec<Duration>> {
    let (shortest, longest) = (Duration::from_millis(1), Duration::from_secs(24 * 60 * 60));
    let valid = |delay: &Duration| (shortest..=longest).contains(delay);
    let delays: Option<Vec<_>> = text.split(',').map(|delay| duration(delay.trim()).filter(valid)).collect();
    delays.filter(|delays| delays.len() <= 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(given: &[(&str, &str)]) -> ConsumerOptions {
        ConsumerOptions::from_env(&mut Env::from_map(given.iter().copied()))
    }

    #[test]
    fn nothing_set_gives_the_defaults() {
        let expected = ConsumerOptions {
            concurrency: 64,
            prefetch: 128,
            handle_timeout: Duration::from_secs(15),
            retry_delays: [1, 10, 60, 600, 3600].map(Duration::from_secs).to_vec(),
            dedupe_capacity: 100_000,
            max_deliveries: 5,
        };
        assert_eq!(options(&[]), expected);
    }

    #[test]
    fn the_prefetch_is_twice_the_concurrency_unless_it_is_set() {
        assert_eq!(options(&[("CONCURRENCY", "4096")]).prefetch, 8192);
        assert_eq!(options(&[("CONCURRENCY", "10"), ("PREFETCH", "7")]).prefetch, 7);
    }

    #[test]
    fn texts_out_of_range_are_not_accepted() {
        let refused = [
            ("CONCURRENCY", ["", "0", "4097", "-1", "many", "1.5"].as_slice()),
            ("PREFETCH", &["", "0", "65536", "x"]),
            ("HANDLE_TIMEOUT", &["", "0s", "15", "-1s"]),
            ("RETRY_DELAYS", &["", "1s,", "0s", "25h", "1us", "1s;2s", "1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s"]),
            ("DEDUPE_CAPACITY", &["", "-1", "10000001"]),
            ("MAX_DELIVERIES", &["", "2", "11"]),
        ];
        for (name, texts) in refused {
            for text in texts {
                let mut env = Env::from_map([(name, *text)]);
                ConsumerOptions::from_env(&mut env);
                let faults: Vec<_> = env.faults().iter().map(settings::Fault::name).collect();
                assert_eq!(faults, [name], "{text:?}");
            }
        }
    }

    #[test]
    fn an_option_out_of_its_range_is_refused_by_its_name() {
        let sound = ConsumerOptions::default;
        assert!(sound().check().is_ok());
        for (options, told) in [
            (ConsumerOptions { concurrency: 0, ..sound() }, "concurrency 0: expected from 1 to 4096"),
            (ConsumerOptions { prefetch: 0, ..sound() }, "prefetch 0"),
            (ConsumerOptions { handle_timeout: Duration::ZERO, ..sound() }, "handle_timeout 0ns"),
            (ConsumerOptions { retry_delays: vec![], ..sound() }, "retry_delays []"),
            (ConsumerOptions { retry_delays: vec![Duration::from_secs(86_401)], ..sound() }, "retry_delays [86401s]"),
            (ConsumerOptions { dedupe_capacity: 10_000_001, ..sound() }, "dedupe_capacity 10000001"),
            (ConsumerOptions { max_deliveries: 2, ..sound() }, "max_deliveries 2"),
        ] {
            let error = options.check().unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn retry_delays_are_read_in_their_order() {
        let delays = options(&[("RETRY_DELAYS", "50ms, 90s,24h")]).retry_delays;
        assert_eq!(delays, [50, 90_000, 86_400_000].map(Duration::from_millis));
    }
}
