//! The long run: orders at a steady rate, a fault every minute, and a calm minute before and after.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::books::Books;
use crate::fault::{Fault, Stage};
use crate::row::Row;
use crate::sampler::{CALM, Sampler, Watched};
use crate::script::Script;
use crate::settings::{Endurance, Settings};
use crate::shop::Shop;
use crate::strikes::strike;
use crate::wear::{Span, Wear};

/// Plays the long run. Returns a row for each fault, and how the services wore.
pub(crate) async fn endure(settings: &Settings, endurance: Endurance) -> (Vec<Row>, Wear) {
    let faults = Script::draw(settings, Fault::is_outlived, endurance.minutes - 2);
    let mut shop = Shop::open(Stage::OneNode, settings.seed).await;
    let csv = csv(settings.seed);
    println!("samples: {}", csv.display());
    let sampler = Sampler::start(shop.watched(), shop.broker().management_port(), &csv);
    let minute = usize::try_from(endurance.rate).expect("a rate is small") * 60;

    let first = calm(&mut shop, endurance.rate, minute).await;
    let mut troubles = Vec::new();
    for (round, &fault) in faults.iter().enumerate() {
        troubles.push((fault.name(), trouble(&mut shop, &sampler, round, fault, minute).await));
    }
    let last = calm(&mut shop, endurance.rate, minute).await;

    let samples = sampler.samples();
    shop.rest().await;
    let mut wear = Wear::default();
    for service in shop.services() {
        wear.compare(&samples, service.name(), first, last);
        wear.listen(service.name(), service, &troubles);
    }
    (Books::close(&mut shop, &faults).await, wear)
}

/// Waits until nothing waits any more, and then lets customers order for a minute in which nothing is broken.
async fn calm(shop: &mut Shop, rate: u32, orders: usize) -> Span {
    shop.rest().await;
    // The pace begins anew, so that the customers do not make up for the time of the wait.
    shop.customers.keep_pace(rate).await;
    let from = SystemTime::now();
    shop.customers.allow(orders);
    shop.customers.all_accepted().await;
    Span { from, until: SystemTime::now() }
}

/// Lets customers order for a minute in which this fault is played.
async fn trouble(shop: &mut Shop, sampler: &Sampler, round: usize, fault: Fault, orders: usize) -> Span {
    println!("{}: {}", round + 1, fault.name());
    shop.ledger.begin_round(round);
    shop.customers.allow(orders);
    shop.customers.accepted_in_round(orders / 10).await;
    let from = SystemTime::now();
    sampler.mark(fault.name());
    strike(fault, shop).await;
    shop.well().await;
    sampler.mark(CALM);
    shop.customers.all_accepted().await;
    shop.hear_parcels().await;
    Span { from, until: SystemTime::now() }
}

/// The path of the file of measurements, which stays.
fn csv(seed: u64) -> PathBuf {
    std::env::temp_dir().join(format!("warren-endure-{seed}.csv"))
}

impl Shop {
    fn watched(&self) -> Vec<Watched> {
        self.services().map(|service| Watched { name: service.name(), process: service.id() }).into()
    }
}
