//! Waits until a counter has grown.

use std::net::SocketAddr;

use tokio::net::lookup_host;
use tokio::time::{Instant, sleep, timeout_at};

use super::PAUSE;
use super::client;
use super::counter::Counter;
use super::plan::Check;

/// A counter, summed over its processes, and its first value.
pub(super) struct Expectation<'p> {
    label: &'static str,
    counter: Counter,
    addresses: &'p [String],
    before: Vec<(SocketAddr, f64)>,
}

impl<'p> Expectation<'p> {
    /// Reads the counter for the first time.
    pub(super) async fn begin(check: &Check, addresses: &'p [String], deadline: Instant) -> Result<Self, String> {
        let mut expectation = Self { label: check.label, counter: check.counter, addresses, before: Vec::new() };
        let mut last = String::new();
        let looks = async {
            loop {
                match expectation.look().await {
                    Ok(shown) => return shown,
                    Err(reason) => last = reason,
                }
                sleep(PAUSE).await;
            }
        };
        let shown = timeout_at(deadline, looks).await;
        expectation.before = shown.map_err(|_| format!("no metrics to show it {}: {last}", check.label))?;
        Ok(expectation)
    }

    /// Waits until the counter has grown.
    pub(super) async fn fulfilled(&self, deadline: Instant) -> Result<(), String> {
        let mut last = "the counter has not grown".to_owned();
        let looks = async {
            loop {
                match self.look().await {
                    Ok(now) if self.has_grown(&now) => return,
                    Ok(_) => last = "the counter has not grown".to_owned(),
                    Err(reason) => last = reason,
                }
                sleep(PAUSE).await;
            }
        };
        let seen = timeout_at(deadline, looks).await;
        seen.map_err(|_| format!("not shown in time that it was {}: {last}", self.label))?;
        println!("{}", self.label);
        Ok(())
    }

    /// A process that is new, or that has started again, counts from zero.
    fn has_grown(&self, now: &[(SocketAddr, f64)]) -> bool {
        now.iter().any(|(address, count)| {
            let before = self.before.iter().find(|(known, _)| known == address).map_or(0.0, |(_, count)| *count);
            *count > 0.0 && *count != before
        })
    }

    /// The value that each process shows. Names are looked up each time, because pods come and go.
    async fn look(&self) -> Result<Vec<(SocketAddr, f64)>, String> {
        let mut shown = Vec::new();
        for name in self.addresses {
            for address in lookup_host(name).await.map_err(|error| format!("{name}: {error}"))? {
                let page = client::metrics(address).await?;
                let count = self.counter.read(&page).ok_or_else(|| format!("{address} has no such metric"))?;
                shown.push((address, count));
            }
        }
        Ok(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_has_grown_in_any_process_even_in_one_that_started_again() {
        let [a, b]: [SocketAddr; 2] = ["127.0.0.1:1", "127.0.0.1:2"].map(|address| address.parse().unwrap());
        let expectation =
            Expectation { label: "counted", counter: Counter::COUNTED, addresses: &[], before: vec![(a, 5.0)] };
        for (now, grown) in [
            (vec![(a, 5.0)], false),
            (vec![(a, 6.0)], true),
            (vec![(a, 5.0), (b, 0.0)], false),
            (vec![(a, 5.0), (b, 1.0)], true),
            (vec![(a, 0.0)], false),
            (vec![(a, 1.0)], true),
            (vec![], false),
        ] {
            assert_eq!(expectation.has_grown(&now), grown, "{now:?}");
        }
    }
}
