//! Doors for fuzzing and for counting instructions, behind the feature `inside`: no interface, and no service is built with them.

pub use crate::consumer::inside::{acknowledge_all, count_all, recognise_all};
pub use crate::letter::inside::read_letter;
pub use crate::link::inside::{handed_on, lapin_reads_method, lapin_reads_properties};
pub use crate::publisher::inside::{confirm_all, prepare_all};
