//! What is printed in the end.

use std::collections::BTreeMap;
use std::fmt;

use crate::fault::Fault;
use crate::row::Row;

/// A row for each kind of fault.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<Fault, Row>);

const HEAD: [&str; 11] =
    ["fault", "times", "accepted", "otherwise", "emailed", "counted", "kept", "destroyed", "twice", "lost", "invented"];

impl Table {
    /// Adds rows to those of the same kind.
    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        for row in rows {
            match self.0.get_mut(&row.fault) {
                Some(kind) => kind.add(&row),
                None => drop(self.0.insert(row.fault, row)),
            }
        }
    }

    /// Whether all books balance.
    pub(crate) fn balances(&self) -> bool {
        self.0.values().all(Row::balances)
    }

    fn total(&self) -> Option<Row> {
        let mut rows = self.0.values();
        let mut total = rows.next()?.clone();
        rows.for_each(|row| total.add(row));
        Some(total)
    }
}

fn cells(name: &str, row: &Row) -> [String; 11] {
    let otherwise: usize = row.otherwise.values().sum();
    let (mails, counts) = (row.mailed_again.values().sum(), row.counted_again.values().sum());
    let pair = |mails: usize, counts: usize| if counts == 0 { mails.to_string() } else { format!("{mails}+{counts}") };
    [
        name.to_owned(),
        row.times.to_string(),
        row.accepted.to_string(),
        otherwise.to_string(),
        row.emailed.to_string(),
        row.counted.to_string(),
        row.kept.values().sum::<usize>().to_string(),
        pair(row.destroyed, row.count_destroyed),
        pair(mails, counts),
        pair(row.lost, row.uncounted),
        row.invented.to_string(),
    ]
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(total) = self.total() else { return Ok(()) };
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(self.0.values().map(|row| cells(row.fault.name(), row)));
        rows.push(cells("all", &total));
        for row in &rows {
            write!(f, "\n{:<21}", row[0])?;
            row[1..]
                .iter()
                .zip(&HEAD[1..])
                .try_for_each(|(cell, head)| write!(f, "  {cell:>w$}", w = head.len().max(6)))?;
        }
        writeln!(f, "\n")?;
        let list = |all: Vec<String>| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        for (what, counts) in [("answered otherwise, and repeated", &total.otherwise), ("kept", &total.kept)] {
            writeln!(f, "{what}: {}", list(counts.iter().map(|(how, count)| format!("{count} {how}")).collect()))?;
        }
        for (what, causes) in [("mailed", &total.mailed_again), ("counted", &total.counted_again)] {
            let again = causes.iter().map(|(cause, count)| format!("{count} {}", cause.name())).collect();
            writeln!(f, "{what} once more: {}", list(again))?;
        }
        let (mails, counts) = (total.destroyed, total.count_destroyed);
        writeln!(
            f,
            "destroyed with a queue that was deleted, or not heard until it was back: {mails} mails, {counts} counts"
        )?;
        writeln!(f, "accepted - emailed - kept - destroyed = {}; not counted: {}", total.lost, total.uncounted)?;
        writeln!(f, "published by a stranger: {} messages, none of them an order", total.strange)?;
        total.amiss.iter().try_for_each(|line| writeln!(f, "amiss: {line}"))?;
        writeln!(f, "the books {}", if self.balances() { "balance" } else { "DO NOT BALANCE" })
    }
}
