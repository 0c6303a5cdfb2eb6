//! The settings of a redrive.

use crate::setting::{no_more, whole};
use crate::{DeadReason, Setting};

/// Which dead letters [`run`](super::run) moves back to their queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedriveOptions {
    /// The queue; its dead letters are in `<queue>.dead`.
    pub queue: String,
    /// Move only letters that are dead for this reason.
    pub reason: Option<DeadReason>,
    /// Move only letters of this event.
    pub event_id: Option<String>,
    /// Move at most this many letters.
    pub limit: Option<u64>,
    /// Move none, and say which would have been moved.
    pub dry_run: bool,
    /// Move no letter that was moved this often before.
    pub max_redrives: u32,
}

const QUEUE: Setting = Setting {
    name: "QUEUE",
    expected: "the name of a consumer's queue, as email-queue",
    default: None,
    otherwise: None,
    secret: false,
    meaning: "the queue whose dead letters are moved back to it; required",
    accepts: |text| queue(text).is_some(),
    fault: no_more,
};

const REASON: Setting = Setting {
    name: "REASON",
    expected: "undecodable, for-good, attempts, max-deliveries, delivery-limit, rejected or unknown",
    default: None,
    otherwise: Some("any reason"),
    secret: false,
    meaning: "move only letters that are dead for this reason",
    accepts: |text| DeadReason::from_name(text).is_some(),
    fault: no_more,
};

const EVENT_ID: Setting = Setting {
    name: "EVENT_ID",
    expected: "an event's id of 1 to 255 bytes",
    default: None,
    otherwise: Some("any event"),
    secret: false,
    meaning: "move only the letters of this event",
    accepts: |text| event_id(text).is_some(),
    fault: no_more,
};

const LIMIT: Setting = Setting {
    name: "LIMIT",
    expected: "a whole number from 1",
    default: None,
    otherwise: Some("all"),
    secret: false,
    meaning: "the most letters to move",
    accepts: |text| limit(text).is_some(),
    fault: no_more,
};

const DRY_RUN: Setting = Setting {
    name: "DRY_RUN",
    expected: "true or false",
    default: Some("false"),
    otherwise: None,
    secret: false,
    meaning: "say what would be moved, and move nothing",
    accepts: |text| text.parse::<bool>().is_ok(),
    fault: no_more,
};

const MAX_REDRIVES: Setting = Setting {
    name: "MAX_REDRIVES",
    expected: "a whole number from 1 to 1000",
    default: Some("3"),
    otherwise: None,
    secret: false,
    meaning: "move no letter that was moved this often before",
    accepts: |text| max_redrives(text).is_some(),
    fault: no_more,
};

impl RedriveOptions {
    /// All settings of a redrive.
    pub const SETTINGS: &'static [Setting] = &[QUEUE, REASON, EVENT_ID, LIMIT, DRY_RUN, MAX_REDRIVES];

    /// Makes the options that these texts describe. Its setting has accepted each text. `None` without a queue.
    pub fn from_settings(mut text: impl FnMut(&Setting) -> Option<String>) -> Option<Self> {
        let text = &mut text;
        // Reads each setting before the queue decides, so that all faults are found at once.
        let queue = QUEUE.value(text, queue);
        let options = Self {
            queue: String::new(),
            reason: REASON.value(text, DeadReason::from_name),
            event_id: EVENT_ID.value(text, event_id),
            limit: LIMIT.value(text, limit),
            dry_run: DRY_RUN.value(text, |text| text.parse().ok()).unwrap_or(false),
            max_redrives: MAX_REDRIVES.value(text, max_redrives).unwrap_or(3),
        };
        queue.map(|queue| Self { queue, ..options })
    }
}

/// The name must still be a queue's name with `.dead` behind it.
fn queue(text: &str) -> Option<String> {
    let valid = (1..=250).contains(&text.len()) && !text.ends_with(".dead");
    valid.then(|| text.to_owned())
}

fn event_id(text: &str) -> Option<String> {
    (1..=255).contains(&text.len()).then(|| text.to_owned())
}

fn limit(text: &str) -> Option<u64> {
    whole(text).filter(|limit| *limit > 0)
}

fn max_redrives(text: &str) -> Option<u32> {
    whole(text).filter(|most| (1..=1000).contains(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(given: &[(&str, &str)]) -> Option<RedriveOptions> {
        RedriveOptions::from_settings(|setting| {
            given.iter().find(|(name, _)| *name == setting.name).map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn only_the_queue_must_be_named() {
        assert_eq!(options(&[("REASON", "attempts")]), None);
        let options = options(&[("QUEUE", "email-queue")]).unwrap();
        assert_eq!((options.queue.as_str(), options.max_redrives, options.dry_run), ("email-queue", 3, false));
        assert_eq!((options.reason, options.event_id, options.limit), (None, None, None));
    }

    #[test]
    fn each_setting_has_its_limits() {
        let refused = [
            ("QUEUE", ["", "email-queue.dead"].as_slice()),
            ("REASON", &["", "boredom", "Attempts"]),
            ("EVENT_ID", &[""]),
            ("LIMIT", &["", "0", "-1", "all"]),
            ("DRY_RUN", &["", "yes", "1"]),
            ("MAX_REDRIVES", &["", "0", "1001"]),
        ];
        for (name, texts) in refused {
            let setting = RedriveOptions::SETTINGS.iter().find(|setting| setting.name == name).unwrap();
            assert!(setting.default.is_none_or(setting.accepts), "{name}");
            for text in texts {
                assert!(!(setting.accepts)(text), "{name}={text:?}");
            }
        }
    }

    #[test]
    fn the_reasons_named_are_those_there_are() {
        let named = REASON.expected.replace(" or ", ", ");
        let all: Vec<_> = DeadReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(named.split(", ").collect::<Vec<_>>(), all);
    }
}
