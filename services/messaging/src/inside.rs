//! Lets fuzzing and the counting of instructions reach the inside of this crate, with the feature `inside`. It is no
//! public interface, and no service is built with it.

pub use crate::consumer::inside::{acknowledge_all, count_all, recognise_all};
pub use crate::delivery::inside::read_letter;
pub use crate::link::inside::{handed_on, lapin_reads_method, lapin_reads_properties};
pub use crate::publisher::inside::{confirm_all, prepare_all, publish_encoded};
