//! The least that a client can do. It encodes its frames once, writes them to one blocking socket, and counts confirms
//! and deliveries. It decodes no message, matches no return and restores no connection. The difference between another
//! client and this one is the cost of that client.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use journey::Broker;

/// The types of frames, and the octet that ends each frame (AMQP 0-9-1, 4.2.3).
const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const FRAME_END: u8 = 0xCE;

/// A method's class and number (AMQP 0-9-1, 1.8 and RabbitMQ's `confirm`).
type Method = (u16, u16);
const START_OK: Method = (10, 11);
const TUNE_OK: Method = (10, 31);
const OPEN: Method = (10, 40);
const CHANNEL_OPEN: Method = (20, 10);
const CHANNEL_OPEN_OK: Method = (20, 11);
const QOS: Method = (60, 10);
const CONSUME: Method = (60, 20);
const PUBLISH: Method = (60, 40);
const ACK: Method = (60, 80);
const CONFIRM_SELECT: Method = (85, 10);

/// The largest frame in bytes, which is RabbitMQ's default.
const FRAME_MAX: u32 = 131_072;

/// Keeps `in_flight` confirms outstanding until `total` bodies are confirmed. Returns messages a second.
pub(crate) async fn publish(
    broker: &Broker,
    queue: &'static str,
    body: &'static [u8],
    in_flight: usize,
    total: usize,
) -> f64 {
    apart(broker, move |mut floor| floor.publish(queue, body, in_flight, total)).await
}

/// Takes `total` messages, and acknowledges after each read all that it brought. Returns messages a second.
pub(crate) async fn drain(broker: &Broker, queue: &'static str, prefetch: u16, total: usize) -> f64 {
    apart(broker, move |mut floor| floor.drain(queue, prefetch, total)).await
}

/// Runs a client in a thread of its own, because its socket blocks.
async fn apart(broker: &Broker, run: impl FnOnce(Floor) -> f64 + Send + 'static) -> f64 {
    let (port, vhost) = (broker.port(), broker.vhost().to_owned());
    let task = tokio::task::spawn_blocking(move || run(Floor::connect(port, &vhost)));
    task.await.expect("the broker answers as expected")
}

/// A connection with one channel.
struct Floor {
    socket: TcpStream,
    /// Bytes that were read and belong to no whole frame yet.
    unread: Vec<u8>,
}

/// What the frames of one read say.
#[derive(Default)]
struct Counted {
    /// The highest tag that the broker has acknowledged. It acknowledges a quorum queue's messages in their order.
    confirmed: u64,
    /// How many bodies arrived; each is one frame.
    delivered: u64,
}

impl Floor {
    fn connect(port: u16, vhost: &str) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("the benchmark's broker accepts connections");
        socket.set_nodelay(true).expect("a fresh socket takes options");
        let mut floor = Self { socket, unread: Vec::with_capacity(FRAME_MAX as usize) };
        floor.send(b"AMQP\0\0\x09\x01");
        let login = [&table()[..], &short("PLAIN"), &long(b"\0guest\0guest"), &short("en_US")].concat();
        floor.send(&method(0, START_OK, &login));
        let tune = [&0u16.to_be_bytes()[..], &FRAME_MAX.to_be_bytes(), &0u16.to_be_bytes()].concat();
        let open = [&short(vhost)[..], &[0, 0]].concat();
        let frames = [method(0, TUNE_OK, &tune), method(0, OPEN, &open), method(1, CHANNEL_OPEN, &[0])];
        floor.send(&frames.concat());
        floor.until(CHANNEL_OPEN_OK);
        floor
    }

    fn publish(&mut self, queue: &str, body: &[u8], in_flight: usize, total: usize) -> f64 {
        self.send(&method(1, CONFIRM_SELECT, &[0]));
        self.until((CONFIRM_SELECT.0, CONFIRM_SELECT.1 + 1));
        let many = message(queue, body).repeat(in_flight);
        let length = many.len() / in_flight;
        let (total, in_flight) = (total as u64, in_flight as u64);
        let (mut sent, mut confirmed) = (0, 0);
        let started = Instant::now();
        while confirmed < total {
            let free = (in_flight - (sent - confirmed)).min(total - sent);
            self.send(&many[..free as usize * length]);
            sent += free;
            confirmed = confirmed.max(self.read().confirmed);
        }
        total as f64 / started.elapsed().as_secs_f64()
    }

    fn drain(&mut self, queue: &str, prefetch: u16, total: usize) -> f64 {
        let qos = [&[0; 4][..], &prefetch.to_be_bytes(), &[0]].concat();
        let consume = [&[0, 0][..], &short(queue), &short("floor"), &[0], &table()].concat();
        let started = Instant::now();
        self.send(&[method(1, QOS, &qos), method(1, CONSUME, &consume)].concat());
        let mut delivered = 0;
        while delivered < total as u64 {
            let more = self.read().delivered;
            if more > 0 {
                delivered += more;
                // Everything up to this tag.
                self.send(&method(1, ACK, &[&delivered.to_be_bytes()[..], &[1]].concat()));
            }
        }
        total as f64 / started.elapsed().as_secs_f64()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the broker reads");
    }

    /// Reads until this method comes, and drops every frame before it.
    fn until(&mut self, wanted: Method) {
        let mut found = false;
        while !found {
            self.take(|kind, payload| found |= kind == METHOD && name_of(payload) == wanted);
        }
    }

    /// Reads once, and counts confirms and deliveries.
    fn read(&mut self) -> Counted {
        let mut counted = Counted::default();
        self.take(|kind, payload| match kind {
            METHOD if name_of(payload) == ACK => {
                let tag = payload[4..12].try_into().expect("eight bytes");
                counted.confirmed = counted.confirmed.max(u64::from_be_bytes(tag));
            }
            METHOD => assert!(matches!(name_of(payload), (60, 11 | 21 | 60)), "the broker sent {:?}", name_of(payload)),
            BODY => counted.delivered += 1,
            _ => {}
        });
        counted
    }

    /// Reads once, and calls `each` with the type and payload of each whole frame.
    fn take(&mut self, mut each: impl FnMut(u8, &[u8])) {
        let mut buffer = [0; 65_536];
        let read = self.socket.read(&mut buffer).expect("the broker writes");
        assert!(read > 0, "the broker closed the connection");
        self.unread.extend_from_slice(&buffer[..read]);
        let mut at = 0;
        while let Some([kind, _, _, a, b, c, d]) = self.unread.get(at..at + 7) {
            let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let Some(payload) = self.unread.get(at + 7..at + 7 + size) else { break };
            if self.unread.len() == at + 7 + size {
                break;
            }
            each(*kind, payload);
            at += size + 8;
        }
        self.unread.drain(..at);
    }
}

/// One persistent message to a queue: method, header and body in one piece.
fn message(queue: &str, body: &[u8]) -> Vec<u8> {
    const DELIVERY_MODE: u16 = 1 << 12;
    let publish = [&[0, 0][..], &short(""), &short(queue), &[1]].concat();
    let size = (body.len() as u64).to_be_bytes();
    let header = [&[0, 60, 0, 0][..], &size, &DELIVERY_MODE.to_be_bytes(), &[2]].concat();
    [method(1, PUBLISH, &publish), frame(HEADER, 1, &header), frame(BODY, 1, body)].concat()
}

fn method(channel: u16, (class, number): Method, arguments: &[u8]) -> Vec<u8> {
    frame(METHOD, channel, &[&class.to_be_bytes()[..], &number.to_be_bytes(), arguments].concat())
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("a frame is small").to_be_bytes();
    [&[kind][..], &channel.to_be_bytes(), &size, payload, &[FRAME_END]].concat()
}

fn name_of(payload: &[u8]) -> Method {
    (u16::from_be_bytes([payload[0], payload[1]]), u16::from_be_bytes([payload[2], payload[3]]))
}

fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).expect("a short string")], text.as_bytes()].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("a long string").to_be_bytes(), bytes].concat()
}

/// A table without entries.
fn table() -> [u8; 4] {
    [0; 4]
}
