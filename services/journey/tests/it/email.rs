//! Mail through a real SMTP server, whatever that server does.

mod answers;
mod crowding;
mod killer;
mod letters;
mod office;
mod outages;
mod raw;
mod suspects;
mod times;
mod trust;

pub(crate) use office::place;
