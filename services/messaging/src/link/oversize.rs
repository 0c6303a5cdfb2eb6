//! Shrinks a header frame that is larger than lapin accepts, while it arrives.
//!
//! The broker adds headers of its own to a message whose headers a client has filled to the limit. It sends the
//! header frame whole, whatever size was agreed. A message that came by another protocol may have headers of any
//! size. lapin would end the connection over such a frame, at every delivery.

use super::payload;

/// Kind, channel and size.
pub(super) const FRAME_HEAD: usize = 7;
/// The bytes of a frame that show where its headers begin: its head, class, weight, size and flags, two short
/// strings, and a length.
const BEGINNING: usize = FRAME_HEAD + 14 + 2 * 256 + 4;
/// The most bytes of headers that stay.
const ROOM: usize = 64 * 1024;
/// Of these, the bytes that are kept for the broker's own counts. They come last, and say how often the message came
/// back.
const RESERVED: usize = 1024;
const COUNTS: [&[u8]; 2] = [b"x-delivery-count", b"x-acquired-count"];
/// The most bytes that are needed to tell the length of an entry: a name, a kind, and a length.
const LONGEST_NAME: usize = 1 + 255 + 1 + 4;

/// A header frame that is arriving. It keeps only the headers for which there is room.
#[derive(Debug)]
pub(super) struct Oversize {
    /// The size of the payload, without the headers that are left out.
    size: usize,
    /// Where the headers begin, counted from the first byte of the frame.
    start: usize,
    /// Where the headers that stay end, and the part begins that was not looked at.
    kept: usize,
    /// The bytes of headers that were not looked at.
    left: usize,
    /// The bytes of these that belong to a header that is left out.
    dropping: usize,
    room: usize,
    reserved: usize,
}

impl Oversize {
    /// Begins with a frame whose payload has this size. `None` if too little of it is here, or if it has no headers.
    pub(super) fn begin(frame: &mut [u8], size: usize, largest: usize) -> Option<Self> {
        let beginning = frame.get_mut(FRAME_HEAD..BEGINNING)?;
        let headers = payload::headers(beginning).filter(|headers| headers.end <= size)?;
        let start = FRAME_HEAD + headers.start;
        let room = ROOM.min(largest / 2) - RESERVED;
        Some(Self { size, start, kept: start, left: headers.len(), dropping: 0, room, reserved: RESERVED })
    }

    /// Whether enough is here to tell.
    pub(super) fn can_begin(here: usize) -> bool {
        here >= BEGINNING
    }

    /// Looks at the bytes that are here of the frame that begins at `frame`. Says whether all its headers were.
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
                // These bytes are not headers; the broker writes none like them.
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

    /// The room into which an entry that begins like this has to fit.
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

    /// Writes the new lengths of the headers and of the payload.
    fn patch(&self, frame: &mut [u8]) {
        let headers = u32::try_from(self.kept - self.start).expect("there is no more room");
        frame[self.start - 4..self.start].copy_from_slice(&headers.to_be_bytes());
        // The old length fitted four bytes, and the new one is smaller.
        let size = u32::try_from(self.size).expect("it has shrunk");
        frame[3..FRAME_HEAD].copy_from_slice(&size.to_be_bytes());
    }
}
