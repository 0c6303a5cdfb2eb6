//! The table that is printed in the end.

use std::collections::BTreeMap;
use std::fmt;

use crate::fault::Fault;
use crate::row::Row;

/// A row for each kind of fault.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<Fault, Row>);

const HEAD: [&str; 12] = [
    "fault",
    "times",
    "accepted",
    "otherwise",
    "emailed",
    "counted",
    "parcels",
    "kept",
    "destroyed",
    "twice",
    "lost",
    "invented",
];

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

fn cells(name: &str, row: &Row) -> [String; 12] {
    let otherwise: usize = row.otherwise.values().sum();
    let (mails, counts) = (row.mailed_again.values().sum(), row.counted_again.values().sum());
    [
        name.to_owned(),
        row.times.to_string(),
        row.accepted.to_string(),
        otherwise.to_string(),
        row.emailed.to_string(),
        row.counted.to_string(),
        row.requested.to_string(),
        cell([row.kept.values().sum(), 0, row.request_kept.values().sum()]),
        cell([row.destroyed, row.count_destroyed, row.request_destroyed]),
        cell([mails, counts, row.requested_again]),
        cell([row.lost, row.uncounted, row.unrequested]),
        row.invented.to_string(),
    ]
}

/// A cell with the figures of mails, counts and requests for parcels. Zeros at its end are left out.
fn cell(figures: [usize; 3]) -> String {
    let shown = figures.iter().rposition(|&figure| figure > 0).map_or(1, |last| last + 1);
    figures[..shown].iter().map(usize::to_string).collect::<Vec<_>>().join("+")
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(total) = self.total() else { return Ok(()) };
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(self.0.values().map(|row| cells(row.fault.name(), row)));
        rows.push(cells("all", &total));
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
        let widths: [usize; 12] = std::array::from_fn(width);
        for row in &rows {
            write!(f, "\n{:<w$}", row[0], w = widths[0])?;
            row.iter().zip(widths).skip(1).try_for_each(|(cell, width)| write!(f, "  {cell:>width$}"))?;
        }
        writeln!(f, "\n")?;
        let list = |all: Vec<String>| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        let told = [
            ("answered otherwise, and repeated", &total.otherwise),
            ("kept", &total.kept),
            ("kept by packing", &total.request_kept),
        ];
        for (what, counts) in told {
            writeln!(f, "{what}: {}", list(counts.iter().map(|(how, count)| format!("{count} {how}")).collect()))?;
        }
        for (what, causes) in [("mailed", &total.mailed_again), ("counted", &total.counted_again)] {
            let again = causes.iter().map(|(cause, count)| format!("{count} {}", cause.name())).collect();
            writeln!(f, "{what} once more: {}", list(again))?;
        }
        writeln!(f, "requests for parcels heard once more, with the same id: {}", total.requested_again)?;
        let (mails, counts, requests) = (total.destroyed, total.count_destroyed, total.request_destroyed);
        writeln!(
            f,
            "destroyed with a queue that was deleted, or not heard until it was back: {mails} mails, {counts} counts, \
             {requests} requests for parcels"
        )?;
        let (lost, uncounted, unrequested) = (total.lost, total.uncounted, total.unrequested);
        writeln!(
            f,
            "accepted - emailed - kept - destroyed = {lost}; not counted: {uncounted}; \
             without a request for a parcel: {unrequested}"
        )?;
        writeln!(f, "published by a stranger: {} messages, none of them an order", total.strange)?;
        total.amiss.iter().try_for_each(|line| writeln!(f, "amiss: {line}"))?;
        writeln!(f, "the books {}", if self.balances() { "balance" } else { "DO NOT BALANCE" })
    }
}
