//! What the broker sends, on its way to lapin: made harmless, a frame at a time.

use std::ops::Range;
use std::sync::Arc;

use super::greeting::{self, Heard};
use super::oversize::{FRAME_HEAD, Oversize};
use super::payload;

#[cfg(test)]
mod tests;

/// The kind of the frame that holds a method.
const METHOD: u8 = 1;
/// The kind of the frame that holds a message's properties.
const HEADER: u8 = 2;
/// No peer may ask for frames that are smaller.
const LEAST_FRAME_MAX: u32 = 4096;

/// Bytes that were read, of which those before `ready` may be handed on.
#[derive(Debug)]
pub(super) struct Inlet {
    bytes: Vec<u8>,
    ready: usize,
    /// How many bytes of the frame under way are still to come that need no look.
    passing: usize,
    /// The header frame under way, if it is too large.
    oversize: Option<Oversize>,
    /// The largest frame that lapin takes, in bytes. No frame of the broker is larger but a header frame.
    largest: usize,
    heard: Arc<Heard>,
}

/// What stands before a payload.
struct Head {
    kind: u8,
    channel: u16,
    size: usize,
}

impl Inlet {
    /// What is overheard on the way goes to `heard`. No frame may be larger than `frame_max` bytes.
    pub(super) fn new(heard: Arc<Heard>, frame_max: u32) -> Self {
        let (bytes, ready, passing, oversize) = (Vec::new(), 0, 0, None);
        Self { bytes, ready, passing, oversize, largest: frame_max as usize, heard }
    }

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

    /// Nothing more will come: what is there is all there is.
    pub(super) fn end(&mut self) {
        if self.oversize.take().is_some() {
            // Of a frame without its end nobody can make anything.
            self.bytes.truncate(self.ready);
        }
        self.ready = self.bytes.len();
    }

    fn advance(&mut self) {
        loop {
            let passed = self.passing.min(self.bytes.len() - self.ready);
            self.ready += passed;
            self.passing -= passed;
            let Some(size) = self.clean_next() else { return };
            self.passing = FRAME_HEAD + size + 1;
        }
    }

    /// Makes the next frame harmless; how large its payload is then. `None` if too little of it is here.
    fn clean_next(&mut self) -> Option<usize> {
        self.shrink_next()?;
        let Head { kind, channel, size } = self.head()?;
        if self.is_too_large(size) || !matches!(kind, METHOD | HEADER) {
            return Some(size);
        }
        // Only a whole payload can be judged.
        let start = self.ready + FRAME_HEAD;
        let payload = self.bytes.get_mut(start..start + size)?;
        if kind == METHOD {
            payload::clean_method(payload);
            self.overhear(channel, start..start + size);
            return Some(size);
        }
        if payload::clean_properties(payload).is_some() {
            return Some(size);
        }
        Some(self.replace(start..start + size))
    }

    /// Takes from the next frame what makes it too large, if that is what it is. `None` while more of it has to come.
    fn shrink_next(&mut self) -> Option<()> {
        if self.oversize.is_none() {
            let Head { kind, size, .. } = self.head()?;
            if kind != HEADER || !self.is_too_large(size) {
                return Some(());
            }
            let frame = &mut self.bytes[self.ready..];
            if !Oversize::can_begin(frame.len()) {
                return None;
            }
            self.oversize = Oversize::begin(frame, size, self.largest);
        }
        if let Some(oversize) = &mut self.oversize {
            oversize.shrink(&mut self.bytes, self.ready).then_some(())?;
        }
        self.oversize = None;
        Some(())
    }

    fn head(&self) -> Option<Head> {
        let &[kind, high, low, ref size @ ..] = self.bytes[self.ready..].first_chunk::<FRAME_HEAD>()?;
        Some(Head { kind, channel: u16::from_be_bytes([high, low]), size: u32::from_be_bytes(*size) as usize })
    }

    /// Whether lapin takes no frame with a payload of this size.
    fn is_too_large(&self, size: usize) -> bool {
        FRAME_HEAD + size + 1 > self.largest
    }

    /// Notes what lapin keeps to itself. Only a method counts: what looks like one in a body is somebody else's.
    fn overhear(&mut self, channel: u16, method: Range<usize>) {
        let method = &self.bytes[method];
        match (channel, method.first_chunk()) {
            (_, Some([0, 60, 0, 50])) => self.heard.returned(channel),
            // connection.start, connection.tune, connection.close.
            (0, Some([0, 10, 0, 10])) => {
                greeting::version(method).map(|version| self.heard.version.set(version));
            }
            (0, Some([0, 10, 0, 30])) => {
                // After the most channels; zero is no limit.
                let limit = method.get(6..10).and_then(|limit| limit.try_into().ok()).map_or(0, u32::from_be_bytes);
                if limit > 0 {
                    self.largest = self.largest.min(limit.max(LEAST_FRAME_MAX) as usize);
                }
            }
            (0, Some([0, 10, 0, 50])) => {
                greeting::farewell(method).map(|words| self.heard.farewell.set(words));
            }
            _ => {}
        }
    }

    /// Puts a message without properties in the place of what lapin would refuse; how large the payload is then.
    fn replace(&mut self, payload: Range<usize>) -> usize {
        let Some(bare) = payload::no_properties(&self.bytes[payload.clone()]) else { return payload.len() };
        let size = bare.len();
        self.bytes.splice(payload, bare);
        self.bytes[self.ready + 6] = u8::try_from(size).expect("it is bare");
        self.bytes[self.ready + 3..self.ready + 6].fill(0);
        size
    }
}
