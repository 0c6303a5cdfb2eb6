//! The settings of a consumer.

use std::time::Duration;

use crate::Setting;
use crate::setting::{duration, no_more, whole};

/// How a consumer works.
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

const CONCURRENCY: Setting = Setting {
    name: "CONCURRENCY",
    expected: "a whole number from 1 to 4096",
    default: Some("64"),
    otherwise: None,
    secret: false,
    meaning: "the most events handled at once",
    accepts: |text| concurrency(text).is_some(),
    fault: no_more,
};

const PREFETCH: Setting = Setting {
    name: "PREFETCH",
    expected: "a whole number from 1 to 65535",
    default: None,
    otherwise: Some("twice CONCURRENCY"),
    secret: false,
    meaning: "the most messages held at once, begun or not",
    accepts: |text| prefetch(text).is_some(),
    fault: no_more,
};

const HANDLE_TIMEOUT: Setting = Setting {
    name: "HANDLE_TIMEOUT",
    expected: "a duration such as 500ms, 5s or 2m",
    default: Some("15s"),
    otherwise: None,
    secret: false,
    meaning: "the longest that an attempt may take; a stop waits for `SHUTDOWN_TIMEOUT` at most",
    accepts: |text| duration(text).is_some(),
    fault: no_more,
};

const RETRY_DELAYS: Setting = Setting {
    name: "RETRY_DELAYS",
    expected: "1 to 10 durations from 1ms to 24h, as 1s,10s,1m,10m",
    default: Some("1s,10s,1m,10m"),
    otherwise: None,
    secret: false,
    meaning: "how long a failed event waits before each further attempt; each delay has a queue of its own",
    accepts: |text| retry_delays(text).is_some(),
    fault: no_more,
};

const DEDUPE_CAPACITY: Setting = Setting {
    name: "DEDUPE_CAPACITY",
    expected: "a whole number from 0 to 10000000",
    default: Some("100000"),
    otherwise: None,
    secret: false,
    meaning: "how many handled events a process remembers, so that it handles none of them again; about 100 bytes each",
    accepts: |text| dedupe_capacity(text).is_some(),
    fault: no_more,
};

const MAX_DELIVERIES: Setting = Setting {
    name: "MAX_DELIVERIES",
    expected: "a whole number from 3 to 10",
    default: Some("5"),
    otherwise: None,
    secret: false,
    meaning: "how often a message may end the process before it is a dead letter",
    accepts: |text| max_deliveries(text).is_some(),
    fault: no_more,
};

impl ConsumerOptions {
    /// All settings of a consumer.
    pub const SETTINGS: &'static [Setting] =
        &[CONCURRENCY, PREFETCH, HANDLE_TIMEOUT, RETRY_DELAYS, DEDUPE_CAPACITY, MAX_DELIVERIES];

    /// Reads the options. Each setting's text is valid, or missing.
    pub fn from_settings(mut text: impl FnMut(&Setting) -> Option<String>) -> Self {
        let text = &mut text;
        let default = "a default is valid";
        let concurrency = CONCURRENCY.value(text, concurrency).expect(default);
        let twice = || u16::try_from(concurrency * 2).expect("the most is far below 65535");
        Self {
            concurrency,
            prefetch: PREFETCH.value(text, prefetch).unwrap_or_else(twice),
            handle_timeout: HANDLE_TIMEOUT.value(text, duration).expect(default),
            retry_delays: RETRY_DELAYS.value(text, retry_delays).expect(default),
            dedupe_capacity: DEDUPE_CAPACITY.value(text, dedupe_capacity).expect(default),
            max_deliveries: MAX_DELIVERIES.value(text, max_deliveries).expect(default),
        }
    }
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self::from_settings(|_| None)
    }
}

fn concurrency(text: &str) -> Option<usize> {
    whole(text).filter(|n| (1..=4096).contains(n))
}

fn prefetch(text: &str) -> Option<u16> {
    whole(text).filter(|n| *n > 0)
}

fn retry_delays(text: &str) -> Option<Vec<Duration>> {
    let (shortest, longest) = (Duration::from_millis(1), Duration::from_secs(24 * 60 * 60));
    let valid = |delay: &Duration| (shortest..=longest).contains(delay);
    let delays: Option<Vec<_>> = text.split(',').map(|delay| duration(delay.trim()).filter(valid)).collect();
    delays.filter(|delays| delays.len() <= 10)
}

fn dedupe_capacity(text: &str) -> Option<usize> {
    whole(text).filter(|n| *n <= 10_000_000)
}

// A delivery is handled alone from its second redelivery on, so a killer is found at the third at the earliest.
fn max_deliveries(text: &str) -> Option<u32> {
    whole(text).filter(|n| (3..=10).contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(given: &[(&str, &str)]) -> ConsumerOptions {
        ConsumerOptions::from_settings(|setting| {
            given.iter().find(|(name, _)| *name == setting.name).map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn nothing_set_gives_the_designs_defaults() {
        let expected = ConsumerOptions {
            concurrency: 64,
            prefetch: 128,
            handle_timeout: Duration::from_secs(15),
            retry_delays: [1, 10, 60, 600].map(Duration::from_secs).to_vec(),
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
            let setting = ConsumerOptions::SETTINGS.iter().find(|setting| setting.name == name).unwrap();
            for text in texts {
                assert!(!(setting.accepts)(text), "{name}={text:?}");
            }
        }
    }

    #[test]
    fn every_default_is_accepted() {
        for setting in ConsumerOptions::SETTINGS {
            assert!(setting.default.is_none_or(setting.accepts), "{}", setting.name);
        }
    }

    #[test]
    fn retry_delays_are_read_in_their_order() {
        let delays = options(&[("RETRY_DELAYS", "50ms, 90s,24h")]).retry_delays;
        assert_eq!(delays, [50, 90_000, 86_400_000].map(Duration::from_millis));
    }
}
