//! What the broker sends, on its way to lapin: made harmless, its length unchanged.
//!
//! lapin parses headers by recursion, so one message whose headers are nested deep enough would end every process that it is delivered to; and a
//! name that is not UTF-8 would end every connection. Anybody who may publish could do either.

use std::ops::Range;

/// A table in a table in a table is passed on as such so deep, and as bytes from there on.
const DEEPEST: usize = 32;
/// Kind, channel and size.
const FRAME_HEAD: usize = 7;
/// The kind of the frame that holds a method, and what one that returns a message begins with: `basic.return`.
const METHOD: u8 = 1;
const RETURN: [u8; 4] = [0, 60, 0, 50];
/// The kind of the frame that holds a message's properties.
const HEADER: u8 = 2;
/// No frame is longer; what says so is passed on as it is, for lapin to refuse.
const LONGEST: usize = 1 << 20;

/// Bytes that were read, of which those before `ready` may be handed on.
#[derive(Debug, Default)]
pub(super) struct Inlet {
    bytes: Vec<u8>,
    ready: usize,
    /// How many bytes of the frame under way are still to come that need no look.
    passing: usize,
    /// The channels of messages that came back, one for each of them, until they are asked for.
    returned: Vec<u16>,
}

impl Inlet {
    /// Takes what was read.
    pub(super) fn take(&mut self, read: &[u8]) {
        self.bytes.extend_from_slice(read);
        self.advance();
    }

    /// Hands on what is ready, as far as there is room, and says how much that was.
    pub(super) fn hand_on(&mut self, room: &mut [u8]) -> usize {
        let length = self.ready.min(room.len());
        room[..length].copy_from_slice(&self.bytes[..length]);
        self.bytes.drain(..length);
        self.ready -= length;
        length
    }

    /// The channels on which messages came back since this was last asked, one for each message, those not yet handed on included.
    pub(super) fn returned(&mut self) -> impl Iterator<Item = u16> + '_ {
        self.returned.drain(..)
    }

    /// Nothing more will come: what is there is all there is.
    pub(super) fn end(&mut self) {
        self.ready = self.bytes.len();
    }

    fn advance(&mut self) {
        loop {
            let here = self.bytes.len() - self.ready;
            let passed = self.passing.min(here);
            self.ready += passed;
            self.passing -= passed;
            let Some(head) = self.bytes.get(self.ready..self.ready + FRAME_HEAD) else { return };
            let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
            let frame = FRAME_HEAD + size + 1;
            if head[0] == METHOD && size >= RETURN.len() {
                let start = self.ready + FRAME_HEAD;
                let Some(method) = self.bytes.get(start..start + RETURN.len()) else { return };
                if *method == RETURN {
                    let channel = u16::from_be_bytes([self.bytes[self.ready + 1], self.bytes[self.ready + 2]]);
                    self.returned.push(channel);
                }
            }
            if head[0] == HEADER && size <= LONGEST {
                let payload = self.ready + FRAME_HEAD..self.ready + frame - 1;
                // Only a whole payload can be judged.
                let Some(payload) = self.bytes.get_mut(payload) else { return };
                Payload { bytes: payload, at: 0 }.clean();
            }
            self.passing = frame;
        }
    }
}

/// The payload of a header frame, read from the front.
struct Payload<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Payload<'_> {
    /// What is not as it should be is left as it is, from there on: lapin refuses it.
    fn clean(mut self) -> Option<()> {
        // Class, weight and body size.
        self.pass(12)?;
        let flags =
            u16::from_be_bytes(self.skip(2).map(|range| [self.bytes[range.start], self.bytes[range.start + 1]])?);
        for property in 0..14 {
            if flags & (0x8000 >> property) == 0 {
                continue;
            }
            match property {
                2 => {
                    let end = self.long()?.end;
                    self.table(end, 1)?;
                }
                3 | 4 => self.pass(1)?,
                9 => self.pass(8)?,
                _ => self.short()?,
            }
        }
        Some(())
    }

    fn table(&mut self, end: usize, depth: usize) -> Option<()> {
        while self.at < end {
            self.short()?;
            self.value(depth)?;
        }
        Some(())
    }

    fn array(&mut self, end: usize, depth: usize) -> Option<()> {
        while self.at < end {
            self.value(depth)?;
        }
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        let kind = self.skip(1)?.start;
        match self.bytes[kind] {
            b't' | b'b' | b'B' => self.pass(1)?,
            b's' | b'U' | b'u' => self.pass(2)?,
            b'I' | b'i' | b'f' => self.pass(4)?,
            b'D' => self.pass(5)?,
            b'L' | b'l' | b'd' | b'T' => self.pass(8)?,
            b'S' | b'x' => self.at = self.long()?.end,
            nested @ (b'F' | b'A') => {
                let content = self.long()?;
                if depth == DEEPEST {
                    // Bytes are written as tables are: a length, and so many bytes.
                    self.bytes[kind] = b'x';
                    self.at = content.end;
                } else if nested == b'F' {
                    self.table(content.end, depth + 1)?;
                } else {
                    self.array(content.end, depth + 1)?;
                }
            }
            b'V' => {}
            _ => return None,
        }
        Some(())
    }

    /// A short string: what is not UTF-8 becomes question marks.
    fn short(&mut self) -> Option<()> {
        let length = self.skip(1)?.start;
        let range = self.skip(usize::from(self.bytes[length]))?;
        let text = &mut self.bytes[range];
        if str::from_utf8(text).is_err() {
            text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
        }
        Some(())
    }

    /// A length of four bytes, and where what is so long lies. It stays ahead.
    fn long(&mut self) -> Option<Range<usize>> {
        let range = self.skip(4)?;
        let length = u32::from_be_bytes(self.bytes[range].try_into().ok()?) as usize;
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        Some(self.at..end)
    }

    fn pass(&mut self, length: usize) -> Option<()> {
        self.skip(length).map(|_| ())
    }

    fn skip(&mut self, length: usize) -> Option<Range<usize>> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let range = self.at..end;
        self.at = end;
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        [&[kind, 0, 1][..], &u32::try_from(payload.len()).unwrap().to_be_bytes(), payload, &[0xCE]].concat()
    }

    /// A header frame with content type, headers, delivery mode and message id.
    fn header(table: &[u8], message_id: &[u8]) -> Vec<u8> {
        let length = u32::try_from(table.len()).unwrap().to_be_bytes();
        let id = [&[u8::try_from(message_id.len()).unwrap()], message_id].concat();
        let properties = [&b"\x04text"[..], &length, table, &[2], &id].concat();
        frame(HEADER, &[&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0xB0, 0x80][..], &properties].concat())
    }

    fn nested(depth: usize) -> Vec<u8> {
        (0..depth).fold(Vec::new(), |inner, _| {
            [&b"\x01nF"[..], &u32::try_from(inner.len()).unwrap().to_be_bytes(), &inner].concat()
        })
    }

    fn passed(read: &[u8], chunk: usize) -> Vec<u8> {
        let (mut inlet, mut out, mut room) = (Inlet::default(), Vec::new(), [0; 64]);
        for read in read.chunks(chunk) {
            inlet.take(read);
            loop {
                match inlet.hand_on(&mut room) {
                    0 => break,
                    length => out.extend_from_slice(&room[..length]),
                }
            }
        }
        out
    }

    #[test]
    fn what_is_as_it_should_be_passes_unchanged_however_it_is_cut() {
        let values = b"\x01at\x01\x01bI\0\0\0\x07\x01cS\0\0\0\x02\xff\xfe\x01dA\0\0\0\x06S\0\0\0\x01x\x01eV\x02\xc3\xa9l\0\0\0\0\0\0\0\x01";
        let read = [frame(1, b"a method"), header(values, "é".as_bytes()), frame(3, &[2; 300]), frame(8, b"")].concat();
        for chunk in [1, 7, 8, 50, 1000] {
            assert_eq!(passed(&read, chunk), read, "in chunks of {chunk}");
        }
    }

    #[test]
    fn what_is_judged_does_not_depend_on_how_it_is_cut() {
        let mut read = [frame(8, b""), header(b"\x01\xfft\x01", b"id")].concat();
        read.pop();
        let clean = passed(&read, 1000);
        assert!(clean != read, "a payload is whole without its frame's last byte");
        for chunk in [1, 7, 50] {
            let mut inlet = Inlet::default();
            read.chunks(chunk).for_each(|read| inlet.take(read));
            inlet.end();
            assert_eq!(inlet.bytes, clean, "in chunks of {chunk}");
        }
    }

    #[test]
    fn tables_too_deep_become_bytes_and_nothing_moves() {
        let read = header(&nested(5_000), b"id");
        let clean = passed(&read, 1000);
        let changed: Vec<_> = (0..read.len()).filter(|at| read[*at] != clean[*at]).collect();
        assert_eq!((clean.len(), changed.len()), (read.len(), 1));
        assert_eq!(clean[changed[0]], b'x');
        let deep_enough = header(&nested(DEEPEST - 1), b"id");
        assert_eq!(passed(&deep_enough, 1000), deep_enough);
    }

    #[test]
    fn names_that_are_no_utf8_become_question_marks() {
        let clean = passed(&header(b"\x03a\xff\xfet\x01", b"\xc3"), 1000);
        assert_eq!(clean, header(b"\x03a??t\x01", b"?"));
    }

    #[test]
    fn returns_are_told_by_channel_before_they_are_handed_on_however_they_are_cut() {
        let returned = frame(METHOD, &[0, 60, 0, 50, 1, 56]);
        let mut on_another = returned.clone();
        on_another[1..3].copy_from_slice(&[2, 7]);
        let read = [frame(METHOD, b"no"), returned.clone(), frame(METHOD, &[0, 60, 0, 80]), on_another].concat();
        for chunk in [1, 7, 8, 1000] {
            let (mut inlet, mut handed_on, mut room) = (Inlet::default(), 0, [0; 64]);
            let mut channels = Vec::new();
            for read in read.chunks(chunk) {
                inlet.take(read);
                handed_on += inlet.hand_on(&mut room);
                channels.extend(inlet.returned());
                assert!(!channels.is_empty() || handed_on <= 10, "in chunks of {chunk}");
            }
            assert_eq!(channels, [1, 0x207], "in chunks of {chunk}");
        }
    }

    #[test]
    fn what_the_broker_says_last_is_handed_on_unfinished() {
        let mut inlet = Inlet::default();
        inlet.take(&header(b"", b"id")[..20]);
        let mut room = [0; 64];
        assert_eq!(inlet.hand_on(&mut room), 0);
        inlet.end();
        assert_eq!(inlet.hand_on(&mut room), 20);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_it_or_are_lost(payload in proptest::collection::vec(proptest::num::u8::ANY, 0..200), chunk in 1usize..50) {
            let read = frame(HEADER, &payload);
            assert_eq!(passed(&read, chunk).len(), read.len());
        }
    }
}
