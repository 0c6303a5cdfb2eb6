//! What comes from the broker.

use contract::{CloudEvent, DecodeError, OrderEvent, Raw, decode, limits::MAX_ATTRIBUTE};
use jiff::Timestamp;
use messaging::inside::{handed_on, read_letter};

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
    };
    match decode::<OrderEvent>(&raw) {
        Ok(event) => {
            let id = event.id.as_deref();
            assert!(id.is_none_or(|id| (1..=MAX_ATTRIBUTE).contains(&id.len())));
            match &event.data {
                OrderEvent::Placed(order) => can_be_mailed(order, id),
                OrderEvent::Text(text) => return can_be_forwarded(text, id),
                OrderEvent::Cancelled(_) => {}
            }
            let (Some(id), Some(source)) = (event.id, event.source) else { panic!("a CloudEvent has both") };
            let time = event.time.unwrap_or(Timestamp::UNIX_EPOCH);
            travels(&CloudEvent { id, source: source.into(), time, data: event.data });
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
    assert_eq!(whole.len(), sent.len(), "lapin counts bytes");
    assert_eq!(handed_on(sent, usize::from(*piece).max(1)), whole, "it depends on how it is cut");
    assert_eq!(handed_on(&whole, sent.len().max(1)), whole, "what is clean is cleaned again");
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
