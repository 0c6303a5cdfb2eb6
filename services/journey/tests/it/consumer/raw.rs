//! A client that says what no library would.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use journey::{Broker, in_time};

/// Publishes to the queue, through the default exchange, a message whose header table is these bytes.
pub(crate) async fn publish(broker: &Broker, queue: &str, table: &[u8], body: &[u8]) {
    in_time("what no library says is said", say(broker, queue, table, body)).await;
}

async fn say(broker: &Broker, queue: &str, table: &[u8], body: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", broker.port())).await.unwrap();
    stream.write_all(b"AMQP\x00\x00\x09\x01").await.unwrap();
    answer(&mut stream).await;
    let login = [&long(0)[..], &short("PLAIN"), &long_string(b"\0guest\0guest"), &short("en_US")].concat();
    method(&mut stream, 0, 10, 11, &login).await;
    answer(&mut stream).await;
    method(&mut stream, 0, 10, 31, &[&[0, 10][..], &long(131_072), &[0, 0]].concat()).await;
    method(&mut stream, 0, 10, 40, &[&short(broker.vhost())[..], &short(""), &[0]].concat()).await;
    answer(&mut stream).await;
    method(&mut stream, 1, 20, 10, &short("")).await;
    answer(&mut stream).await;
    method(&mut stream, 1, 85, 10, &[0]).await;
    answer(&mut stream).await;
    method(&mut stream, 1, 60, 40, &[&[0, 0][..], &short(""), &short(queue), &[0]].concat()).await;
    // The flags of content type, headers and delivery mode.
    let properties = [&[0xB0, 0x00][..], &short(contract::CONTENT_TYPE), &long(table.len()), table, &[2]].concat();
    let header = [&[0, 60, 0, 0][..], &[0; 4], &long(body.len()), &properties].concat();
    frame(&mut stream, 2, 1, &header).await;
    for part in body.chunks(131_000) {
        frame(&mut stream, 3, 1, part).await;
    }
    let confirm = answer(&mut stream).await;
    assert_eq!(confirm[..4], [0, 60, 0, 80], "confirmed: {confirm:?}");
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

fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn long_string(text: &[u8]) -> Vec<u8> {
    [&long(text.len()), text].concat()
}

fn long(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_be_bytes()
}
