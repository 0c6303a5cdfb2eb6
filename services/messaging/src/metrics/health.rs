//! The metrics of a publisher or consumer as a whole.

use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use super::registered;
use crate::{Error, State};

/// Its state, and the number of events that it holds.
#[derive(Debug, Clone)]
pub(crate) struct HealthMetrics {
    states: Vec<IntGauge>,
    /// Events that wait for their confirm, or deliveries that are not settled.
    pub(crate) in_flight: IntGauge,
}

impl HealthMetrics {
    /// # Errors
    /// The registry already has these metrics.
    pub(crate) fn register(registry: &Registry) -> Result<Self, Error> {
        let states = Opts::new("messaging_state", "1 for the state that /readyz shows, 0 for the others.");
        let states = registered(registry, IntGaugeVec::new(states, &["state"])?)?;
        let in_flight = IntGauge::new("messaging_in_flight", "Events that wait for a confirm, or deliveries in hand.")?;
        let states = State::NAMES.iter().map(|name| states.with_label_values(&[name])).collect();
        Ok(Self { states, in_flight: registered(registry, in_flight)? })
    }

    pub(crate) fn state(&self, state: &State) {
        for (name, gauge) in State::NAMES.iter().zip(&self.states) {
            gauge.set((*name == state.name()).into());
        }
    }
}
