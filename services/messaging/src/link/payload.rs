//! The payload of one frame: what lapin would not read is made harmless.
//!
//! lapin parses headers by recursion, so one message whose headers are nested deep enough would end every process that it is delivered to; and a
//! name or key that is not UTF-8 would end every connection. Anybody who may publish could do either.

use std::ops::Range;

/// A table in a table in a table is passed on as such so deep, and as bytes from there on.
pub(super) const DEEPEST: usize = 32;
/// Class, weight and body size come before a message's properties, and their flags follow.
const BEFORE_PROPERTIES: usize = 12;

/// What a method that the broker sends is made of, as far as it holds text.
enum Part {
    Text,
    Other(usize),
}

/// The parts of a method whose text may be somebody else's. Of the others the broker writes every byte.
fn parts(method: [u8; 4]) -> &'static [Part] {
    use Part::{Other, Text};
    match method {
        // basic.deliver: consumer tag, delivery tag and whether it was delivered before, exchange, routing key.
        [0, 60, 0, 60] => &[Text, Other(9), Text, Text],
        // basic.get-ok: delivery tag and whether it was delivered before, exchange, routing key.
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

/// Makes a method harmless. What is too short for what it says it is stays as it is: lapin refuses it.
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

/// Makes a message's properties harmless. `None` of what lapin would refuse all the same.
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

/// Where the headers of a message lie in the beginning of its header frame's payload. `None` if it has none, or less is here than that takes.
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

/// How long the first entry of a table is; `None` if that cannot be told of what is here.
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

/// What a message without properties has in the place of its own.
pub(super) fn no_properties(payload: &[u8]) -> Option<Vec<u8>> {
    Some([payload.get(..BEFORE_PROPERTIES)?, &[0, 0]].concat())
}

/// How many bytes a header's value takes after its kind.
enum Width {
    Of(usize),
    /// As many as the four bytes before them say.
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

/// Bytes that are read from the front.
struct Payload<'a> {
    bytes: &'a mut [u8],
    at: usize,
    /// What is read now ends here.
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

    /// What has a length of four bytes before it, and is to be read to its end.
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
                    // Bytes are written as tables are: a length, and so many bytes.
                    self.bytes[at] = b'x';
                }
                let length = u32::from_be_bytes(self.take()?) as usize;
                self.pass(length)
            }
        }
    }

    /// A short string: what is not UTF-8 becomes question marks.
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
