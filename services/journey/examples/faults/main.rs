//! The fault journey: customers place orders while faults are played at random. Afterwards the books have to balance.
//!
//! A round takes `ORDERS` (20000), `FAULTS` (16), `SEED` (random, and printed) and `FAULT` (one kind alone). With `MINUTES`
//! and `RATE` (500 orders a second) it is the long run.

mod books;
mod cause;
mod clock;
mod customers;
mod endure;
mod fault;
mod ledger;
mod log;
mod parcels;
// The tests' client, which sends frames that no library would send.
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/it/consumer/raw.rs"]
mod raw;
mod rest;
mod row;
mod ruin;
mod sampler;
mod script;
mod service;
mod settings;
mod shop;
mod stranger;
mod strikes;
mod table;
mod till;
mod wear;

use std::process::ExitCode;

use journey::Disk;
use script::Script;
use settings::Settings;
use table::Table;

/// Reads an environment variable of the journey.
#[allow(clippy::disallowed_methods, reason = "the journey is no service: it has no Config")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn main() -> ExitCode {
    // This has to come before the first thread. If it fails, the faults that need it are left out.
    let _ = Disk::allow();
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    runtime.block_on(play())
}

async fn play() -> ExitCode {
    let settings = match Settings::read(variable) {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("{}", faults.join("\n"));
            return ExitCode::from(64);
        }
    };
    if let Some(lack) = settings.only.and_then(|only| only.stage().lack()) {
        eprintln!("{lack}");
        return ExitCode::from(69);
    }
    if let Some(endurance) = settings.endurance {
        println!("{settings}");
        let (rows, wear) = endure::endure(&settings, endurance).await;
        let mut table = Table::default();
        table.add(rows);
        println!("{table}{wear}{settings}");
        return if table.balances() && wear.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let script = Script::write(&settings);
    print!("{settings}\n{script}");
    let mut table = Table::default();
    for act in script.acts {
        table.add(act.play(settings.seed).await);
    }
    println!("{table}{settings}");
    if table.balances() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
