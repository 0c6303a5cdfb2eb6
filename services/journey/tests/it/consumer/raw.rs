//! A client that says what no library would.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use journey::{Broker, in_time};

/// Publishes to the queue, through the default exchange, a message whose header table is these bytes.
pub(crate) async fn publish(broker: &Broker, queue: &str, table: &[u8], body: &[u8]) {
    // The flags of content type, headers and delivery mode.
    let properties = [&[0xB0, 0x00][..], &short(events::CONTENT_TYPE.as_bytes()), &long_string(table), &[2]].concat();
    send(broker, "", queue.as_bytes(), &properties, body).await;
}

/// Publishes a message with this key and these properties, flags and all, and waits for its confirm.
pub(crate) async fn send(broker: &Broker, exchange: &str, key: &[u8], properties: &[u8], body: &[u8]) {
    let said = async {
        let mut stream = connect(broker).await;
        method(&mut stream, 1, 85, 10, &[0]).await;
        answer(&mut stream).await;
        let publish = [&[0, 0][..], &short(exchange.as_bytes()), &short(key), &[0]].concat();
        method(&mut stream, 1, 60, 40, &publish).await;
        let header = [&[0, 60, 0, 0][..], &[0; 4], &long(body.len()), properties].concat();
        frame(&mut stream, 2, 1, &header).await;
        for part in body.chunks(131_000) {
            frame(&mut stream, 3, 1, part).await;
        }
        let confirm = answer(&mut stream).await;
        assert_eq!(confirm[..4], [0, 60, 0, 80], "confirmed: {confirm:?}");
    };
    in_time("what no library says is said", said).await;
}

/// Takes one message of a queue and hangs up, so that the broker counts its return.
pub(crate) async fn take_and_hang_up(broker: &Broker, queue: &str) {
    let taken = async {
        let mut stream = connect(broker).await;
        method(&mut stream, 1, 60, 70, &[&[0, 0][..], &short(queue.as_bytes()), &[0]].concat()).await;
        let got = answer(&mut stream).await;
        assert_eq!(got[..4], [0, 60, 0, 71], "there is one: {got:?}");
    };
    in_time("a message is taken", taken).await;
}

/// Logs in as guest and opens channel 1.
async fn connect(broker: &Broker) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", broker.port())).await.unwrap();
    stream.write_all(b"AMQP\x00\x00\x09\x01").await.unwrap();
    answer(&mut stream).await;
    let login = [&long(0)[..], &short(b"PLAIN"), &long_string(b"\0guest\0guest"), &short(b"en_US")].concat();
    method(&mut stream, 0, 10, 11, &login).await;
    answer(&mut stream).await;
    method(&mut stream, 0, 10, 31, &[&[0, 10][..], &long(131_072), &[0, 0]].concat()).await;
    method(&mut stream, 0, 10, 40, &[&short(broker.vhost().as_bytes())[..], &short(b""), &[0]].concat()).await;
    answer(&mut stream).await;
    method(&mut stream, 1, 20, 10, &short(b"")).await;
    answer(&mut stream).await;
    stream
}

/// A header that sends a message to more queues than its routing key does: those of these keys.
pub(crate) fn copies_header(keys: &[&str]) -> Vec<u8> {
    let keys: Vec<_> = keys.iter().flat_map(|key| [&b"S"[..], &long_string(key.as_bytes())].concat()).collect();
    [&short(b"CC")[..], b"A", &long_string(&keys)].concat()
}

/// A header whose value is text.
pub(crate) fn text_header(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[u8::try_from(name.len()).unwrap()][..], name, b"S", &long_string(value)].concat()
}

/// A header whose value is a table in a table in a table, so deep.
pub(crate) fn nested_header(depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |inner, _| [&b"\x01nF"[..], &long(inner.len()), &inner].concat())
}

async fn answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 7];
    stream.read_exact(&mut head).await.unwrap();
    let size = u32::from_be_bytes(head[3..].try_into().unwrap()) as usize;
    let mut payload = vec![0; size + 1];
    stream.read_exact(&mut payload).await.unwrap();
    payload
}

async fn method(stream: &mut TcpStream, channel: u16, class: u8, id: u8, arguments: &[u8]) {
    frame(stream, 1, channel, &[&[0, class, 0, id], arguments].concat()).await;
}

async fn frame(stream: &mut TcpStream, kind: u8, channel: u16, payload: &[u8]) {
    let [high, low] = channel.to_be_bytes();
    let frame = [&[kind, high, low][..], &long(payload.len()), payload, &[0xCE]].concat();
    stream.write_all(&frame).await.unwrap();
}

pub(crate) fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

pub(crate) fn long_string(text: &[u8]) -> Vec<u8> {
    [&long(text.len()), text].concat()
}

fn long(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_be_bytes()
}
