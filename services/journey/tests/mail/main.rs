//! Mail through real mail servers, as they come with Debian: every order is in a mailbox once, and only what is meant is a dead letter.

mod exim;
mod mail;
mod opensmtpd;
mod postfix;
mod server;
mod shop;
