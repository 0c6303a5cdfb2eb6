//! Each row of the design's table of what a consumer does, on a real broker.

mod copies;
mod faults;
mod oddities;
mod outcomes;
mod pauses;
mod raw;
mod restarts;
pub(crate) mod stage;
mod stops;
mod suspects;
