//! Fits the headers of a copy into one frame, the most important first.

use events::Attributes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::headers as h;

/// The longest error that a header holds, in bytes.
pub(super) const ERROR_BYTES: usize = 1024;
/// The most bytes of foreign headers in a copy.
const FOREIGN_BYTES: usize = 64 * 1024;
/// The bytes around properties and headers: kind, channel, size and end of the frame; class, weight, size of the body
/// and flags; the fixed properties; the length of the headers.
const AROUND: usize = 8 + 14 + 10 + 4;
/// The most bytes that stay free for the user's name and for the headers that the broker adds when a delay is over.
const BROKERS: usize = 2048;
/// What the next reader of a copy needs. It fits the smallest frame that AMQP knows.
const ESSENTIAL: [&str; 8] =
    [h::ROUTING_KEY, h::EXCHANGE, h::ATTEMPTS, h::RETURNS, h::REDRIVEN, h::REASON, h::GIVEN_BACK, h::FIRST_FAILURE];

/// The headers of a copy with these properties: ours, and the foreign ones as far as they fit a frame of `frame_max`
/// bytes. The attributes of a CloudEvent go first, then the smallest. The names of foreign headers that are left out are
/// written into a header.
pub(super) fn fitted(
    ours: &FieldTable,
    foreign: &[(ShortString, AMQPValue)],
    properties: &BasicProperties,
    frame_max: usize,
) -> FieldTable {
    let brokers = BROKERS.min(frame_max / 4);
    let room = frame_max.saturating_sub(AROUND + brokers + weight(properties));
    let mut headers = Headers { table: FieldTable::default(), room };
    headers.take_ours(ours);
    headers.take_foreign(foreign, FOREIGN_BYTES.min(frame_max / 2), h::text(ours, h::LEFT_OUT));
    headers.table
}

struct Headers {
    table: FieldTable,
    room: usize,
}

impl Headers {
    fn take_ours(&mut self, ours: &FieldTable) {
        let rank = |name: &str| ESSENTIAL.iter().position(|other| *other == name).unwrap_or(ESSENTIAL.len());
        let mut entries: Vec<_> = ours.into_iter().filter(|(name, _)| name.as_str() != h::LEFT_OUT).collect();
        entries.sort_by_key(|(name, value)| {
            (rank(name.as_str()), name.as_str() == h::ERROR, h::entry_weight(name, value))
        });
        for (name, value) in entries {
            match value {
                AMQPValue::LongString(text) if name.as_str() == h::ERROR => {
                    // The rest is for the names of what is left out, and for foreign headers.
                    self.shorten(h::ERROR, &String::from_utf8_lossy(text.as_bytes()), self.room / 2);
                }
                value => drop(self.take(name, value)),
            }
        }
    }

    fn take_foreign(&mut self, foreign: &[(ShortString, AMQPValue)], most: usize, known: Option<&str>) {
        let all: usize = foreign.iter().map(|(name, value)| h::entry_weight(name, value)).sum();
        let mut left_out: Vec<&str> = known.into_iter().collect();
        // If something is left out, its name needs room.
        let note = match all > most.min(self.room) || known.is_some() {
            true => (h::LEFT_OUT.len() + ERROR_BYTES).min(self.room / 2),
            false => 0,
        };
        self.room -= note;
        let end = self.room.saturating_sub(most);
        let mut by_weight: Vec<_> = foreign.iter().collect();
        by_weight.sort_by_key(|(name, value)| (!Attributes::has(name.as_str()), h::entry_weight(name, value)));
        for (name, value) in by_weight {
            let fits = self.room.saturating_sub(end) >= h::entry_weight(name, value);
            if !(fits && self.take(name, value)) {
                left_out.push(name.as_str());
                // Without any trace of it, the copy would be read as another event.
                if Attributes::has(name.as_str()) {
                    self.take(name, &AMQPValue::Void);
                }
            }
        }
        self.room += note;
        if !left_out.is_empty() {
            self.shorten(h::LEFT_OUT, &left_out.join(", "), self.room);
        }
    }

    /// Takes a header, if it fits.
    fn take(&mut self, name: &ShortString, value: &AMQPValue) -> bool {
        let weight = h::entry_weight(name, value);
        let fits = weight <= self.room;
        if fits {
            self.room -= weight;
            self.table.insert(name.clone(), value.clone());
        }
        fits
    }

    /// Takes as much of a text as fits into so much room.
    fn shorten(&mut self, name: &'static str, text: &str, room: usize) {
        let Some(most) = room.checked_sub(name.len() + 7) else { return };
        let text = beginning(text, most.min(ERROR_BYTES));
        self.take(&name.into(), &AMQPValue::LongString(text.into()));
    }
}

/// The beginning of a text, at most so many bytes of it.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// The bytes of the properties that are texts.
fn weight(properties: &BasicProperties) -> usize {
    let texts = [
        properties.content_type(),
        properties.content_encoding(),
        properties.correlation_id(),
        properties.reply_to(),
        properties.expiration(),
        properties.message_id(),
        properties.kind(),
        properties.user_id(),
        properties.app_id(),
        properties.cluster_id(),
    ];
    texts.into_iter().flatten().map(|text| 1 + text.as_str().len()).sum()
}
