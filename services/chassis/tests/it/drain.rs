//! A server that stops: what was taken in is answered, the deadline ends the rest.

use std::time::Duration;

use chassis::{Deadline, Limits, listen};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fixture::PATIENCE;
use crate::server::{self, Gate, answer, connect, rest, send, start};

const HELD: &str = "GET /held HTTP/1.1\r\nhost: x\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_drain_refuses_new_clients_and_answers_what_was_taken_in() {
    let (server, gate) = start(Limits::DEFAULT).await;
    let address = server.address();
    let mut client = connect(address).await;
    send(&mut client, HELD).await;
    gate.entered().await;
    let drain = tokio::spawn(server.drain());
    timeout(PATIENCE, async { while TcpStream::connect(address).await.is_ok() {} }).await.expect("it stops accepting");
    assert!(!drain.is_finished());
    gate.open.add_permits(1);
    let said = rest(&mut client).await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("connection: close"), "{said}");
    timeout(PATIENCE, drain).await.expect("it has drained").unwrap();
}

#[tokio::test]
async fn a_drain_does_not_wait_for_connections_that_idle() {
    let (server, _gate) = start(Limits::DEFAULT).await;
    let mut idle = connect(server.address()).await;
    send(&mut idle, GET).await;
    answer(&mut idle).await;
    timeout(PATIENCE, server.drain()).await.expect("it has drained");
    assert_eq!(rest(&mut idle).await, "");
}

#[tokio::test]
async fn a_drain_is_cut_at_its_deadline() {
    let (server, gate) = start(Limits::DEFAULT).await;
    let mut client = connect(server.address()).await;
    send(&mut client, HELD).await;
    gate.entered().await;
    let deadline = Deadline::after(Duration::from_millis(100));
    assert_eq!(deadline.step("http answers", server.drain()).await, None);
    assert_eq!(rest(&mut client).await, "");
}

#[tokio::test]
async fn a_drain_does_not_wait_for_clients_that_do_not_read_or_send_half_a_request() {
    // Longer than this test is patient.
    let long = PATIENCE * 10;
    let limits =
        Limits { header_time: long, idle_time: long, leave_time: Duration::from_millis(200), ..Limits::DEFAULT };
    let (server, _gate) = start(limits).await;
    let mut half = connect(server.address()).await;
    send(&mut half, "GET /").await;
    let mut deaf = connect(server.address()).await;
    let requests = GET.repeat(1000);
    // Once nothing more can be written, the server waits for its answers to be read.
    while let Ok(written) = timeout(Duration::from_millis(500), deaf.write_all(requests.as_bytes())).await {
        written.unwrap();
    }
    timeout(PATIENCE, server.drain()).await.expect("it has drained");
    assert!(rest(&mut half).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn requests_that_wait_in_the_kernels_queue_are_answered() {
    let listener = listen("HTTP_ADDR", "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..16 {
        let mut client = connect(listener.local_addr().unwrap()).await;
        send(&mut client, GET).await;
        clients.push(client);
    }
    // Drained before the accept loop has run once.
    let server = server::serve(listener, Limits::DEFAULT, Gate::new());
    timeout(PATIENCE, server.drain()).await.expect("it has drained");
    for mut client in clients {
        assert!(rest(&mut client).await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn before_a_drain_answers_ask_their_clients_to_leave() {
    let (server, gate) = start(Limits::DEFAULT).await;
    let mut known = connect(server.address()).await;
    send(&mut known, GET).await;
    assert!(!answer(&mut known).await.contains("connection: close"));
    server.close_after_answers();
    send(&mut known, GET).await;
    assert!(rest(&mut known).await.contains("connection: close"));
    let mut new = connect(server.address()).await;
    send(&mut new, GET).await;
    assert!(rest(&mut new).await.contains("connection: close"), "it still accepts");
    drop(gate);
}

#[tokio::test]
async fn a_server_that_is_dropped_cuts_its_clients() {
    let (server, gate) = start(Limits::DEFAULT).await;
    let mut client = connect(server.address()).await;
    send(&mut client, HELD).await;
    gate.entered().await;
    drop(server);
    assert_eq!(rest(&mut client).await, "");
}
