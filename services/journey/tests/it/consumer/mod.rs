//! Each row of the design's table of what a consumer does, on a real broker.

mod arguments;
mod batches;
mod copies;
mod exchanges;
mod faults;
mod follow_ups;
mod limit;
mod losses;
mod newer;
mod oddities;
mod outcomes;
mod outsiders;
mod panics;
mod pauses;
pub(crate) mod raw;
mod repetitions;
mod restarts;
mod rights;
mod silence;
pub(crate) mod stage;
mod stops;
mod stores;
mod suspects;
mod trials;
mod waits;
