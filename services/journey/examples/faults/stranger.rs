//! A stranger who may publish. The messages are as odd as the broker accepts them, and none of them is an order.

use std::collections::HashSet;

use journey::Message;
use uuid::Uuid;

use crate::raw::{copies_header, long_string, nested_header, short, text_header};

/// Each of the stranger's messages carries this and its number, in its body or its id.
const MARK: &str = "poison-";
/// How many kinds of messages there are.
pub(crate) const KINDS: usize = 17;
/// The kinds that are texts. email logs a text, analytics counts it, and packing cannot read it.
const TEXTS: [usize; 2] = [0, 1];

/// The messages that the stranger has published.
#[derive(Default)]
pub(crate) struct Stranger {
    /// The number of the fault during which each message was published, by the number of the message.
    pub(crate) rounds: Vec<usize>,
}

/// A message: its routing key, its properties with their flags, and its body.
pub(crate) struct Poison {
    pub(crate) key: Vec<u8>,
    pub(crate) properties: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Stranger {
    /// Makes the next message, of the next kind.
    pub(crate) fn next(&mut self, round: usize) -> Poison {
        let number = self.rounds.len();
        self.rounds.push(round);
        poison(number)
    }

    /// The ids of all texts.
    pub(crate) fn texts(&self) -> HashSet<Uuid> {
        (0..self.rounds.len()).filter_map(text).collect()
    }
}

/// The id of the message with this number, if it is a text.
pub(crate) fn text(number: usize) -> Option<Uuid> {
    TEXTS.contains(&(number % KINDS)).then(|| Uuid::from_u128(u128::MAX - number as u128))
}

/// The number of a message, if the stranger published it.
pub(crate) fn number(message: &Message) -> Option<usize> {
    let id = message.properties.message_id().as_ref().map(|id| id.as_str().as_bytes()).unwrap_or_default();
    [&message.body[..], id].into_iter().find_map(|bytes| {
        let at = bytes.windows(MARK.len()).position(|part| part == MARK.as_bytes())? + MARK.len();
        let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(&bytes[at..at + digits]).ok()?.parse().ok()
    })
}

fn poison(number: usize) -> Poison {
    let mark = format!("{MARK}{number}");
    let event = |body: Vec<u8>| Poison { properties: properties(&mark, b"", EVENT), ..plain(body) };
    let headed =
        |headers: &[u8]| Poison { properties: properties(&mark, headers, EVENT), ..plain(mark.clone().into()) };
    let attributes = format!(r#""specversion":"1.0","id":"{mark}","source":"urn:stranger""#);
    match number % KINDS {
        kind @ (0 | 1) => {
            let id = text(number).expect("it is a text").to_string();
            let headers = if kind == 0 { forged() } else { copies_header(&["order.cancelled"]) };
            Poison { properties: properties(&id, &headers, "text/plain"), ..plain(mark.into()) }
        }
        2 => Poison { key: b"\xff\xfe".to_vec(), ..headed(&copies_header(&["order.placed"])) },
        3 => Poison { key: vec![0xFF; 255], ..headed(&copies_header(&["order.placed"])) },
        4 => Poison { key: Vec::new(), ..headed(&copies_header(&["order.placed"])) },
        5 => headed(&filler(131_064, &mark)),
        6 => headed(&filler(131_072, &mark)),
        7 => headed(&nested_header(15_000)),
        8 => headed(&text_header(b"\xff\xfe", b"\xff\xfe")),
        9 => headed(&forged()),
        10 => Poison { properties: [&0x8000u16.to_be_bytes()[..], &short(b"\xc3\x28")].concat(), ..plain(mark.into()) },
        // Without an id.
        11 => Poison {
            properties: [&0x8000u16.to_be_bytes()[..], &short(EVENT.as_bytes())].concat(),
            ..plain(mark.into())
        },
        12 => event(Vec::new()),
        13 => event([mark.as_bytes(), &[0xFF; 1024]].concat()),
        14 => event([mark.as_bytes(), "[".repeat(10_000).as_bytes()].concat()),
        15 => event(format!(r#"{{{attributes},"type":"order.placed","data":{{"items":[]}}}}"#).into_bytes()),
        _ => event([mark.as_bytes(), b"\x01\0\0\0\0\0\x11\0\x0a\0\x32\x01\x40\x06it lies\0\0\0\0\xce"].concat()),
    }
}

const EVENT: &str = "application/cloudevents+json";

/// A message with this body and without properties, which goes where orders go.
fn plain(body: Vec<u8>) -> Poison {
    Poison { key: b"order.placed".to_vec(), properties: vec![0, 0], body }
}

/// The properties content type, headers, delivery mode and message id, after their flags.
fn properties(id: &str, headers: &[u8], content_type: &str) -> Vec<u8> {
    let (content_type, headers) = (short(content_type.as_bytes()), long_string(headers));
    [&0xB080u16.to_be_bytes()[..], &content_type, &headers, &[2], &short(id.as_bytes())].concat()
}

/// A header that gives the payload of the header frame this length.
fn filler(length: usize, id: &str) -> Vec<u8> {
    let table = |value: usize| text_header(b"filler", &vec![b'x'; value]);
    // Class, weight and body size come before the properties.
    table(length - 12 - properties(id, &table(0), EVENT).len())
}

/// Headers that otherwise only a consumer writes on its copies, and the broker.
fn forged() -> Vec<u8> {
    let number = |name: &[u8], number: i64| [&short(name)[..], b"l", &number.to_be_bytes()].concat();
    let given_back = text_header(b"warren-given-back", b"2026-01-01T00:00:00Z");
    let numbers = [number(b"warren-returns", 2), number(b"warren-attempts", 99), number(b"x-delivery-count", 99)];
    [numbers.concat(), given_back].concat()
}
