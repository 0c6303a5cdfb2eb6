//! The settings of a publisher.

use std::time::Duration;

use super::RequiredQueue;
use crate::Setting;
use crate::setting::{self, duration, no_more};

const PUBLISH_TIMEOUT: Setting = Setting {
    name: "PUBLISH_TIMEOUT",
    expected: "a duration from 100ms to 1m",
    default: Some("5s"),
    otherwise: None,
    secret: false,
    meaning: "how long an event may wait for the broker's confirm; a broker that is away for less time costs no order",
    accepts: |text| timeout(text).is_some(),
    fault: no_more,
};

const PUBLISH_MAX_PENDING: Setting = Setting {
    name: "PUBLISH_MAX_PENDING",
    expected: "a whole number from 1 to 65536",
    default: Some("4096"),
    otherwise: None,
    secret: false,
    meaning: "the most events that may wait for their confirm, with at most 8 MiB of bodies; further events are refused at once",
    accepts: |text| whole(text, 65_536).is_some(),
    fault: no_more,
};

const PUBLISH_LANES: Setting = Setting {
    name: "PUBLISH_LANES",
    expected: "a whole number from 1 to 32",
    default: Some("8"),
    otherwise: None,
    secret: false,
    meaning: "the number of channels that publish side by side",
    accepts: |text| whole(text, 32).is_some(),
    fault: no_more,
};

const REQUIRED_QUEUES: Setting = Setting {
    name: "REQUIRED_QUEUES",
    expected: "QUEUE:KEY+KEY,QUEUE:KEY",
    default: None,
    otherwise: Some("none"),
    secret: false,
    meaning: "queues to declare and bind before anything is published, so that no event misses them",
    accepts: |text| RequiredQueue::parse_list(text).is_some(),
    fault: no_more,
};

/// The settings of a publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherOptions {
    /// How long an event may wait for its confirm, if its publisher gives no other deadline.
    pub timeout: Duration,
    /// The most events that may wait.
    pub max_pending: usize,
    /// The number of channels that publish side by side.
    pub lanes: usize,
    /// The queues that have to be bound before events may be published.
    pub required_queues: Vec<RequiredQueue>,
}

impl PublisherOptions {
    /// All settings of a publisher.
    pub const SETTINGS: &'static [Setting] = &[PUBLISH_TIMEOUT, PUBLISH_MAX_PENDING, PUBLISH_LANES, REQUIRED_QUEUES];

    /// Makes the options that these texts describe. Its setting has accepted each text.
    pub fn from_settings(mut text: impl FnMut(&Setting) -> Option<String>) -> Self {
        let default = Self::default();
        let number = |text: &str| whole(text, usize::MAX);
        Self {
            timeout: PUBLISH_TIMEOUT.value(&mut text, timeout).unwrap_or(default.timeout),
            max_pending: PUBLISH_MAX_PENDING.value(&mut text, number).unwrap_or(default.max_pending),
            lanes: PUBLISH_LANES.value(&mut text, number).unwrap_or(default.lanes),
            required_queues: REQUIRED_QUEUES.value(&mut text, RequiredQueue::parse_list).unwrap_or_default(),
        }
    }
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), max_pending: 4096, lanes: 8, required_queues: Vec::new() }
    }
}

fn timeout(text: &str) -> Option<Duration> {
    duration(text).filter(|timeout| (Duration::from_millis(100)..=Duration::from_secs(60)).contains(timeout))
}

fn whole(text: &str, most: usize) -> Option<usize> {
    setting::whole(text).filter(|number| (1..=most).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_is_the_default_which_the_settings_state() {
        assert_eq!(PublisherOptions::from_settings(|_| None), PublisherOptions::default());
        for setting in PublisherOptions::SETTINGS {
            assert!(setting.default.is_none_or(setting.accepts), "{}", setting.name);
        }
    }

    #[test]
    fn each_setting_has_its_limits() {
        let refused = [
            (&PUBLISH_TIMEOUT, &["", "5", "0s", "99ms", "61s", "soon"][..]),
            (&PUBLISH_MAX_PENDING, &["", "0", "-1", "+5", "65537", "1e3", "many"]),
            (&PUBLISH_LANES, &["", "0", "33", "4.5"]),
        ];
        for (setting, texts) in refused {
            for text in texts {
                assert!(!(setting.accepts)(text), "{} accepts {text:?}", setting.name);
            }
        }
        let options = PublisherOptions::from_settings(|setting| {
            Some(match setting.name {
                "PUBLISH_TIMEOUT" => "750ms".into(),
                "PUBLISH_MAX_PENDING" => "7".into(),
                "PUBLISH_LANES" => "2".into(),
                _ => "q:k".into(),
            })
        });
        assert_eq!((options.timeout, options.max_pending, options.lanes), (Duration::from_millis(750), 7, 2));
        assert_eq!(options.required_queues.len(), 1);
    }
}
