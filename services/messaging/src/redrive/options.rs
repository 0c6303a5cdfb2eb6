//! The settings of a redrive.

use settings::{Env, Variable, whole};

use crate::consumer::dead;
use crate::{DeadReason, Error, name};

/// Which dead letters [`run`](super::run) moves back to their queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedriveOptions {
    /// The queue; its dead letters are in `<queue>.dead`.
    pub queue: String,
    /// The queue that holds its dead letters, if that is not `<queue>.dead`.
    pub dead_queue: Option<String>,
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

const QUEUE: Variable = Variable::new("QUEUE", "which dead letters are moved; required");
const DEAD_QUEUE: Variable =
    Variable::new("DEAD_QUEUE", "the queue that holds the dead letters").otherwise("QUEUE.dead");
const REASON: Variable =
    Variable::new("REASON", "move only letters that are dead for this reason").otherwise("any reason");
const EVENT_ID: Variable = Variable::new("EVENT_ID", "move only the letters of this event").otherwise("any event");
const LIMIT: Variable = Variable::new("LIMIT", "the most letters to move").otherwise("all");
const DRY_RUN: Variable = Variable::new("DRY_RUN", "say what would be moved, and move nothing").or("false");
const MAX_REDRIVES: Variable = Variable::new("MAX_REDRIVES", "move no letter that was moved this often before").or("3");

/// The reasons, as a user writes them.
const REASONS: &str = "undecodable, for-good, attempts, max-deliveries, delivery-limit, rejected or unknown";

impl RedriveOptions {
    /// Reads the options, and notes every fault in `env`. `None` without a queue, which is a fault.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        // Reads each setting before the queue decides, so that all faults are found at once.
        let expected = "the name of the queue whose dead letters go back, such as email-queue";
        let queue = env.require(QUEUE.expecting(expected), queue);
        let options = Self {
            queue: String::new(),
            dead_queue: env.read(DEAD_QUEUE.expecting("another queue's name of 1 to 255 bytes"), dead_queue),
            reason: env.read(REASON.expecting(REASONS), DeadReason::from_name),
            event_id: env.read(EVENT_ID.expecting("an event's id of 1 to 255 bytes"), event_id),
            limit: env.read(LIMIT.expecting("a whole number from 1"), |text| whole(text).filter(|limit| *limit > 0)),
            dry_run: env.flag(DRY_RUN),
            max_redrives: env.number(MAX_REDRIVES, 1..=1000),
        };
        queue.map(|queue| Self { queue, ..options })
    }

    /// The queue that holds the dead letters.
    pub(super) fn dead_queue(&self) -> String {
        self.dead_queue.clone().unwrap_or_else(|| dead(&self.queue))
    }

    /// # Errors
    /// [`Error::Invalid`]: AMQP cannot carry a name, or the letters would go back to where they are.
    pub(super) fn check(&self) -> Result<(), Error> {
        name::check("queue", &self.queue)?;
        name::check("dead queue", &self.dead_queue())?;
        let another = self.dead_queue() != self.queue;
        Error::unless(another, "dead_queue", self.dead_queue(), "another queue than the letters go back to")
    }
}

/// The name must still be a queue's name with `.dead` behind it.
fn queue(text: &str) -> Option<String> {
    let valid = (1..=250).contains(&text.len()) && !text.ends_with(".dead");
    valid.then(|| text.to_owned())
}

fn dead_queue(text: &str) -> Option<String> {
    name::is_name(text).then(|| text.to_owned())
}

fn event_id(text: &str) -> Option<String> {
    (1..=255).contains(&text.len()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(given: &[(&str, &str)]) -> Option<RedriveOptions> {
        RedriveOptions::from_env(&mut Env::from_map(given.iter().copied()))
    }

    #[test]
    fn only_the_queue_must_be_named() {
        assert_eq!(options(&[("REASON", "attempts")]), None);
        let options = options(&[("QUEUE", "email-queue")]).unwrap();
        assert_eq!((options.queue.as_str(), options.max_redrives, options.dry_run), ("email-queue", 3, false));
        assert_eq!((options.reason, options.event_id, options.limit), (None, None, None));
    }

    #[test]
    fn letters_go_back_to_another_queue_than_their_own() {
        let with = |name: &str| options(&[("QUEUE", "q"), ("DEAD_QUEUE", name)]).unwrap();
        assert_eq!(options(&[("QUEUE", "q")]).unwrap().dead_queue(), "q.dead");
        assert_eq!((with("grave").dead_queue().as_str(), with("grave").check().is_ok()), ("grave", true));
        let error = with("q").check().unwrap_err().to_string();
        assert_eq!(error, "dead_queue \"q\": expected another queue than the letters go back to");
    }

    #[test]
    fn each_setting_has_its_limits() {
        let refused = [
            ("QUEUE", ["", "email-queue.dead"].as_slice()),
            ("DEAD_QUEUE", &["", "a\nb"]),
            ("REASON", &["", "boredom", "Attempts"]),
            ("EVENT_ID", &[""]),
            ("LIMIT", &["", "0", "-1", "all"]),
            ("DRY_RUN", &["", "yes", "1"]),
            ("MAX_REDRIVES", &["", "0", "1001"]),
        ];
        for (name, texts) in refused {
            for text in texts {
                let queue = [("QUEUE", "email-queue")].into_iter().filter(|_| name != "QUEUE");
                let mut env = Env::from_map(queue.chain([(name, *text)]));
                RedriveOptions::from_env(&mut env);
                let faults: Vec<_> = env.faults().iter().map(settings::Fault::name).collect();
                assert_eq!(faults, [name], "{text:?}");
            }
        }
    }

    #[test]
    fn the_reasons_named_are_those_there_are() {
        let named = REASONS.replace(" or ", ", ");
        let all: Vec<_> = DeadReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(named.split(", ").collect::<Vec<_>>(), all);
    }
}
