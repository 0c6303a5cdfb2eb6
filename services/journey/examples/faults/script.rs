//! Draws which faults are played, and in which order. Both follow from the seed.

use std::fmt;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::books::Books;
use crate::fault::{Fault, Stage};
use crate::row::Row;
use crate::settings::Settings;
use crate::shop::Shop;
use crate::strikes::strike;

/// All acts of a round.
pub(crate) struct Script {
    /// At most one act for each stage.
    pub(crate) acts: Vec<Act>,
}

/// The faults that are played on one stage.
pub(crate) struct Act {
    stage: Stage,
    faults: Vec<Fault>,
    orders: usize,
}

impl Script {
    /// Draws faults among those that fit. Each kind is drawn once before one is drawn again.
    pub(crate) fn draw(settings: &Settings, fits: fn(Fault) -> bool, count: usize) -> Vec<Fault> {
        let mut dice = StdRng::seed_from_u64(settings.seed);
        let kinds = settings.only.map_or(Fault::ALL.to_vec(), |only| vec![only]);
        let possible = |fault: &Fault| fits(*fault) && fault.stage().lack().is_none();
        let mut drawn = Vec::new();
        while drawn.len() < count {
            let mut all = kinds.clone();
            all.shuffle(&mut dice);
            // The shuffle comes first, so that a stage that this machine lacks does not change the order of the other faults.
            drawn.extend(all.into_iter().filter(possible));
        }
        drawn.truncate(count);
        drawn
    }

    /// Divides the drawn faults and the orders among acts.
    pub(crate) fn write(settings: &Settings) -> Self {
        let drawn = Self::draw(settings, |_| true, settings.faults);
        let share = |faults: usize| settings.orders * faults / settings.faults;
        let (mut acts, mut played) = (Vec::new(), 0);
        for stage in Stage::ALL {
            let faults: Vec<_> = drawn.iter().copied().filter(|fault| fault.stage() == stage).collect();
            if faults.is_empty() {
                continue;
            }
            let orders = share(played + faults.len()) - share(played);
            played += faults.len();
            acts.push(Act { stage, faults, orders });
        }
        Self { acts }
    }
}

/// Names the faults of each act, and those that are left out.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.acts.iter().try_for_each(|act| {
            let names: Vec<_> = act.faults.iter().map(|fault| fault.name()).collect();
            writeln!(f, "{}, {} orders: {}", act.stage.name(), act.orders, names.join(", "))
        })?;
        let lacking = Stage::ALL.into_iter().filter_map(|stage| Some((stage, stage.lack()?)));
        lacking.into_iter().try_for_each(|(stage, lack)| {
            let faults = Fault::ALL.into_iter().filter(|fault| fault.stage() == stage);
            let names: Vec<_> = faults.map(Fault::name).collect();
            writeln!(f, "left out: {}: {lack}", names.join(", "))
        })
    }
}

impl Act {
    /// Plays the act, and returns a row for each fault.
    pub(crate) async fn play(self, seed: u64) -> Vec<Row> {
        let mut shop = Shop::open(self.stage, seed).await;
        let count = self.faults.len();
        for (index, &fault) in self.faults.iter().enumerate() {
            let share = self.orders * (index + 1) / count - self.orders * index / count;
            shop.ledger.begin_round(index);
            shop.customers.allow(share);
            // A fault strikes after some orders of its round and before the others.
            let before = shop.dice.random_range(1..=share.div_ceil(2));
            shop.customers.accepted_in_round(before).await;
            println!("{} of {count}: {}", index + 1, fault.name());
            strike(fault, &mut shop).await;
            shop.well().await;
            shop.customers.all_accepted().await;
            shop.hear_parcels().await;
        }
        shop.rest().await;
        Books::close(&mut shop, &self.faults).await
    }
}
