//! What one fault came to.

use std::collections::BTreeMap;

use crate::cause::Cause;
use crate::fault::Fault;

/// The orders that were begun during a fault, or during all faults of its kind.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) fault: Fault,
    pub(crate) times: usize,
    pub(crate) accepted: usize,
    /// Answers that were no `202`, and answers that never came.
    pub(crate) otherwise: BTreeMap<String, usize>,
    pub(crate) emailed: usize,
    pub(crate) counted: usize,
    /// Orders whose request for a parcel was heard.
    pub(crate) requested: usize,
    /// Dead letters of orders that were not mailed, by their cause.
    pub(crate) kept: BTreeMap<String, usize>,
    /// Dead letters of orders whose request for a parcel was not heard, by their cause.
    pub(crate) request_kept: BTreeMap<String, usize>,
    /// By the fault's nature, before they were emailed.
    pub(crate) destroyed: usize,
    /// By the fault's nature, before they were counted.
    pub(crate) count_destroyed: usize,
    /// By the fault's nature, before their request for a parcel was heard.
    pub(crate) request_destroyed: usize,
    /// Why events were mailed once more.
    pub(crate) mailed_again: BTreeMap<Cause, usize>,
    /// Why events were counted once more.
    pub(crate) counted_again: BTreeMap<Cause, usize>,
    /// Requests for parcels that were heard once more, each time with the same id.
    pub(crate) requested_again: usize,
    /// Accepted, and neither emailed nor kept nor destroyed.
    pub(crate) lost: usize,
    /// Accepted, and neither counted nor destroyed.
    pub(crate) uncounted: usize,
    /// Accepted, and no request for a parcel heard, kept or destroyed.
    pub(crate) unrequested: usize,
    /// What a stranger published.
    pub(crate) strange: usize,
    /// Handled, and sent by nobody.
    pub(crate) invented: usize,
    /// Whatever must not be, lost and invented events among it: a line each.
    pub(crate) amiss: Vec<String>,
}

impl Row {
    /// A fault that has come to nothing yet.
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

    /// Adds what another came to.
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
