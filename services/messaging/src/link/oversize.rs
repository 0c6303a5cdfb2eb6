//! A header frame that is larger than lapin takes, made small enough as it comes.
//!
//! The broker adds headers of its own to a message that a client has filled to the brim, and sends the header frame whole, whatever was agreed upon;
//! and of a message that came by another protocol it has headers of any size. lapin would end the connection for it, at each delivery.

use super::payload;

/// Kind, channel and size.
pub(super) const FRAME_HEAD: usize = 7;
/// So many bytes of a frame tell where its headers begin: its head, class, weight, size and flags, two short strings, a length.
const BEGINNING: usize = FRAME_HEAD + 14 + 2 * 256 + 4;
/// The most bytes of headers that stay.
const ROOM: usize = 64 * 1024;
/// Within these, what only the broker's counts may take: they come last, and tell how often the message came back.
const RESERVED: usize = 1024;
const COUNTS: [&[u8]; 2] = [b"x-delivery-count", b"x-acquired-count"];
/// No entry needs more to tell its length: a name, a kind, a length.
const LONGEST_NAME: usize = 1 + 255 + 1 + 4;

/// A header frame under way, of whose headers only those stay that there is room for.
#[derive(Debug)]
pub(super) struct Oversize {
    /// The payload's size, without the headers that do not stay.
    size: usize,
    /// Where the headers begin, from the frame's first byte.
    start: usize,
    /// Where those that stay end, and what was not looked at begins.
    kept: usize,
    /// How many bytes of the headers were not looked at.
    left: usize,
    /// How many of these belong to one that does not stay.
    dropping: usize,
    room: usize,
    reserved: usize,
}

impl Oversize {
    /// Begins with a frame whose payload is so large; `None` if not enough of it is here, or it has no headers to speak of.
    pub(super) fn begin(frame: &mut [u8], size: usize, largest: usize) -> Option<Self> {
        let beginning = frame.get_mut(FRAME_HEAD..BEGINNING)?;
        let headers = payload::headers(beginning).filter(|headers| headers.end <= size)?;
        let start = FRAME_HEAD + headers.start;
        let room = ROOM.min(largest / 2) - RESERVED;
        Some(Self { size, start, kept: start, left: headers.len(), dropping: 0, room, reserved: RESERVED })
    }

    /// Whether that could be told by now.
    pub(super) fn can_begin(here: usize) -> bool {
        here >= BEGINNING
    }

    /// Looks at what is here of the frame that begins at `frame`; whether all its headers were.
    pub(super) fn shrink(&mut self, bytes: &mut Vec<u8>, frame: usize) -> bool {
        let mut at = frame + self.kept;
        while self.left > 0 {
            let here = (bytes.len() - at).min(self.left);
            if here == 0 {
                break;
            }
            if self.dropping > 0 {
                let dropped = self.dropping.min(here);
                self.dropping -= dropped;
                self.left -= dropped;
                self.size -= dropped;
                at += dropped;
                continue;
            }
            match payload::entry_length(&mut bytes[at..at + here]) {
                Some(length) if length <= self.left && self.has_room(&bytes[at..], length) => {
                    if length > here {
                        break;
                    }
                    *self.room(&bytes[at..], length) -= length;
                    bytes.copy_within(at..at + length, frame + self.kept);
                    self.kept += length;
                    self.left -= length;
                    at += length;
                }
                Some(length) => self.dropping = length.min(self.left),
                // These are no headers; the broker writes none such.
                None if here == self.left || here >= LONGEST_NAME => self.dropping = self.left,
                None => break,
            }
        }
        bytes.drain(frame + self.kept..at);
        if self.left == 0 {
            self.patch(&mut bytes[frame..]);
        }
        self.left == 0
    }

    /// What an entry that begins so would have to fit into.
    fn room(&mut self, entry: &[u8], length: usize) -> &mut usize {
        let name = entry.get(1..=usize::from(entry[0]));
        if name.is_some_and(|name| COUNTS.contains(&name)) && length <= self.reserved {
            &mut self.reserved
        } else {
            &mut self.room
        }
    }

    fn has_room(&mut self, entry: &[u8], length: usize) -> bool {
        length <= *self.room(entry, length)
    }

    /// Writes how long the headers and the payload are now.
    fn patch(&self, frame: &mut [u8]) {
        let headers = u32::try_from(self.kept - self.start).expect("there is no more room");
        frame[self.start - 4..self.start].copy_from_slice(&headers.to_be_bytes());
        // It was a number of four bytes, and is less.
        let size = u32::try_from(self.size).expect("it has shrunk");
        frame[3..FRAME_HEAD].copy_from_slice(&size.to_be_bytes());
    }
}
