//! Records what a handler publishes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use events::{DecodeError, Event};
use prometheus::Registry;
use tokio::sync::watch;

use crate::delivery::Delivery;
use crate::publisher::{Lanes, Outgoing};
use crate::{AmqpUrl, Client, Endpoint, Exchange, PublishError, Publisher, PublisherOptions, Received, State};

/// Takes the broker's place: it records what its publishers publish, and answers them. Clones are the same recording.
///
/// Its publishers are the real ones. They encode each event and wait for the answer, and their metrics count it. Only
/// the connection is missing.
#[derive(Clone)]
pub struct Recording {
    client: Client,
    lanes: Arc<Lanes>,
    state: watch::Sender<State>,
    record: Arc<Mutex<Record>>,
}

type Answer = Result<(), PublishError>;

/// What was confirmed, and how the next event is answered.
struct Record {
    confirmed: Vec<Arc<Delivery>>,
    answer: Box<dyn FnMut(&str) -> Answer + Send>,
}

impl Recording {
    /// Starts a recording that confirms every event.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start() -> Self {
        let endpoint = Endpoint::new(AmqpUrl::default(), "test");
        let client = Client::new(endpoint, &Registry::new()).expect("the registry is new");
        let record = Arc::new(Mutex::new(Record { confirmed: Vec::new(), answer: Box::new(|_| Ok(())) }));
        let state = watch::Sender::new(State::Connected);
        let (told, shared) = (state.clone(), Arc::clone(&record));
        let answer = move |outgoing: &Outgoing| {
            let answer = locked(&shared).answered(outgoing);
            told.send_replace(state_after(answer));
            answer
        };
        let lanes = Arc::new(Lanes::answered(state.clone(), answer));
        Self { client, lanes, state, record }
    }

    /// Makes a publisher to this exchange. All publishers of a recording share what a connection would be, so to close
    /// one closes them all.
    ///
    /// # Panics
    /// AMQP cannot carry the exchange's name.
    pub fn publisher<E: Event>(&self, exchange: impl Into<Exchange>) -> Publisher<E> {
        let exchange = exchange.into();
        exchange.check().unwrap_or_else(|error| panic!("{error}"));
        Publisher::over(Arc::clone(&self.lanes), &self.client, &exchange, PublisherOptions::default().timeout)
    }

    /// Decides what becomes of each further event, by its type. The state of the publishers follows the last answer,
    /// and is [`State::Connected`] before the first.
    ///
    /// An event that the broker has not confirmed is not recorded, even if a real queue may hold it
    /// ([`PublishError::Unconfirmed`], [`PublishError::Rejected`]).
    ///
    /// ```
    /// # use messaging::PublishError;
    /// # use messaging::testing::Recording;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let recording = Recording::start();
    /// // The second of several events does not arrive, and nobody listens to `stock.low`.
    /// let mut number = 0;
    /// recording.answer(move |event_type| {
    ///     number += 1;
    ///     match (number, event_type) {
    ///         (2, _) => Err(PublishError::Unconfirmed),
    ///         (_, "stock.low") => Err(PublishError::Unroutable),
    ///         _ => Ok(()),
    ///     }
    /// });
    /// # }
    /// ```
    pub fn answer(&self, answer: impl FnMut(&str) -> Result<(), PublishError> + Send + 'static) {
        locked(&self.record).answer = Box::new(answer);
        self.state.send_replace(State::Connected);
    }

    /// The confirmed events of this kind, whichever exchange they went to, in the order of their confirms. Each is as
    /// its consumer receives it, so it can be handed to that consumer's handler.
    ///
    /// # Panics
    /// A consumer of this kind of event could not decode one of its types, and would make it a dead letter.
    pub fn published<E: Event>(&self) -> Vec<Received<E>> {
        let confirmed = locked(&self.record).confirmed.clone();
        let decode = |delivery: &Arc<Delivery>| match events::decode::<E>(&delivery.raw()) {
            Ok(event) => Some(Received::new(event, delivery)),
            Err(DecodeError::UnknownType(_)) => None,
            Err(error) => panic!("event of type {:?} cannot be decoded: {error}", delivery.event_type()),
        };
        confirmed.iter().filter_map(decode).collect()
    }
}

impl Record {
    fn answered(&mut self, outgoing: &Outgoing) -> Answer {
        let answer = (self.answer)(&outgoing.routing_key);
        if answer.is_ok() {
            self.confirmed.push(Arc::new(Delivery::of(outgoing)));
        }
        answer
    }
}

/// The state of a publisher whose event was answered like this.
fn state_after(answer: Answer) -> State {
    let Err(error) = answer else { return State::Connected };
    let reason = error.to_string();
    match error {
        PublishError::Unavailable => State::Connecting { reason: Some(reason) },
        PublishError::Blocked => State::Blocked,
        PublishError::AccessRefused => State::AccessRefused { reason, serving: false },
        PublishError::TopologyConflict => State::TopologyConflict { reason, serving: false },
        PublishError::Unroutable | PublishError::Rejected | PublishError::Unconfirmed | PublishError::Overloaded => {
            State::Connected
        }
    }
}

fn locked(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    // If an answer panicked, its test fails anyway.
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without the events, which may be personal.
impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("confirmed", &locked(&self.record).confirmed.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use events::{CloudEvent, EventData};
    use serde::{Deserialize, Serialize};
    use tokio::time::Instant;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Packed(u32);

    impl EventData for Packed {
        const TYPE: &'static str = "parcel.packed";
    }

    #[derive(Serialize, Deserialize)]
    struct Sent {
        parcel: u32,
    }

    impl EventData for Sent {
        const TYPE: &'static str = "parcel.sent";
    }

    /// Of the same type, and more than is sent.
    #[derive(Debug, Serialize, Deserialize)]
    struct Weighed {
        parcel: u32,
        grams: u32,
    }

    impl EventData for Weighed {
        const TYPE: &'static str = "parcel.sent";
    }

    fn packed(number: u32) -> CloudEvent<Packed> {
        CloudEvent { id: format!("p-{number}"), ..CloudEvent::new("urn:packing", Packed(number)) }
    }

    #[tokio::test]
    async fn what_was_confirmed_is_seen_in_order_and_as_its_consumer_receives_it() {
        let recording = Recording::start();
        let packing = recording.publisher::<Packed>(Exchange::topic("parcels"));
        let sending = recording.publisher::<Sent>("post");
        for number in 1..=3 {
            packing.publish(packed(number)).await.unwrap();
            sending.publish(CloudEvent::new("urn:post", Sent { parcel: number })).await.unwrap();
        }
        let seen = recording.clone().published::<Packed>();
        assert_eq!(seen.iter().map(|event| event.data.0).collect::<Vec<_>>(), [1, 2, 3]);
        let first = &seen[0];
        assert_eq!((first.id.as_deref(), first.source.as_deref()), (Some("p-1"), Some("urn:packing")));
        assert_eq!((first.exchange(), first.routing_key()), ("parcels", "parcel.packed"));
        assert_eq!((first.attempt, first.redelivered), (1, false));
        let parcels: Vec<_> = recording.published::<Sent>().iter().map(|event| event.data.parcel).collect();
        assert_eq!(parcels, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_publish_fails_as_the_test_says_and_the_state_says_why() {
        use PublishError::*;
        let recording = Recording::start();
        let publisher = recording.publisher::<Packed>("parcels");
        let state = || publisher.state().borrow().name();
        for (error, name) in [
            (Unavailable, "connecting"),
            (Blocked, "blocked"),
            (AccessRefused, "access-refused"),
            (TopologyConflict, "topology-conflict"),
            (Unroutable, "connected"),
            (Rejected, "connected"),
            (Unconfirmed, "connected"),
            (Overloaded, "connected"),
        ] {
            recording.answer(move |event_type| if event_type == Packed::TYPE { Err(error) } else { Ok(()) });
            let failed = publisher.publish(packed(1)).await.unwrap_err();
            assert_eq!((failed.reason, state()), (error, name));
            let told = format!("parcel.packed was not published to exchange \"parcels\": {error}");
            assert_eq!(failed.to_string(), told);
            recording.answer(|_| Ok(()));
            assert_eq!(state(), "connected", "before the next event");
        }
        assert!(recording.published::<Packed>().is_empty(), "nothing was confirmed");
        publisher.publish(packed(2)).await.unwrap();
        assert_eq!(recording.published::<Packed>().len(), 1);
    }

    #[tokio::test]
    async fn a_publisher_that_is_closed_takes_nothing_more() {
        let recording = Recording::start();
        let publisher = recording.publisher::<Packed>("parcels");
        publisher.close(Instant::now() + Duration::from_secs(60)).await;
        assert_eq!(*publisher.state().borrow(), State::Stopped);
        let failed = publisher.publish(packed(1)).await.unwrap_err();
        assert_eq!(failed.reason, PublishError::Unavailable);
    }

    #[tokio::test]
    #[should_panic(expected = "\"parcel.sent\" cannot be decoded")]
    async fn an_event_that_its_consumer_could_not_decode_fails_the_test() {
        let recording = Recording::start();
        recording.publisher::<Sent>("post").publish(CloudEvent::new("urn:post", Sent { parcel: 1 })).await.unwrap();
        recording.published::<Weighed>();
    }
}
