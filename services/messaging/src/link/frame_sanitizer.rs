//! Makes the frames that the broker sends harmless before lapin reads them.

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
/// The smallest maximum of a frame that a peer may ask for.
const LEAST_FRAME_MAX: u32 = 4096;

/// Bytes that were read. lapin may read those in front of `ready`.
#[derive(Debug)]
pub(super) struct FrameSanitizer {
    bytes: Vec<u8>,
    ready: usize,
    /// The bytes of the current frame that are still to come and need no look.
    passing: usize,
    /// The current header frame, if it is too large.
    oversize: Option<Oversize>,
    /// The largest frame that lapin accepts, in bytes. Only a header frame of the broker can be larger.
    largest: usize,
    heard: Arc<Heard>,
}

/// What stands in front of a payload.
struct Head {
    kind: u8,
    channel: u16,
    size: usize,
}

impl FrameSanitizer {
    /// Notes in `heard` what the broker says of itself. No frame may be larger than `frame_max` bytes.
    pub(super) fn new(heard: Arc<Heard>, frame_max: u32) -> Self {
        let (bytes, ready, passing, oversize) = (Vec::new(), 0, 0, None);
        Self { bytes, ready, passing, oversize, largest: frame_max as usize, heard }
    }

    /// Takes bytes that were read.
    pub(super) fn take(&mut self, read: &[u8]) {
        self.bytes.extend_from_slice(read);
        self.advance();
    }

    /// Passes on what is ready, as far as there is room, and says how many bytes that was.
    pub(super) fn hand_on(&mut self, room: &mut [u8]) -> usize {
        let length = self.ready.min(room.len());
        room[..length].copy_from_slice(&self.bytes[..length]);
        self.bytes.drain(..length);
        self.ready -= length;
        length
    }

    /// Notes that nothing more will come.
    pub(super) fn end(&mut self) {
        if self.oversize.take().is_some() {
            // A frame without its end cannot be made harmless.
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

    /// Makes the next frame harmless, and says how large its payload is then. `None` if too little of the frame is
    /// here.
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

    /// Removes from the next frame the headers that make it too large, if it is. `None` while more of it has to come.
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

    /// Whether lapin refuses a frame with a payload of this size.
    fn is_too_large(&self, size: usize) -> bool {
        FRAME_HEAD + size + 1 > self.largest
    }

    /// Notes what lapin does not pass on. It looks at methods only: bytes in a body that look like a method are
    /// somebody else's.
    fn overhear(&mut self, channel: u16, method: Range<usize>) {
        let method = &self.bytes[method];
        match (channel, method.first_chunk()) {
            (_, Some([0, 60, 0, 50])) => self.heard.returned(channel),
            // connection.start, connection.tune, connection.close.
            (0, Some([0, 10, 0, 10])) => {
                greeting::version(method).map(|version| self.heard.version.set(version));
                greeting::mechanisms(method).map(|mechanisms| self.heard.mechanisms.set(mechanisms));
            }
            (0, Some([0, 10, 0, 30])) => {
                // It follows the most channels; zero means no limit.
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

    /// Replaces properties that lapin would refuse by none, and says how large the payload is then.
    fn replace(&mut self, payload: Range<usize>) -> usize {
        let Some(bare) = payload::no_properties(&self.bytes[payload.clone()]) else { return payload.len() };
        let size = bare.len();
        self.bytes.splice(payload, bare);
        self.bytes[self.ready + 6] = u8::try_from(size).expect("it is bare");
        self.bytes[self.ready + 3..self.ready + 6].fill(0);
        size
    }
}
