//! Doors for fuzzing, behind the feature `inside`: no interface, and no service is built with them.

pub use crate::letter::inside::read_letter;
pub use crate::link::inside::handed_on;
