//! Makes the payload of one frame harmless: it changes what lapin could not read.
//!
//! lapin parses headers by recursion, so a message with headers that are nested deep enough would end every process
//! to which it is delivered. A name or key that is not UTF-8 would end every connection. Anybody who may publish
//! could do either.

use std::ops::Range;

/// The depth up to which nested tables are passed on as tables; deeper tables are passed on as bytes.
pub(super) const DEEPEST: usize = 32;
/// The bytes of class, weight and body size, in front of a message's properties and their flags.
const BEFORE_PROPERTIES: usize = 12;

/// The fields of a method that the broker sends, as far as they matter for its texts.
enum Part {
    Text,
    Other(usize),
}

/// The fields of a method whose text may come from another client. The broker itself writes every byte of the others.
fn parts(method: [u8; 4]) -> &'static [Part] {
    use Part::{Other, Text};
    match method {
        // basic.deliver: consumer tag, delivery tag and redelivered, exchange, routing key.
        [0, 60, 0, 60] => &[Text, Other(9), Text, Text],
        // basic.get-ok: delivery tag and redelivered, exchange, routing key.
        [0, 60, 0, 71] => &[Other(9), Text, Text],
        // basic.return: code, words, exchange, routing key.
        [0, 60, 0, 50] => &[Other(2), Text, Text, Text],
        // channel.close and connection.close: code, words.
        [0, 20, 0, 40] | [0, 10, 0, 50] => &[Other(2), Text],
        // basic.consume-ok, basic.cancel and basic.cancel-ok: consumer tag. queue.declare-ok: queue. connection.blocked: words.
        [0, 60, 0, 21 | 30 | 31] | [0, 50, 0, 11] | [0, 10, 0, 60] => &[Text],
        _ => &[],
    }
}

/// Makes a method harmless. A method that is shorter than it should be stays as it is: lapin refuses it.
pub(super) fn clean_method(bytes: &mut [u8]) {
    let Some(method) = bytes.first_chunk() else { return };
    let parts = parts(*method);
    let mut payload = Payload::after(bytes, method.len());
    for part in parts {
        let passed = match part {
            Part::Text => payload.short(),
            Part::Other(length) => payload.pass(*length),
        };
        if passed.is_none() {
            return;
        }
    }
}

/// Makes the properties of a message harmless. `None` if lapin would refuse them all the same.
pub(super) fn clean_properties(bytes: &mut [u8]) -> Option<()> {
    let mut payload = Payload::after(bytes, BEFORE_PROPERTIES);
    let flags = payload.flags()?;
    for property in 0..14 {
        if flags & (0x8000 >> property) == 0 {
            continue;
        }
        match property {
            2 => payload.nested(Payload::entry, 1)?,
            3 | 4 => payload.pass(1)?,
            9 => payload.pass(8)?,
            _ => payload.short()?,
        }
    }
    payload.is_over()
}

/// Where the headers of a message lie in the first bytes of its header frame's payload. `None` if it has no headers,
/// or if too few bytes are here.
pub(super) fn headers(bytes: &mut [u8]) -> Option<Range<usize>> {
    let mut payload = Payload::after(bytes, BEFORE_PROPERTIES);
    let flags = payload.flags()?;
    // Content type and encoding come first.
    for property in 0..2 {
        if flags & (0x8000 >> property) != 0 {
            payload.short()?;
        }
    }
    (flags & 0x2000 != 0).then_some(())?;
    let start = payload.at + 4;
    let length = u32::from_be_bytes(payload.take()?) as usize;
    Some(start..start.checked_add(length)?)
}

/// The length of a table's first entry. `None` if the bytes here do not show it.
pub(super) fn entry_length(bytes: &mut [u8]) -> Option<usize> {
    let mut payload = Payload::after(bytes, 0);
    payload.short()?;
    let [kind] = payload.take()?;
    match width(kind)? {
        Width::Of(length) => payload.at.checked_add(length),
        Width::Told => {
            let length = u32::from_be_bytes(payload.take()?) as usize;
            payload.at.checked_add(length)
        }
    }
}

/// What a message without properties has in their place.
pub(super) fn no_properties(payload: &[u8]) -> Option<Vec<u8>> {
    Some([payload.get(..BEFORE_PROPERTIES)?, &[0, 0]].concat())
}

/// How many bytes follow the kind of a header's value.
enum Width {
    Of(usize),
    /// As many as the four bytes in front of them say.
    Told,
}

fn width(kind: u8) -> Option<Width> {
    Some(match kind {
        b'V' => Width::Of(0),
        b't' | b'b' | b'B' => Width::Of(1),
        b's' | b'U' | b'u' => Width::Of(2),
        b'I' | b'i' | b'f' => Width::Of(4),
        b'D' => Width::Of(5),
        b'L' | b'l' | b'd' | b'T' => Width::Of(8),
        b'S' | b'x' | b'F' | b'A' => Width::Told,
        _ => return None,
    })
}

/// Reads bytes from the front.
struct Payload<'a> {
    bytes: &'a mut [u8],
    at: usize,
    /// The end of what is being read now.
    end: usize,
}

impl<'a> Payload<'a> {
    fn after(bytes: &'a mut [u8], at: usize) -> Self {
        let end = bytes.len();
        Self { bytes, at, end }
    }

    fn flags(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn entry(&mut self, depth: usize) -> Option<()> {
        self.short()?;
        self.value(depth)
    }

    /// A value with a length of four bytes in front of it, to be read to its end.
    fn nested(&mut self, each: fn(&mut Self, usize) -> Option<()>, depth: usize) -> Option<()> {
        let length = u32::from_be_bytes(self.take()?) as usize;
        let outer = self.end;
        self.end = self.at.checked_add(length).filter(|end| *end <= outer)?;
        while self.at < self.end {
            each(self, depth)?;
        }
        self.end = outer;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        let at = self.at;
        let [kind] = self.take()?;
        match (kind, width(kind)?) {
            (b'F', _) if depth < DEEPEST => self.nested(Self::entry, depth + 1),
            (b'A', _) if depth < DEEPEST => self.nested(Self::value, depth + 1),
            (_, Width::Of(length)) => self.pass(length),
            (_, Width::Told) => {
                if matches!(kind, b'F' | b'A') {
                    // Bytes are written like tables: a length, and then as many bytes.
                    self.bytes[at] = b'x';
                }
                let length = u32::from_be_bytes(self.take()?) as usize;
                self.pass(length)
            }
        }
    }

    /// A short string. Bytes that are not UTF-8 become question marks.
    fn short(&mut self) -> Option<()> {
        let [length] = self.take()?;
        let start = self.at;
        self.pass(usize::from(length))?;
        let text = &mut self.bytes[start..self.at];
        if str::from_utf8(text).is_err() {
            text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
        }
        Some(())
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let start = self.at;
        self.pass(N)?;
        self.bytes[start..self.at].try_into().ok()
    }

    fn pass(&mut self, length: usize) -> Option<()> {
        self.at = self.at.checked_add(length).filter(|end| *end <= self.end)?;
        Some(())
    }

    fn is_over(&self) -> Option<()> {
        (self.at == self.end).then_some(())
    }
}
