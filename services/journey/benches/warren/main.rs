//! What Warren costs, measured in one run on a broker of its own, beside bare lapin and, where `GO_BENCH` names it, the
//! official Go client. `BENCH_ROUNDS` (3) is how often each row is measured.

mod bare;
mod draining;
mod footprint;
mod golang;
mod load;
mod publishing;
mod rounds;
mod sample;
mod serving;

use journey::Broker;

/// A variable of the benchmark's own.
#[allow(clippy::disallowed_methods, reason = "a benchmark is no service: it has no Config")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[tokio::main]
async fn main() {
    let rounds = variable("BENCH_ROUNDS").map_or(3, |text| text.parse().expect("BENCH_ROUNDS is a number"));
    let broker = Broker::start().await;
    println!("{rounds} rounds a row; medians, with the lowest and the highest round in brackets");
    let alone = publishing::measure(&broker, rounds).await;
    serving::measure(&broker, rounds, &alone).await;
    draining::measure(&broker, rounds).await;
    footprint::measure(&broker, rounds).await;
}
