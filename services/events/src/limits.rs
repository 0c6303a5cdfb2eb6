//! The limits of every event.

/// The most bytes of an event. Warren's brokers have the same `max_message_size`.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;
/// The most bytes of an attribute such as `id` or `source`: what an AMQP property can hold.
pub const MAX_ATTRIBUTE: usize = 255;
