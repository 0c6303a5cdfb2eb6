//! An event as a handler sees it.

use jiff::Timestamp;

/// A decoded event, with what is known of its way here.
#[derive(Debug, Clone, PartialEq)]
pub struct Received<E> {
    /// The event's id. Without one it is never taken for a duplicate.
    pub id: Option<String>,
    /// Who published it; with the id this names the event.
    pub source: Option<String>,
    /// What happened: the one of its `TYPES`: the CloudEvent's type, or the routing key it was first published with.
    pub event_type: &'static str,
    /// What it happened to: an order's id.
    pub subject: Option<String>,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// The number of this attempt, from 1. A pause and a lost connection count none.
    pub attempt: u32,
    /// How often it was moved back from the dead letters.
    pub redriven: u32,
    /// What happened, in full.
    pub data: E,
}
