//! What the contract promises to those who write to it and to those who read from it.

mod asyncapi;
mod bodies;
mod ids;
mod messages;
mod properties;
mod sample;
