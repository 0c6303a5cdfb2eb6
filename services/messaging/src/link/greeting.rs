//! What a broker says of itself in its first frame, and in its last.

use std::fmt;

/// The broker's version, as far as behaviour depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u16,
    pub(crate) minor: u16,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The frame `connection.start`, as it comes in.
#[derive(Debug, Default)]
pub(super) struct Greeting(Vec<u8>);

/// No broker's greeting is as long as this; what is longer is nobody we know.
const LONGEST_GREETING: usize = 16 * 1024;

impl Greeting {
    /// Takes what was read; whether the frame is there now.
    pub(super) fn complete(&mut self, read: &[u8]) -> bool {
        self.0.extend_from_slice(read);
        let size = self
            .0
            .get(3..7)
            .and_then(|size| size.try_into().ok())
            .map_or(usize::MAX, |size| u32::from_be_bytes(size) as usize);
        self.0.len() >= size.saturating_add(8) || self.0.len() > LONGEST_GREETING
    }

    /// The entry `version` of the server's properties: a short string, the type `S`, and a long string.
    pub(super) fn version(&self) -> Option<Version> {
        let entry = b"\x07versionS";
        let at = self.0.windows(entry.len()).position(|window| window == entry)? + entry.len();
        let length = u32::from_be_bytes(self.0.get(at..at + 4)?.try_into().ok()?) as usize;
        let text = std::str::from_utf8(self.0.get(at + 4..)?.get(..length)?).ok()?;
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        Some(Version { major: numbers.next()??, minor: numbers.next()?? })
    }
}

/// How many bytes the longest `connection.close` takes.
const LONGEST_FAREWELL: usize = 7 + 4 + 2 + 1 + 255 + 4 + 1;

/// The broker's words if what was read ends in a `connection.close`: the last frame it sends.
pub(super) fn farewell(read: &[u8]) -> Option<String> {
    let end = &read[read.len().saturating_sub(LONGEST_FAREWELL)..];
    let start = end.windows(11).position(|head| head[..3] == [1, 0, 0] && head[7..] == [0, 10, 0, 50])?;
    let arguments = &end[start + 11..];
    let length = usize::from(*arguments.get(2)?);
    let words = arguments.get(3..3 + length)?;
    Some(String::from_utf8_lossy(words).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(properties: &[u8]) -> Vec<u8> {
        let payload = [&[0, 10, 0, 10, 0, 9][..], properties].concat();
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[1, 0, 0][..], &size, &payload, &[0xCE]].concat()
    }

    #[test]
    fn the_version_is_found_however_the_frame_is_cut() {
        let frame = start(b"\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x054.3.6");
        for cut in 0..frame.len() {
            let mut greeting = Greeting::default();
            assert!(!greeting.complete(&frame[..cut]), "complete after {cut}");
            assert!(greeting.complete(&frame[cut..]));
            assert_eq!(greeting.version(), Some(Version { major: 4, minor: 3 }));
        }
    }

    #[test]
    fn a_greeting_without_a_version_has_none() {
        for properties in [
            &b"\x07productS\x00\x00\x00\x08RabbitMQ"[..],
            b"\x07versionS\x00\x00\x00\x63",
            b"\x07versionS\x00\x00\x00\x03new",
        ] {
            let mut greeting = Greeting::default();
            assert!(greeting.complete(&start(properties)));
            assert_eq!(greeting.version(), None);
        }
    }

    #[test]
    fn a_farewell_is_heard_at_the_end_of_a_read() {
        let words = "CONNECTION_FORCED - bye";
        let close =
            [&[1, 0, 0, 0, 0, 0, 34, 0, 10, 0, 50, 1, 64, 23][..], words.as_bytes(), &[0, 0, 0, 0, 0xCE]].concat();
        assert_eq!(farewell(&close).as_deref(), Some(words));
        assert_eq!(farewell(&[&[7; 4000][..], &close].concat()).as_deref(), Some(words));
        assert_eq!(farewell(&close[..20]), None);
        assert_eq!(farewell(&[]), None);
    }
}
