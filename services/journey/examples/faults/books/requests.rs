//! The reconciliation of what packing heard with what was heard of packing: one request for a parcel for each order.

use std::collections::HashMap;

use events::EventData;
use messaging::{Failure, NotPublished, PublishError};

use super::{Books, DeadLetter};
use crate::fault::Fault;
use crate::parcels::{self, ParcelRequested};
use crate::ruin::{PACKING_QUEUE, PARCEL_EXCHANGE, PARCEL_QUEUE, Ruin};

/// The error of a dead letter whose request was not published for this reason.
pub(super) fn unpublished(reason: PublishError) -> String {
    let request = NotPublished { exchange: PARCEL_EXCHANGE.into(), routing_key: ParcelRequested::TYPE, reason };
    Failure::from(request).reason().to_owned()
}

impl DeadLetter {
    /// Why packing may have given up this order, if it may: in all attempts the queue of requests was gone, where a fault
    /// deletes it, or refused the request.
    fn cause_in_packing(&self, queue_was_gone: bool) -> Option<&'static str> {
        match () {
            () if self.reason != "attempts" => None,
            () if self.error == unpublished(PublishError::Unroutable) && queue_was_gone => {
                Some("request reached no queue")
            }
            () if self.error == unpublished(PublishError::Rejected) => Some("request rejected"),
            () => None,
        }
    }
}

impl Books {
    /// Each accepted order has the one request that follows from its event, or it is kept, or it was destroyed.
    pub(super) fn strike_requests(&mut self, ruins: &[Ruin]) {
        let heard = self.heard();
        let letters = self.kept.remove(PACKING_QUEUE).unwrap_or_default();
        let queue_was_gone = self.rows.iter().any(|row| deletes_queues(row.fault));
        for (entry, times) in self.entries.iter().zip(heard).filter(|(entry, _)| entry.accepted.is_some()) {
            let row = &mut self.rows[entry.round];
            let mut kept = None;
            for letter in letters.get(&entry.event).into_iter().flatten() {
                match letter.cause_in_packing(queue_was_gone) {
                    Some(cause) => kept = Some(cause),
                    None => row.amiss.push(format!("a dead letter of packing without a cause: {letter:?} {entry:?}")),
                }
            }
            let took = |queue| ruins.iter().any(|ruin| ruin.took(queue, entry));
            // No fault took an order from packing that says that it requested its parcel.
            let said = self.requested.contains(&entry.event);
            match (times, kept) {
                (1.., _) => {
                    row.requested += 1;
                    row.requested_again += times - 1;
                }
                (0, Some(cause)) => *row.request_kept.entry(cause.to_owned()).or_default() += 1,
                (0, None) if took(PARCEL_QUEUE) || (!said && took(PACKING_QUEUE)) => row.request_destroyed += 1,
                (0, None) => {
                    row.unrequested += 1;
                    let packing = if said { "says that it requested one" } else { "says nothing of it" };
                    row.amiss.push(format!("no request for a parcel, and packing {packing}: {entry:?}"));
                }
            }
        }
        self.kept.insert(PACKING_QUEUE, letters);
    }

    /// How often the request was heard that follows from each order. One that follows from no accepted order was
    /// invented.
    fn heard(&mut self) -> Vec<usize> {
        let accepted = self.entries.iter().enumerate().filter(|(_, entry)| entry.accepted.is_some());
        let expected: HashMap<_, _> =
            accepted.map(|(number, entry)| (parcels::follow_up(entry.event), (number, entry.event))).collect();
        let mut heard = vec![0; self.entries.len()];
        // Nobody knows which fault brought what is amiss here.
        let row = &mut self.rows[0];
        row.amiss.append(&mut self.parcels.odd);
        for (id, &(cause, times)) in &self.parcels.heard {
            match expected.get(id) {
                Some(&(number, event)) if event == cause => heard[number] = times,
                _ => {
                    row.invented += 1;
                    row.amiss
                        .push(format!("invented: the request {id} for a parcel, which names {cause} as its cause"));
                }
            }
        }
        heard
    }
}

/// Whether a fault of this kind may leave requests without a queue.
fn deletes_queues(fault: Fault) -> bool {
    matches!(fault, Fault::ConsumerCancelled | Fault::QueueDeleted | Fault::ExchangeDeleted)
}
