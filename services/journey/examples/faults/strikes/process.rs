//! Faults of the services' processes.

use std::fs;
use std::process::Command;
use std::time::Duration;

use journey::Proxy;
use rand::RngExt;
use tokio::time::sleep;

use super::{last, some_seconds};
use crate::service::Service;
use crate::shop::Shop;

pub(super) fn killed(service: &mut Service) {
    service.kill();
    service.start();
}

pub(super) async fn stopped(service: &mut Service) {
    service.stop().await;
    service.start();
}

pub(super) async fn frozen(service: &mut Service, time: Duration) {
    service.process().freeze();
    sleep(time).await;
    service.process().thaw();
}

/// Lets no service open another descriptor, and cuts all connections, so that each needs some.
pub(super) async fn descriptors_short(shop: &mut Shop) {
    let ids = shop.services_mut().map(|service| service.process().id());
    // The limit is the lowest number that a new descriptor may not have. The numbers below 3 stay in use, so a descriptor
    // that is closed cannot be replaced either.
    ids.into_iter().for_each(|id| limit(id, "nofile", "3"));
    shop.wires.all().into_iter().for_each(Proxy::cut);
    last(shop).await;
    ids.into_iter().for_each(|id| limit(id, "nofile", "1024"));
}

/// Gives a service no more memory than it has, and cuts its connections, so that it needs some. If its process ends, it is
/// started again, as Kubernetes does it.
pub(super) async fn memory_short(shop: &mut Shop) {
    let time = some_seconds(shop);
    let (service, wires) = match shop.dice.random_range(0..3) {
        0 => (&mut shop.order, vec![&shop.wires.order]),
        1 => (&mut shop.email, vec![&shop.wires.email, &shop.wires.smtp]),
        _ => (&mut shop.packing, vec![&shop.wires.packing]),
    };
    let id = service.process().id();
    limit(id, "data", &data(id).to_string());
    wires.into_iter().for_each(Proxy::cut);
    let ended = service.ends_within(time).await;
    let end = if ended { "ended, and is started again" } else { "went on" };
    println!("memory-short: {} {end}", service.name());
    if ended {
        killed(service);
    } else {
        limit(id, "data", "unlimited");
    }
}

/// How many bytes of a process `RLIMIT_DATA` counts.
fn data(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).expect("every process has data");
    line.trim_end_matches("kB").trim().parse::<u64>().expect("it is a number") * 1024
}

/// Sets the soft limit of a process.
fn limit(id: u32, what: &str, most: &str) {
    let status = Command::new("prlimit").args([format!("--pid={id}"), format!("--{what}={most}:")]).status();
    assert!(status.is_ok_and(|status| status.success()), "prlimit is part of util-linux");
}

/// Kills everything, and starts all of it at once, as after a power failure.
pub(super) async fn everything_restarted(shop: &mut Shop) {
    shop.services_mut().into_iter().for_each(Service::kill);
    shop.smtp.stop();
    shop.broker().kill().await;
    shop.services_mut().into_iter().for_each(Service::start);
    shop.smtp.start_again();
    shop.broker().restart().await;
}
