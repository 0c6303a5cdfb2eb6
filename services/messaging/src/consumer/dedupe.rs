//! Remembers which events were handled, so that a second copy is acknowledged and not handled again.

use std::collections::hash_map::{Entry, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

use super::recent::{Fingerprint, Fingerprints, Recent};

/// The events that this process has handled lately, and those that it is handling. They outlive connections: if a
/// lost connection took the acknowledgement of an event with it, the event is recognised on the next connection.
#[derive(Debug)]
pub(crate) struct Dedupe {
    fingerprints: Fingerprints,
    events: Mutex<Events>,
}

#[derive(Debug)]
struct Events {
    handled: Recent<()>,
    /// The events being handled, each with the copy that waits for its outcome.
    running: HashMap<Fingerprint, Option<oneshot::Sender<()>>>,
}

/// Whether this process knows an arriving event.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// The event is new: handle it.
    First(Handling),
    /// The event was handled before.
    Duplicate,
    /// The event is being handled now. Ask again when this resolves.
    Waits(oneshot::Receiver<()>),
    /// The event is being handled now, and another copy waits for its outcome already.
    Undecided,
}

/// The right to handle an event. If it is dropped without [`succeeded`](Self::succeeded), the next copy may try.
#[derive(Debug)]
pub(crate) struct Handling {
    dedupe: Arc<Dedupe>,
    event: Option<Fingerprint>,
}

impl Dedupe {
    pub(crate) fn new(capacity: usize) -> Self {
        let events = Events { handled: Recent::new(capacity), running: HashMap::new() };
        Self { fingerprints: Fingerprints::default(), events: Mutex::new(events) }
    }

    /// Registers an event. An event without an id is always new, because nothing says that it is not.
    ///
    /// One copy of an event waits at most. If each copy waited, the copies of one slow event would fill the prefetch,
    /// and no other event would be delivered.
    pub(crate) fn arrive(self: &Arc<Self>, source: Option<&str>, id: Option<&str>) -> Arrival {
        let Some(id) = id else { return Arrival::First(Handling { dedupe: self.clone(), event: None }) };
        let event = self.fingerprints.of((source, id));
        let mut events = self.events();
        if events.handled.get(event).is_some() {
            return Arrival::Duplicate;
        }
        match events.running.entry(event) {
            Entry::Occupied(mut running) => {
                let waiting = running.get_mut();
                if waiting.as_ref().is_some_and(|copy| !copy.is_closed()) {
                    return Arrival::Undecided;
                }
                let (over, wait) = oneshot::channel();
                *waiting = Some(over);
                Arrival::Waits(wait)
            }
            Entry::Vacant(first) => {
                first.insert(None);
                Arrival::First(Handling { dedupe: self.clone(), event: Some(event) })
            }
        }
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().expect("nothing panics while it holds the events")
    }
}

impl Handling {
    /// Remembers the event as handled. The copy that waits is a duplicate.
    pub(crate) fn succeeded(self) {
        if let Some(event) = self.event {
            self.dedupe.events().handled.update(event, |()| ());
        }
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        if let Some(event) = self.event {
            // Dropping the sender wakes the copy that waits, and it asks again.
            self.dedupe.events().running.remove(&event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(dedupe: &Arc<Dedupe>, id: &str) -> Arrival {
        dedupe.arrive(Some("order"), Some(id))
    }

    #[test]
    fn an_event_is_remembered_only_after_success() {
        let dedupe = Arc::new(Dedupe::new(10));
        let Arrival::First(failing) = arrive(&dedupe, "1") else { panic!("the first is the first") };
        drop(failing);
        let Arrival::First(handling) = arrive(&dedupe, "1") else { panic!("a failure is not remembered") };
        handling.succeeded();
        assert!(matches!(arrive(&dedupe, "1"), Arrival::Duplicate));
        assert!(matches!(arrive(&dedupe, "2"), Arrival::First(_)));
        assert!(matches!(dedupe.arrive(Some("another"), Some("1")), Arrival::First(_)));
    }

    #[tokio::test]
    async fn a_second_copy_waits_for_the_outcome_of_the_first() {
        let dedupe = Arc::new(Dedupe::new(10));
        let Arrival::First(first) = arrive(&dedupe, "1") else { panic!("the first is the first") };
        let Arrival::Waits(mut outcome) = arrive(&dedupe, "1") else { panic!("the first still runs") };
        assert!(outcome.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        first.succeeded();
        let _ = outcome.await;
        assert!(matches!(arrive(&dedupe, "1"), Arrival::Duplicate));
    }

    #[tokio::test]
    async fn the_copy_that_waits_for_a_failure_tries_and_the_next_waits_for_it() {
        let dedupe = Arc::new(Dedupe::new(10));
        let Arrival::First(first) = arrive(&dedupe, "1") else { panic!("the first is the first") };
        let Arrival::Waits(outcome) = arrive(&dedupe, "1") else { panic!("the first still runs") };
        drop(first);
        let _ = outcome.await;
        let Arrival::First(_second) = arrive(&dedupe, "1") else { panic!("a failure frees the event") };
        assert!(matches!(arrive(&dedupe, "1"), Arrival::Waits(_)));
    }

    #[test]
    fn one_copy_waits_and_when_it_gives_up_another_may() {
        let dedupe = Arc::new(Dedupe::new(10));
        let Arrival::First(_first) = arrive(&dedupe, "1") else { panic!("the first is the first") };
        for _ in 0..3 {
            let Arrival::Waits(_waits) = arrive(&dedupe, "1") else { panic!("no other copy waits") };
            assert!(matches!(arrive(&dedupe, "1"), Arrival::Undecided));
        }
    }

    #[test]
    fn an_event_without_an_id_is_never_a_duplicate() {
        let dedupe = Arc::new(Dedupe::new(10));
        for _ in 0..2 {
            let Arrival::First(handling) = dedupe.arrive(None, None) else { panic!("nothing says it came before") };
            handling.succeeded();
        }
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest() {
        let dedupe = Arc::new(Dedupe::new(2));
        for id in ["1", "2", "3"] {
            let Arrival::First(handling) = arrive(&dedupe, id) else { panic!("{id} is new") };
            handling.succeeded();
        }
        assert!(matches!(arrive(&dedupe, "3"), Arrival::Duplicate));
        assert!(matches!(arrive(&dedupe, "1"), Arrival::First(_)));
        assert!(dedupe.events().running.is_empty(), "what is dropped leaves nothing behind");
    }
}
