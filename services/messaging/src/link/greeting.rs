//! Records what the broker says of itself in its first and its last method, and counts the messages it returns.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The broker's version, as far as Warren's behaviour depends on it.
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

/// What the broker said of itself. It is read from the socket, because lapin does not pass it on.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) version: OnceLock<Version>,
    /// The mechanisms of login that it offers, with spaces between them.
    pub(super) mechanisms: OnceLock<String>,
    pub(super) farewell: OnceLock<String>,
    /// The number of returned messages, by channel. They are counted before lapin reads them.
    returns: [AtomicU64; COUNTERS],
}

/// The number of counters: as many as RabbitMQ allows channels on a connection, unless it is told otherwise. If two
/// channels share a counter, each of them only looks for returns once too often.
const COUNTERS: usize = 2048;

impl Heard {
    /// The number of messages that came back on a channel so far.
    pub(super) fn returns(&self, channel: u16) -> u64 {
        self.returns[usize::from(channel) % COUNTERS].load(Ordering::Acquire)
    }

    /// Notes that another message came back on a channel.
    pub(super) fn returned(&self, channel: u16) {
        self.returns[usize::from(channel) % COUNTERS].fetch_add(1, Ordering::Release);
    }
}

impl Default for Heard {
    fn default() -> Self {
        let returns = std::array::from_fn(|_| AtomicU64::new(0));
        Self { version: OnceLock::new(), mechanisms: OnceLock::new(), farewell: OnceLock::new(), returns }
    }
}

/// Reads the version from a `connection.start`: the entry `version` of the server's properties, as a short string,
/// the type `S`, and a long string.
pub(super) fn version(start: &[u8]) -> Option<Version> {
    let entry = b"\x07versionS";
    let at = start.windows(entry.len()).position(|window| window == entry)? + entry.len();
    let length = u32::from_be_bytes(start.get(at..at + 4)?.try_into().ok()?) as usize;
    let text = std::str::from_utf8(start.get(at + 4..)?.get(..length)?).ok()?;
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some(Version { major: numbers.next()??, minor: numbers.next()?? })
}

/// Reads the mechanisms of login from a `connection.start`: a long string after class, method, the protocol's version
/// and the table of the server's properties.
pub(super) fn mechanisms(start: &[u8]) -> Option<String> {
    let after_properties = long(start.get(6..)?)?.1;
    let (mechanisms, _) = long(after_properties)?;
    Some(String::from_utf8_lossy(mechanisms).into_owned())
}

/// Splits what has its length in front of it, in four bytes, from what follows it.
fn long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// Reads the broker's words from a `connection.close`: a short string after class, method and code.
pub(super) fn farewell(close: &[u8]) -> Option<String> {
    let length = usize::from(*close.get(6)?);
    Some(String::from_utf8_lossy(close.get(7..7 + length)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(properties: &[u8]) -> Vec<u8> {
        [&[0, 10, 0, 10, 0, 9][..], properties].concat()
    }

    #[test]
    fn the_version_is_found_among_the_servers_properties() {
        let start = start(b"\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x054.3.6");
        assert_eq!(version(&start), Some(Version { major: 4, minor: 3 }));
    }

    #[test]
    fn a_greeting_without_a_version_has_none() {
        for properties in [
            &b"\x07productS\x00\x00\x00\x08RabbitMQ"[..],
            b"\x07versionS\x00\x00\x00\x63",
            b"\x07versionS\x00\x00\x00\x03new",
        ] {
            assert_eq!(version(&start(properties)), None);
        }
    }

    #[test]
    fn the_mechanisms_follow_the_servers_properties() {
        let mut greeting = vec![0, 10, 0, 10, 0, 9];
        for part in [&b"\x07versionS\x00\x00\x00\x054.3.6"[..], b"PLAIN EXTERNAL", b"en_US"] {
            greeting.extend_from_slice(&(part.len() as u32).to_be_bytes());
            greeting.extend_from_slice(part);
        }
        assert_eq!(mechanisms(&greeting).as_deref(), Some("PLAIN EXTERNAL"));
        assert_eq!(version(&greeting), Some(Version { major: 4, minor: 3 }));
        let cut = greeting.len() - b"en_US".len() - 5;
        assert!((0..cut).all(|length| mechanisms(&greeting[..length]).is_none()));
    }

    #[test]
    fn a_farewell_is_what_the_broker_says_and_no_more() {
        let close = b"\x00\x0a\x00\x32\x01\x40\x03bye\x00\x00\x00\x00";
        assert_eq!(farewell(close).as_deref(), Some("bye"));
        assert_eq!(farewell(&close[..9]), None);
        assert_eq!(farewell(b"\x00\x0a\x00\x32"), None);
    }

    #[test]
    fn what_came_back_on_one_channel_did_not_on_another() {
        let heard = Heard::default();
        [7, 7, 40].into_iter().for_each(|channel| heard.returned(channel));
        assert_eq!([1, 7, 40].map(|channel| heard.returns(channel)), [0, 2, 1]);
        assert!([0, 2046, u16::MAX].iter().all(|channel| heard.returns(*channel) == 0), "any number is a channel's");
    }
}
