//! What batches are made of, and what becomes of each event.

use std::fmt::Display;
use std::future::pending;
use std::sync::Mutex;

use events::{DecodeError, Event};
use futures_util::future::join_all;
use prometheus::Registry;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::{AmqpUrl, Client, Endpoint, Subscription};

/// An event that is a word.
#[derive(Debug, Clone)]
struct Word(&'static str);

impl Event for Word {
    const TYPES: &'static [&'static str] = &["word"];

    fn event_type(&self) -> &'static str {
        "word"
    }

    fn subject(&self) -> Option<impl Display + '_> {
        None::<&str>
    }

    fn data(&self) -> impl Serialize + '_ {}

    fn from_data(_: &str, _: &RawValue) -> Result<Self, DecodeError> {
        Ok(Self("read"))
    }
}

/// A batch that a handler was called with, and whether the call has ended, even without a result.
type Call = (Vec<&'static str>, bool);

#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    fn begun(&self) -> Vec<Vec<&'static str>> {
        self.0.lock().unwrap().iter().map(|(words, _)| words.clone()).collect()
    }

    fn ended(&self) -> Vec<bool> {
        self.0.lock().unwrap().iter().map(|(_, ended)| *ended).collect()
    }
}

/// Notes that a call has ended, however it ends.
struct End(Calls, usize);

impl Drop for End {
    fn drop(&mut self) {
        self.0.0.lock().unwrap()[self.1].1 = true;
    }
}

impl BatchHandler for Calls {
    type Event = Word;

    /// Handles every word but `bad`, and does what the others say.
    async fn handle_batch(&self, events: &[Received<Word>]) -> Vec<Result<(), Failure>> {
        let words: Vec<_> = events.iter().map(|event| event.data.0).collect();
        let call = {
            let mut calls = self.0.lock().unwrap();
            calls.push((words.clone(), false));
            calls.len() - 1
        };
        let _end = End(self.clone(), call);
        for word in &words {
            match *word {
                "panics" => panic!("a bug"),
                "hangs" => pending().await,
                "short" => return vec![Ok(())],
                _ => {}
            }
        }
        words.iter().map(|word| if *word == "bad" { Err(Failure::for_good("it is bad")) } else { Ok(()) }).collect()
    }
}

const WAIT: Duration = Duration::from_millis(20);

fn batches(size: usize) -> (Arc<Batches<Calls>>, Calls) {
    let calls = Calls::default();
    (Arc::new(Batches::new(calls.clone()).size(size).wait(WAIT)), calls)
}

/// Calls of the consumer's, one for each word.
fn begin(batches: &Arc<Batches<Calls>>, words: &[&'static str]) -> Vec<JoinHandle<Result<(), Failure>>> {
    let begin = |word: &&'static str| {
        let (batches, event) = (Arc::clone(batches), Received::of(Word(word)));
        tokio::spawn(async move { batches.handle(&event).await })
    };
    words.iter().map(begin).collect()
}

async fn results(calls: Vec<JoinHandle<Result<(), Failure>>>) -> Vec<Result<(), Failure>> {
    join_all(calls).await.into_iter().map(|joined| joined.expect("no call panics")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_does_not_wait_and_each_event_has_its_own_result() {
    let (batches, calls) = batches(3);
    let began = Instant::now();
    let each = results(begin(&batches, &["a", "b", "bad"])).await;
    assert_eq!(each, [Ok(()), Ok(()), Err(Failure::for_good("it is bad"))]);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(calls.begun(), [["a", "b", "bad"]]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_does_not_fill_waits_from_its_first_event() {
    let (batches, calls) = batches(3);
    let began = Instant::now();
    let mut begun = begin(&batches, &["a"]);
    sleep(WAIT / 2).await;
    begun.extend(begin(&batches, &["b"]));
    assert_eq!(results(begun).await, [Ok(()), Ok(())]);
    assert!(began.elapsed() < WAIT * 3 / 2, "{:?}", began.elapsed());
    assert!(began.elapsed() >= WAIT, "{:?}", began.elapsed());
    assert_eq!(calls.begun(), [["a", "b"]]);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_for_a_batch_is_in_the_next_and_neither_waits_for_the_other() {
    let (batches, calls) = batches(2);
    let hanging = begin(&batches, &["hangs", "a"]);
    assert_eq!(results(begin(&batches, &["b", "c", "d"])).await, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(calls.begun(), [&["hangs", "a"][..], &["b", "c"], &["d"]]);
    assert!(hanging.iter().all(|call| !call.is_finished()));
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_a_wrong_number_of_results_fail_each_event_and_no_other_batch() {
    let (batches, calls) = batches(2);
    for (words, reason) in [
        (["a", "panics"], "the handler panicked: a bug"),
        (["short", "a"], "the batch handler returned 1 results for 2 events"),
    ] {
        let failed = Err(Failure::later(reason));
        assert_eq!(results(begin(&batches, &words)).await, [failed.clone(), failed]);
    }
    assert_eq!(results(begin(&batches, &["a", "b"])).await, [Ok(()), Ok(())]);
    assert_eq!(calls.begun().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_failed_before_is_a_batch_of_its_own_at_once() {
    let (batches, calls) = batches(2);
    let began = Instant::now();
    let waiting = begin(&batches, &["a"]);
    let mut again = Received::of(Word("panics"));
    again.attempt = 2;
    assert_eq!(batches.handle(&again).await, Err(Failure::later("the handler panicked: a bug")));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(results(waiting).await, [Ok(())]);
    assert_eq!(calls.begun(), [["panics"], ["a"]]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_given_up_while_it_waits_is_in_no_batch() {
    let (batches, calls) = batches(3);
    assert!(timeout(WAIT / 2, batches.handle(&Received::of(Word("gone")))).await.is_err());
    assert_eq!(results(begin(&batches, &["a"])).await, [Ok(())]);
    assert_eq!(calls.begun(), [["a"]]);
    assert!(timeout(WAIT / 2, batches.handle(&Received::of(Word("gone")))).await.is_err());
    sleep(WAIT).await;
    assert_eq!(calls.begun(), [["a"]], "no call without an event");
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_on_until_all_its_events_are_given_up_and_then_it_is_dropped() {
    let (batches, calls) = batches(2);
    let (hangs, other) = (Received::of(Word("hangs")), Received::of(Word("a")));
    let (sooner, later) = tokio::join!(timeout(WAIT, batches.handle(&hangs)), async {
        let given_up = timeout(2 * WAIT, batches.handle(&other)).await;
        (given_up.is_err(), calls.ended())
    });
    assert!(sooner.is_err());
    assert_eq!(later, (true, vec![false]));
    sleep(WAIT).await;
    assert_eq!(calls.ended(), [true]);
    assert_eq!(results(begin(&batches, &["b", "c"])).await, [Ok(()), Ok(())]);
}

#[test]
fn a_size_or_a_wait_that_the_consumer_cannot_reach_is_refused() {
    let endpoint = Endpoint::new(AmqpUrl::default(), "test");
    let client = Client::new(endpoint, &Registry::new()).unwrap();
    let options = ConsumerOptions { concurrency: 10, prefetch: 8, ..ConsumerOptions::default() };
    let sound = || Batches::new(Calls::default()).size(8);
    assert!(sound().check(&options).is_ok());
    for (batches, told) in [
        (sound().size(0), "batch size 0: expected from 1 to 8, as the consumer's concurrency and prefetch allow"),
        (sound().size(9), "batch size 9: expected from 1 to 8"),
        (sound().wait(options.handle_timeout), "batch wait 15s: expected less than the consumer's handle_timeout of"),
    ] {
        let consumer = client.consumer(Subscription::queue("q"), batches).options(options.clone());
        let error = consumer.build().err().expect("it cannot work").to_string();
        assert!(error.starts_with(told), "{error}");
    }
    let few = ConsumerOptions { concurrency: 4, ..options };
    assert!(sound().check(&few).is_err());
}
