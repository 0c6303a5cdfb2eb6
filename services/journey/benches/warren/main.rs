//! The benchmark: it measures in one run, on a broker of its own, what Warren costs. Beside Warren it measures bare lapin,
//! the least that a client can do ([`floor`]), and, if `GO_BENCH` names its command, the official Go client.
//! `BENCH_ROUNDS` (5) is the number of rounds of each row. `BENCH_ONLY` names the sections to measure.

mod backlog;
mod bare;
mod cost;
mod customers;
mod draining;
mod floor;
mod footprint;
mod golang;
mod latencies;
mod load;
mod mailing;
mod publishing;
mod queues;
mod recovering;
mod rounds;
mod sample;
mod serving;

use journey::Broker;

use queues::Queues;

/// Every section, in the order in which they are measured and printed.
const SECTIONS: [&str; 7] = ["publishing", "serving", "draining", "mailing", "recovering", "footprint", "backlog"];

/// Reads an environment variable of the benchmark.
#[allow(clippy::disallowed_methods, reason = "a benchmark is no service: it has no Config")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The sections to measure: those that `BENCH_ONLY` names, separated by commas, or all.
fn wanted() -> Vec<&'static str> {
    let Some(only) = variable("BENCH_ONLY") else { return SECTIONS.to_vec() };
    let named: Vec<_> = only.split(',').map(str::trim).collect();
    let unknown = named.iter().find(|name| !SECTIONS.contains(name));
    assert!(
        unknown.is_none(),
        "BENCH_ONLY={only:?}: expected one or more of {}, separated by commas",
        SECTIONS.join(", ")
    );
    SECTIONS.into_iter().filter(|section| named.contains(section)).collect()
}

#[tokio::main]
async fn main() {
    let rounds = variable("BENCH_ROUNDS").map_or(5, |text| text.parse().expect("BENCH_ROUNDS is a number"));
    let wanted = wanted();
    let broker = Broker::start().await;
    let both = [Queues::quorum(&broker), Queues::classic(&broker).await];
    let [quorum, _] = &both;
    println!("{rounds} rounds a row; medians, with the lowest and the highest round in brackets");
    for section in wanted {
        match section {
            "publishing" => publishing::measure(&both, rounds).await,
            "serving" => serving::measure(&both, rounds).await,
            "draining" => draining::measure(&both, rounds).await,
            "mailing" => mailing::measure(quorum, rounds).await,
            "recovering" => recovering::measure(rounds).await,
            "footprint" => footprint::measure(quorum, rounds).await,
            "backlog" => backlog::measure(quorum, rounds).await,
            _ => unreachable!("it is none of the sections: {section}"),
        }
    }
}
