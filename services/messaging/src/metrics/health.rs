//! The metrics of a publisher or consumer as a whole.

use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use super::{Owner, registered};
use crate::{Error, State};

/// The metrics of every publisher and consumer.
#[derive(Debug)]
pub(super) struct HealthFamilies {
    states: IntGaugeVec,
    in_flight: IntGaugeVec,
}

/// Its state, and the number of events that it holds.
#[derive(Debug, Clone)]
pub(crate) struct HealthMetrics {
    states: Vec<IntGauge>,
    /// Events that wait for their confirm, or deliveries that are not settled.
    pub(crate) in_flight: IntGauge,
}

impl HealthFamilies {
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let states = Opts::new("messaging_state", "1 for the state of this publisher or consumer, 0 for the others.");
        let states = registered(registry, IntGaugeVec::new(states, &Owner::labels("state"))?)?;
        let in_flight = Opts::new("messaging_in_flight", "Events that wait for a confirm, or deliveries in hand.");
        let in_flight = registered(registry, IntGaugeVec::new(in_flight, &Owner::labels("connection"))?)?;
        Ok(Self { states, in_flight })
    }

    pub(super) fn of(&self, owner: Owner<'_>) -> HealthMetrics {
        let states = State::NAMES.iter().map(|name| self.states.with_label_values(&owner.values(name)));
        let in_flight = self.in_flight.with_label_values(&owner.values(owner.role().name()));
        HealthMetrics { states: states.collect(), in_flight }
    }
}

impl HealthMetrics {
    pub(crate) fn state(&self, state: &State) {
        for (name, gauge) in State::NAMES.iter().zip(&self.states) {
            gauge.set((*name == state.name()).into());
        }
    }
}
