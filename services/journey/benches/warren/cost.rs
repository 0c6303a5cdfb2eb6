//! Measures the CPU time that processes use.

use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::rounds::Figures;

/// The figures of one contender in one row.
#[derive(Default)]
pub(crate) struct Contender {
    /// Messages a second, one figure for each round.
    pub(crate) rate: Figures,
    /// CPU seconds of the client, without the broker's, per 100,000 messages.
    pub(crate) cpu: Figures,
}

impl Contender {
    /// Runs a round of `total` messages in this process. The round returns messages a second.
    pub(crate) async fn run(&mut self, total: usize, round: impl Future<Output = f64>) {
        self.note(UsageWho::RUSAGE_SELF, total, async { Some(round.await) }).await;
    }

    /// The same for a round in a child process. The round returns nothing if there is no program to run.
    pub(crate) async fn run_apart(&mut self, total: usize, round: impl Future<Output = Option<f64>>) {
        self.note(UsageWho::RUSAGE_CHILDREN, total, round).await;
    }

    async fn note(&mut self, who: UsageWho, total: usize, round: impl Future<Output = Option<f64>>) {
        let before = used(who);
        let Some(rate) = round.await else { return };
        self.rate.push(rate);
        self.cpu.push((used(who) - before) / total as f64 * 100_000.0);
    }
}

/// The user and system time of this process, or of its children that have ended, in seconds.
fn used(who: UsageWho) -> f64 {
    let usage = getrusage(who).expect("Linux tells what was used");
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

/// The user and system time of a process, in seconds.
pub(crate) fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>().expect("times are numbers");
    // Linux counts in hundredths of a second, whatever the kernel's own tick is.
    (ticks(11) + ticks(12)) / 100.0
}
