//! Mail through a real SMTP server, whatever that server does.

mod answers;
mod killer;
mod letters;
mod office;
mod outages;
mod trust;

pub(crate) use office::place;
