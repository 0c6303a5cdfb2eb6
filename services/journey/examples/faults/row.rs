//! The results of one fault.

use std::collections::BTreeMap;

use crate::cause::Cause;
use crate::fault::Fault;

/// The results of the orders that customers began during a fault, or during all faults of its kind.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) fault: Fault,
    pub(crate) times: usize,
    pub(crate) accepted: usize,
    /// How many answers were not `202`, or never came, by how.
    pub(crate) otherwise: BTreeMap<String, usize>,
    pub(crate) emailed: usize,
    pub(crate) counted: usize,
    /// Orders whose request for a parcel was heard.
    pub(crate) requested: usize,
    /// Dead letters of orders that were not mailed, by their cause.
    pub(crate) kept: BTreeMap<String, usize>,
    /// Dead letters of orders whose request for a parcel was not heard, by their cause.
    pub(crate) request_kept: BTreeMap<String, usize>,
    /// Orders that a fault destroyed by its nature before they were mailed.
    pub(crate) destroyed: usize,
    /// Orders that a fault destroyed by its nature before they were counted.
    pub(crate) count_destroyed: usize,
    /// Orders that a fault destroyed by its nature, or whose request it destroyed, before the request was heard.
    pub(crate) request_destroyed: usize,
    /// How often events were mailed once more, by cause.
    pub(crate) mailed_again: BTreeMap<Cause, usize>,
    /// How often events were counted once more, by cause.
    pub(crate) counted_again: BTreeMap<Cause, usize>,
    /// Requests for parcels that were heard once more, each time with the same id.
    pub(crate) requested_again: usize,
    /// Accepted orders that were neither mailed nor kept nor destroyed.
    pub(crate) lost: usize,
    /// Accepted orders that were neither counted nor destroyed.
    pub(crate) uncounted: usize,
    /// Accepted orders whose request was not heard, and that were neither kept nor destroyed.
    pub(crate) unrequested: usize,
    /// How many messages the stranger published.
    pub(crate) strange: usize,
    /// Events that were handled or heard, and that nobody sent.
    pub(crate) invented: usize,
    /// A line for each thing that must not happen, such as a lost or an invented event.
    pub(crate) amiss: Vec<String>,
}

impl Row {
    /// A row without any results.
    pub(crate) fn of(fault: Fault) -> Self {
        Self {
            fault,
            times: 1,
            accepted: 0,
            otherwise: BTreeMap::new(),
            emailed: 0,
            counted: 0,
            requested: 0,
            kept: BTreeMap::new(),
            request_kept: BTreeMap::new(),
            destroyed: 0,
            count_destroyed: 0,
            request_destroyed: 0,
            mailed_again: BTreeMap::new(),
            counted_again: BTreeMap::new(),
            requested_again: 0,
            lost: 0,
            uncounted: 0,
            unrequested: 0,
            strange: 0,
            invented: 0,
            amiss: Vec::new(),
        }
    }

    /// Adds the results of another row.
    pub(crate) fn add(&mut self, other: &Self) {
        self.times += other.times;
        self.accepted += other.accepted;
        self.emailed += other.emailed;
        self.counted += other.counted;
        self.requested += other.requested;
        self.destroyed += other.destroyed;
        self.count_destroyed += other.count_destroyed;
        self.request_destroyed += other.request_destroyed;
        self.requested_again += other.requested_again;
        self.lost += other.lost;
        self.uncounted += other.uncounted;
        self.unrequested += other.unrequested;
        self.strange += other.strange;
        self.invented += other.invented;
        let told = [
            (&mut self.otherwise, &other.otherwise),
            (&mut self.kept, &other.kept),
            (&mut self.request_kept, &other.request_kept),
        ];
        for (mine, more) in told {
            more.iter().for_each(|(how, count)| *mine.entry(how.clone()).or_default() += count);
        }
        let again = [(&mut self.mailed_again, &other.mailed_again), (&mut self.counted_again, &other.counted_again)];
        for (mine, more) in again {
            more.iter().for_each(|(cause, count)| *mine.entry(*cause).or_default() += count);
        }
        self.amiss.extend(other.amiss.iter().cloned());
    }

    /// Whether its books balance.
    pub(crate) fn balances(&self) -> bool {
        self.amiss.is_empty()
    }
}
