//! Many different events deferred with one and the same code are the server's trouble, not theirs.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// How many different events in a row make a deferral an outage.
const LIMIT: usize = 10;

/// The deferrals in a row that had the same code.
#[derive(Debug, Default)]
pub(super) struct Streak(Mutex<Row>);

#[derive(Debug, Default)]
struct Row {
    code: u16,
    events: HashSet<String>,
}

impl Streak {
    /// Notes that `event` was deferred with `code`.
    /// True once [`LIMIT`] different events in a row were, and from then on until another answer comes.
    pub(super) fn deferred(&self, event: &str, code: u16) -> bool {
        let mut row = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if row.code != code {
            *row = Row { code, events: HashSet::new() };
        }
        if row.events.len() < LIMIT && !row.events.contains(event) {
            row.events.insert(event.to_owned());
        }
        row.events.len() >= LIMIT
    }

    /// Notes that the server took a mail, or refused one for good: it works.
    pub(super) fn broken(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Row::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defer_nine(streak: &Streak) {
        for event in 0..9 {
            assert!(!streak.deferred(&event.to_string(), 451));
        }
    }

    #[test]
    fn the_tenth_event_in_a_row_is_an_outage_and_so_is_each_one_after_it() {
        let streak = Streak::default();
        defer_nine(&streak);
        assert!(streak.deferred("tenth", 451));
        assert!(streak.deferred("tenth", 451));
        assert!(streak.deferred("eleventh", 451));
    }

    #[test]
    fn one_event_deferred_again_and_again_stays_its_own_trouble() {
        let streak = Streak::default();
        assert!((0..100).all(|_| !streak.deferred("one", 451)));
    }

    #[test]
    fn another_code_or_a_mail_that_went_out_begins_anew() {
        let streak = Streak::default();
        defer_nine(&streak);
        assert!(!streak.deferred("tenth", 452));
        defer_nine(&streak);
        streak.broken();
        assert!(!streak.deferred("tenth", 451));
    }
}
