//! What comes from the broker.

use contract::OrderEvent;
use events::{CloudEvent, DecodeError, Raw, decode, limits::MAX_ATTRIBUTE};
use jiff::Timestamp;
use messaging::inside::{handed_on, lapin_reads_method, lapin_reads_properties, read_letter};

use super::bodies::travels;
use super::mails::{can_be_forwarded, can_be_mailed};

/// Four lines (content type, routing key, message id, timestamp; empty where there is none), then a message's body.
pub fn event(bytes: &[u8]) {
    let mut parts = bytes.splitn(5, |byte| *byte == b'\n');
    let mut line = || str::from_utf8(parts.next()?).ok();
    let (Some(content_type), Some(key), Some(id), Some(timestamp)) = (line(), line(), line(), line()) else { return };
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty() && text.len() <= MAX_ATTRIBUTE);
    let raw = Raw {
        content_type: some(content_type),
        routing_key: some(key).unwrap_or_default(),
        message_id: some(id),
        timestamp: timestamp.parse().ok(),
        body: parts.next().unwrap_or_default(),
        ..Raw::default()
    };
    match decode::<OrderEvent>(&raw) {
        Ok(event) => {
            let id = event.id.as_deref();
            assert!(id.is_none_or(|id| (1..=MAX_ATTRIBUTE).contains(&id.len())));
            let about = id.map(|id| (event.source.as_deref(), id));
            match &event.data {
                OrderEvent::Placed(order) => can_be_mailed(order, about),
                OrderEvent::Text(text) => return can_be_forwarded(text, about),
                OrderEvent::Cancelled(_) => {}
            }
            let (Some(id), Some(source)) = (event.id, event.source) else {
                return assert!(
                    content_type.to_ascii_lowercase().contains("application/json"),
                    "a CloudEvent has both"
                );
            };
            let time = event.time.unwrap_or(Timestamp::UNIX_EPOCH);
            let (correlation_id, causation_id) = (event.correlation_id, event.causation_id);
            travels(&CloudEvent { id, source: source.into(), time, correlation_id, causation_id, data: event.data });
        }
        Err(error) => is_told(&error),
    }
}

/// The reason is a header of a dead letter and a line in the log.
fn is_told(error: &DecodeError) {
    assert!(error.to_string().len() <= 1024, "{error}");
    assert!(!error.reason().is_empty());
    let DecodeError::Data(faults) = error else { return };
    assert!(!faults.is_empty());
}

/// How much is read at once, then what a broker sends on a connection.
pub fn frames(bytes: &[u8]) {
    let Some((piece, sent)) = bytes.split_first() else { return };
    let whole = handed_on(sent, sent.len().max(1));
    assert_eq!(handed_on(sent, usize::from(*piece).max(1)), whole, "it depends on how it is cut");
    assert_eq!(handed_on(&whole, sent.len().max(1)), whole, "what is clean is cleaned again");
    is_read(&whole);
    for method in from_outside(sent) {
        let size = u32::try_from(method.len()).expect("a method is short").to_be_bytes();
        is_read(&handed_on(&[&[METHOD, 0, 1], &size[..], &method, &[0xCE]].concat(), 1000));
    }
}

const METHOD: u8 = 1;
const HEADER: u8 = 2;
/// No peer may agree to less, so that what fits is never too large.
const FITS: usize = 4096 - 8;

/// lapin reads every message's properties, and every method that carries somebody's text and is as long as it says.
fn is_read(mut frames: &[u8]) {
    while let [kind, _, _, a, b, c, d, rest @ ..] = frames {
        let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let Some((payload, [0xCE, next @ ..])) = rest.split_at_checked(size) else { return };
        match *kind {
            METHOD if is_from_outside(payload) => assert!(lapin_reads_method(payload), "{payload:?}"),
            HEADER if (12..=FITS).contains(&size) => assert!(lapin_reads_properties(payload), "{payload:?}"),
            _ => {}
        }
        frames = next;
    }
}

/// Methods whose text may be somebody's: their number, and what they are made of. Zero is a text, any other number so many bytes of the broker's own.
const OUTSIDE: [([u8; 4], &[usize]); 7] = [
    ([0, 60, 0, 60], &[0, 9, 0, 0]),
    ([0, 60, 0, 71], &[9, 0, 0, 4]),
    ([0, 60, 0, 50], &[2, 0, 0, 0]),
    ([0, 60, 0, 30], &[0, 1]),
    ([0, 20, 0, 40], &[2, 0, 4]),
    ([0, 10, 0, 50], &[2, 0, 4]),
    ([0, 10, 0, 60], &[0]),
];

/// Whether it is one of these, and as long as it says.
fn is_from_outside(method: &[u8]) -> bool {
    let found = OUTSIDE.iter().find(|(number, _)| method.starts_with(number));
    found.is_some_and(|(_, parts)| {
        let mut rest = method.get(4..);
        for part in *parts {
            rest = rest.and_then(|rest| match part {
                0 => rest.get(1 + usize::from(*rest.first()?)..),
                length => rest.get(*length..),
            });
        }
        rest.is_some_and(<[u8]>::is_empty)
    })
}

/// Each of them, with its texts made of these bytes.
fn from_outside(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    OUTSIDE.iter().map(|(number, parts)| {
        let mut method = number.to_vec();
        let mut texts = bytes.chunks(1 + bytes.len() / 3).map(|text| &text[..text.len().min(255)]);
        for part in *parts {
            match part {
                0 => {
                    let text = texts.next().unwrap_or_default();
                    method.push(u8::try_from(text.len()).expect("it is cut"));
                    method.extend_from_slice(text);
                }
                length => method.resize(method.len() + length, 0),
            }
        }
        method
    })
}

/// Whether a message came before, and of how many bytes its body is; then its header frame's payload, and its body.
pub fn letter(bytes: &[u8]) {
    let [flags, body, rest @ ..] = bytes else { return };
    let (payload, body) = rest.split_at(rest.len().saturating_sub(usize::from(*body)));
    let size = u32::try_from(payload.len()).expect("a frame is short").to_be_bytes();
    let frame = [&[2, 0, 1], &size[..], payload, &[0xCE]].concat();
    let clean = handed_on(&frame, frame.len());
    read_letter::<OrderEvent>(&clean[7..frame.len() - 1], flags & 1 == 1, body);
}
