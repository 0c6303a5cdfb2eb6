//! The reconciliation: each accepted order was mailed, or is a dead letter, or was destroyed by a fault whose nature that is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use journey::{Delivered, Message};
use uuid::Uuid;

use crate::cause::{Cause, Evidence, Handling};
use crate::fault::Fault;
use crate::ledger::{Entry, ODD, REFUSED, address};
use crate::log;
use crate::parcels::{Parcels, REQUESTED};
use crate::row::Row;
use crate::ruin::{ANALYTICS_QUEUE, EMAIL_QUEUE, PACKING_QUEUE, Ruin};
use crate::service::{End, Service};
use crate::shop::Shop;
use crate::stranger::{self, Stranger};

mod requests;
#[cfg(test)]
mod tests;

/// All that is known of the events of one act.
pub(crate) struct Books {
    entries: Vec<Entry>,
    by_event: HashMap<Uuid, usize>,
    /// Every mail about each event, oldest first.
    mailed: HashMap<Uuid, Vec<Handling>>,
    counted: HashSet<Uuid>,
    /// The orders for which packing says that it requested a parcel, by their event.
    requested: HashSet<Uuid>,
    /// The requests that were heard.
    parcels: Parcels,
    kept: HashMap<&'static str, HashMap<Uuid, Vec<DeadLetter>>>,
    /// The stranger's messages among the dead letters, by their number.
    strange: HashMap<&'static str, HashSet<usize>>,
    rows: Vec<Row>,
}

/// The reason and the error that a dead letter carries.
#[derive(Debug)]
struct DeadLetter {
    reason: String,
    error: String,
}

impl DeadLetter {
    fn read(message: &Message) -> Self {
        let header = |name| message.header(name).unwrap_or_default();
        Self { reason: header("warren-reason"), error: header("warren-error") }
    }

    /// The cause that excuses this dead letter of `email`, if there is one: the mail server refused the address of the
    /// order with this number. No other answer of the mail server is an order's fault.
    fn cause(&self, number: usize) -> Option<&'static str> {
        let refused = address(number).starts_with(ODD) && self.error.contains(REFUSED);
        (self.reason == "for-good" && refused).then_some("address refused")
    }
}

impl Books {
    /// Reads queues, logs and mails, and compares them. Returns a row for each fault that was played.
    pub(crate) async fn close(shop: &mut Shop, faults: &[Fault]) -> Vec<Row> {
        shop.hear_parcels().await;
        let entries = shop.ledger.entries();
        let by_event = entries.iter().enumerate().map(|(number, entry)| (entry.event, number)).collect();
        let (mut kept, mut strange) = (HashMap::new(), HashMap::new());
        for queue in [EMAIL_QUEUE, ANALYTICS_QUEUE, PACKING_QUEUE] {
            let (letters, others) = kept_for(shop, queue).await;
            kept.insert(queue, letters);
            strange.insert(queue, others);
        }
        let (counted, counted_again) = counted(&shop.analytics);
        let rows = faults.iter().map(|&fault| Row::of(fault)).collect();
        let (mailed, astray) = shop.smtp.look(|mails| (mailed(mails), astray(mails, &by_event)));
        let requested = log::said(&shop.packing, REQUESTED).collect();
        let parcels = std::mem::take(&mut shop.parcels);
        let mut books = Self { entries, by_event, mailed, counted, requested, parcels, kept, strange, rows };
        books.rows[0].amiss.extend(astray);
        books.strike(&shop.ruins);
        books.strike_requests(&shop.ruins);
        books.judge(&shop.stranger);
        books.seek_inventions(&shop.stranger);
        books.explain_duplicates(shop, counted_again);
        books.note_amiss(shop);
        books.rows
    }

    fn strike(&mut self, ruins: &[Ruin]) {
        for (number, entry) in self.entries.iter().enumerate() {
            let row = &mut self.rows[entry.round];
            if entry.accepted.is_none() {
                row.amiss.push(format!("{} was never accepted", entry.event));
                continue;
            }
            row.accepted += 1;
            let ruined = |queue| ruins.iter().any(|ruin| ruin.took(queue, entry));
            let dead = |queue| self.kept[queue].get(&entry.event).into_iter().flatten();
            let mut causes = BTreeSet::new();
            for letter in dead(EMAIL_QUEUE) {
                match letter.cause(number) {
                    Some(cause) => drop(causes.insert(cause)),
                    None => row.amiss.push(format!("a dead letter of email without a cause: {letter:?} {entry:?}")),
                }
            }
            match (self.mailed.contains_key(&entry.event), causes.pop_first(), ruined(EMAIL_QUEUE)) {
                (true, ..) => row.emailed += 1,
                (false, Some(cause), _) => *row.kept.entry(cause.to_owned()).or_default() += 1,
                (false, None, true) => row.destroyed += 1,
                (false, None, false) => {
                    row.lost += 1;
                    row.amiss.push(format!("lost: {entry:?}"));
                }
            }
            // No fault gives analytics a reason not to count an order.
            for letter in dead(ANALYTICS_QUEUE) {
                row.amiss.push(format!("a dead letter of analytics: {letter:?} {entry:?}"));
            }
            if self.counted.contains(&entry.event) {
                row.counted += 1;
            } else if ruined(ANALYTICS_QUEUE) {
                row.count_destroyed += 1;
            } else {
                row.uncounted += 1;
                row.amiss.push(format!("not counted: {entry:?}"));
            }
        }
    }

    /// Each of the stranger's messages is a dead letter of every consumer. A text is counted, and is a dead letter of
    /// packing alone, which reads no texts.
    fn judge(&mut self, stranger: &Stranger) {
        for (number, &round) in stranger.rounds.iter().enumerate() {
            let row = &mut self.rows[round];
            row.strange += 1;
            let text = stranger::text(number);
            if let Some(text) = text.filter(|text| !self.counted.contains(text)) {
                row.amiss.push(format!("a stranger's text was not counted: {text}"));
            }
            let readers = self.strange.iter().filter(|(queue, _)| text.is_none() || **queue == PACKING_QUEUE);
            let missing = readers.filter(|(_, dead)| !dead.contains(&number));
            row.amiss
                .extend(missing.map(|(queue, _)| format!("a stranger's message {number} is not dead for {queue}")));
        }
    }

    fn seek_inventions(&mut self, stranger: &Stranger) {
        let texts = stranger.texts();
        let handled = self.mailed.keys().chain(&self.counted).chain(self.kept.values().flat_map(HashMap::keys));
        let sent = |event: &Uuid| self.by_event.contains_key(event) || texts.contains(event);
        let invented: HashSet<_> = handled.filter(|event| !sent(event)).collect();
        // The first row has them, because it is unknown which fault brought them.
        self.rows[0].invented += invented.len();
        self.rows[0].amiss.extend(invented.iter().map(|event| format!("invented: {event}")));
    }

    fn explain_duplicates(&mut self, shop: &Shop, counted_again: HashMap<Uuid, Vec<Handling>>) {
        let mailed_again = self.mailed.iter().filter(|(_, mails)| mails.len() > 1);
        let mailed_again = mailed_again.map(|(event, mails)| (*event, mails.clone())).collect();
        self.explain(mailed_again, shop, &shop.email, "email sent", |row| &mut row.mailed_again);
        self.explain(counted_again, shop, &shop.analytics, "counted", |row| &mut row.counted_again);
    }

    fn explain(
        &mut self,
        again: HashMap<Uuid, Vec<Handling>>,
        shop: &Shop,
        consumer: &Service,
        done: &'static str,
        causes: impl Fn(&mut Row) -> &mut BTreeMap<Cause, usize>,
    ) {
        if again.is_empty() {
            return;
        }
        let evidence = Evidence::gather(consumer, done, &shop.order, &again.keys().copied().collect());
        for (event, handled) in again {
            let entry = self.by_event.get(&event).map(|&number| &self.entries[number]);
            let row = &mut self.rows[entry.map_or(0, |entry| entry.round)];
            for at in 1..handled.len() {
                let cause = evidence.judge(event, entry, &handled, at);
                *causes(row).entry(cause).or_default() += 1;
                if cause == Cause::Unexplained {
                    let told = evidence.told_of(event);
                    row.amiss.push(format!("{done} twice without a cause: {handled:?} {entry:?}\n    {told}"));
                }
            }
        }
    }

    fn note_amiss(&mut self, shop: &Shop) {
        for ((round, how), count) in shop.ledger.answered_otherwise() {
            *self.rows[round].otherwise.entry(how).or_default() += count;
        }
        let amiss = &mut self.rows[0].amiss;
        amiss.extend(shop.ledger.oddities());
        for service in shop.services() {
            let name = service.name();
            let ends = service.past().iter().map(|life| life.end);
            let failed = ends.filter(|end| matches!(end, End::Stopped { code } if *code != 0));
            amiss.extend(failed.map(|end| format!("{name} was stopped, and failed: {end:?}")));
            amiss.extend(log::panics(service).map(|line| format!("a panic: {line}")));
        }
    }
}

/// All mails about each event.
fn mailed(mails: &[Delivered]) -> HashMap<Uuid, Vec<Handling>> {
    let mut mailed = HashMap::<_, Vec<_>>::new();
    for (number, mail) in mails.iter().enumerate() {
        let life = mail.sender().strip_prefix("life-").and_then(|rest| rest.split('@').next()?.parse().ok());
        let handling = Handling { life: life.unwrap_or_default(), at: mail.at(), number };
        mailed.entry(about(mail)).or_default().push(handling);
    }
    mailed
}

/// The event that a mail is about, which its `Message-ID` names; the nil UUID if it names none.
fn about(mail: &Delivered) -> Uuid {
    let id = mail.header("message-id").trim_start_matches('<').split('@').next().and_then(|id| id.parse().ok());
    id.unwrap_or_default()
}

/// A line for each mail that went to somebody else than the order's customer.
fn astray(mails: &[Delivered], orders: &HashMap<Uuid, usize>) -> Vec<String> {
    let numbered = mails.iter().filter_map(|mail| Some((mail, *orders.get(&about(mail))?)));
    let astray = numbered.filter(|(mail, number)| mail.recipients() != [address(*number)]);
    astray.map(|(mail, number)| format!("order {number} was mailed to {:?}", mail.recipients())).collect()
}

/// All events that analytics counted, and each count of those that it counted more than once. For these the log is read a
/// second time, because it is too long to be held.
fn counted(analytics: &Service) -> (HashSet<Uuid>, HashMap<Uuid, Vec<Handling>>) {
    let (all, again) = repeated(log::counts(analytics).map(|count| count.event));
    let mut again: HashMap<_, Vec<_>> = again.into_iter().map(|event| (event, Vec::new())).collect();
    if !again.is_empty() {
        for count in log::counts(analytics) {
            if let Some(counts) = again.get_mut(&count.event) {
                counts.push(count.handling(analytics));
            }
        }
    }
    (all, again)
}

/// All events, and those that occur more than once.
fn repeated(events: impl Iterator<Item = Uuid>) -> (HashSet<Uuid>, HashSet<Uuid>) {
    let mut all = HashSet::new();
    let again = events.filter(|event| !all.insert(*event)).collect();
    (all, again)
}

/// The events in a consumer's dead and delay queues, and the numbers of the stranger's messages there.
async fn kept_for(shop: &Shop, consumer: &str) -> (HashMap<Uuid, Vec<DeadLetter>>, HashSet<usize>) {
    let (mut kept, mut strange) = (HashMap::<_, Vec<_>>::new(), HashSet::new());
    for queue in shop.queues().await.iter().filter(|queue| queue.starts_with(consumer)) {
        for letter in &shop.broker().take(queue).await {
            match stranger::number(letter) {
                Some(number) => {
                    strange.insert(number);
                }
                None => kept.entry(event(letter)).or_default().push(DeadLetter::read(letter)),
            }
        }
    }
    (kept, strange)
}

/// The event that a message carries, by its `message_id`; the nil UUID if that is no UUID.
pub(crate) fn event(message: &Message) -> Uuid {
    let id = message.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
    id.unwrap_or_default()
}
