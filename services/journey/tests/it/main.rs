//! Warren as a whole, on real broker nodes; a module a theme.

mod bad_http;
mod broker;
mod client;
mod configuration;
mod consumer;
mod counts;
mod crowds;
mod customers;
mod decoders;
mod documentation;
mod drain;
mod durations;
mod email;
mod examples;
mod faults;
mod guide;
mod http;
mod publisher;
mod redrive;
mod run;
mod startup;
mod stopping;
mod stranger;
mod trace;
mod uploads;
mod variables;
