//! What happens to the services' processes.

use std::fs;
use std::process::Command;
use std::time::Duration;

use tokio::time::sleep;

use super::last;
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

/// No service gets another descriptor, and then each needs some.
pub(super) async fn descriptors_short(shop: &mut Shop) {
    let ids = [&mut shop.order, &mut shop.email, &mut shop.analytics].map(|service| service.process().id());
    for id in ids {
        let open = fs::read_dir(format!("/proc/{id}/fd")).expect("it runs").count();
        limit_descriptors(id, open.saturating_sub(1));
    }
    for wire in [&shop.wires.order, &shop.wires.email, &shop.wires.analytics, &shop.wires.smtp] {
        wire.cut();
    }
    last(shop).await;
    ids.into_iter().for_each(|id| limit_descriptors(id, 1024));
}

fn limit_descriptors(id: u32, most: usize) {
    let status = Command::new("prlimit").args([format!("--pid={id}"), format!("--nofile={most}:")]).status();
    assert!(status.is_ok_and(|status| status.success()), "prlimit is part of util-linux");
}

/// The power comes back, and everything starts at once.
pub(super) async fn everything_restarted(shop: &mut Shop) {
    for service in [&mut shop.order, &mut shop.email, &mut shop.analytics] {
        service.kill();
    }
    shop.smtp.stop();
    shop.broker().kill().await;
    for service in [&mut shop.order, &mut shop.email, &mut shop.analytics] {
        service.start();
    }
    shop.smtp.start_again();
    shop.broker().restart().await;
}
