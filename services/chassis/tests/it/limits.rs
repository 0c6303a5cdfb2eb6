//! What clients may not do to a server: be slow, be silent, be many, be large.

use std::time::Duration;

use chassis::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::fixture::PATIENCE;
use crate::server::{answer, connect, fetch, rest, send, start};

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// Waits short enough for a test, on the one hand; never, on the other.
const SHORT: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn headers_that_take_too_long_are_answered_408() {
    let (server, _gate) = start(Limits { header_time: SHORT, idle_time: NEVER, ..Limits::DEFAULT }).await;
    let mut slow = connect(server.address()).await;
    send(&mut slow, "GET / HTTP/1.1\r\n").await;
    assert!(rest(&mut slow).await.starts_with("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n"));
}

#[tokio::test]
async fn headers_that_trickle_gain_no_time() {
    let (server, _gate) = start(Limits { header_time: SHORT, idle_time: NEVER, ..Limits::DEFAULT }).await;
    let (mut read, mut write) = connect(server.address()).await.into_split();
    let trickle = tokio::spawn(async move {
        while write.write_all(b"GET / HTTP/1.1\r\nx: ").await.is_ok() {
            // Not a wait for something, but what a slow client does.
            sleep(SHORT / 10).await;
        }
    });
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, read.read_to_end(&mut said)).await.expect("the server closes");
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&said));
    trickle.abort();
}

#[tokio::test]
async fn the_headers_of_a_later_request_have_the_same_time() {
    let (server, _gate) = start(Limits { header_time: SHORT, idle_time: NEVER, ..Limits::DEFAULT }).await;
    let mut client = connect(server.address()).await;
    send(&mut client, GET).await;
    answer(&mut client).await;
    send(&mut client, "GET /").await;
    assert!(rest(&mut client).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_client_that_never_speaks_is_closed() {
    let (server, _gate) = start(Limits { header_time: SHORT, idle_time: NEVER, ..Limits::DEFAULT }).await;
    let mut silent = connect(server.address()).await;
    assert_eq!(rest(&mut silent).await, "");
}

#[tokio::test]
async fn a_connection_that_idles_is_closed() {
    let (server, _gate) = start(Limits { header_time: NEVER, idle_time: SHORT, ..Limits::DEFAULT }).await;
    let mut idle = connect(server.address()).await;
    send(&mut idle, GET).await;
    assert!(!answer(&mut idle).await.contains("connection: close"));
    assert_eq!(rest(&mut idle).await, "");
}

#[tokio::test]
async fn a_slow_service_is_no_slow_client() {
    let (server, gate) = start(Limits { header_time: SHORT, idle_time: SHORT, ..Limits::DEFAULT }).await;
    let mut patient = connect(server.address()).await;
    send(&mut patient, "GET /held HTTP/1.1\r\nhost: x\r\n\r\n").await;
    gate.entered().await;
    // Another connection is closed by the same limits meanwhile: the time has passed.
    assert_eq!(rest(&mut connect(server.address()).await).await, "");
    gate.open.add_permits(1);
    assert!(answer(&mut patient).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_full_server_lets_the_next_in_when_a_silent_client_is_closed() {
    let limits = Limits { connections: 1, header_time: SHORT, idle_time: NEVER, ..Limits::DEFAULT };
    let (server, _gate) = start(limits).await;
    let mut silent = connect(server.address()).await;
    let mut next = connect(server.address()).await;
    send(&mut next, GET).await;
    assert_eq!(rest(&mut silent).await, "");
    assert!(answer(&mut next).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_full_server_admits_nobody_before_there_is_room() {
    let (server, gate) = start(Limits { connections: 2, ..Limits::DEFAULT }).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = connect(server.address()).await;
        send(&mut client, "GET /held HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        clients.push(client);
    }
    for _ in 0..8 {
        gate.entered().await;
        gate.open.add_permits(1);
    }
    for mut client in clients {
        assert!(rest(&mut client).await.starts_with("HTTP/1.1 200 "));
    }
    assert!(gate.most_at_once() <= 2, "{} at once", gate.most_at_once());
}

#[tokio::test]
async fn a_full_server_sends_those_away_that_keep_it_waiting() {
    let never = Limits { connections: 3, header_time: NEVER, idle_time: NEVER, ..Limits::DEFAULT };
    let (server, gate) = start(Limits { crowded_time: SHORT, ..never }).await;
    let mut served = connect(server.address()).await;
    send(&mut served, "GET /held HTTP/1.1\r\nhost: x\r\n\r\n").await;
    gate.entered().await;
    let mut idle = connect(server.address()).await;
    send(&mut idle, GET).await;
    answer(&mut idle).await;
    let mut slow = connect(server.address()).await;
    send(&mut slow, "GET /").await;
    // They stay, so that there is no room but somebody's.
    let mut stayed = Vec::new();
    for _ in 0..2 {
        let mut next = connect(server.address()).await;
        send(&mut next, GET).await;
        assert!(answer(&mut next).await.starts_with("HTTP/1.1 200 "));
        stayed.push(next);
    }
    assert_eq!(rest(&mut idle).await, "");
    assert!(rest(&mut slow).await.starts_with("HTTP/1.1 408 "), "whoever has begun is told");
    gate.open.add_permits(1);
    assert!(answer(&mut served).await.starts_with("HTTP/1.1 200 "), "whoever waits for an answer stays");
}

#[tokio::test]
async fn a_full_server_sends_those_away_whose_bodies_do_not_end() {
    let limits =
        Limits { connections: 2, header_time: NEVER, idle_time: NEVER, crowded_time: SHORT, ..Limits::DEFAULT };
    let (server, _gate) = start(limits).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut client = connect(server.address()).await;
        send(&mut client, "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nb").await;
        slow.push(client);
    }
    for _ in 0..2 {
        let mut next = connect(server.address()).await;
        send(&mut next, GET).await;
        assert!(answer(&mut next).await.starts_with("HTTP/1.1 200 "));
        // It stays, so that there is no room but somebody's.
        slow.push(next);
    }
    for client in &mut slow[..2] {
        assert!(rest(client).await.starts_with("HTTP/1.1 408 "), "it is told");
    }
}

#[tokio::test]
async fn a_body_gains_no_time_by_a_byte_now_and_then() {
    let limits = Limits { connections: 1, crowded_time: SHORT, ..Limits::DEFAULT };
    let (server, gate) = start(limits).await;
    let (_read, mut write) = connect(server.address()).await.into_split();
    let trickle = tokio::spawn(async move {
        let _ = write.write_all(b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n").await;
        while write.write_all(b"b").await.is_ok() {
            // Not a wait for something, but what a slow client does.
            sleep(SHORT / 10).await;
        }
    });
    gate.entered().await;
    assert!(fetch(server.address(), "GET /").await.starts_with("HTTP/1.1 200 "));
    trickle.await.unwrap();
}

#[tokio::test]
async fn whoever_has_just_come_is_not_driven_out_by_those_who_begin_and_never_end() {
    let limits = Limits { connections: 8, header_time: NEVER, crowded_time: Duration::ZERO, ..Limits::DEFAULT };
    let (server, _gate) = start(limits).await;
    let mut honest = connect(server.address()).await;
    let mut crowd = Vec::new();
    for _ in 0..64 {
        let mut client = connect(server.address()).await;
        send(&mut client, "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nb").await;
        crowd.push(client);
    }
    for client in &mut crowd[..32] {
        assert!(rest(client).await.starts_with("HTTP/1.1 408 "), "it is told");
    }
    send(&mut honest, GET).await;
    assert!(answer(&mut honest).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn headers_that_are_too_large_are_answered_431() {
    let (server, _gate) = start(Limits { header_bytes: 1024, ..Limits::DEFAULT }).await;
    let mut large = connect(server.address()).await;
    send(&mut large, &format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(2048))).await;
    assert!(rest(&mut large).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn what_is_not_http_is_answered_400_and_disturbs_nobody() {
    let (server, _gate) = start(Limits::DEFAULT).await;
    for nonsense in
        ["\r\n\r\nGET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let mut client = connect(server.address()).await;
        send(&mut client, nonsense).await;
        client.shutdown().await.unwrap();
        let said = rest(&mut client).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{nonsense:?}: {said}");
    }
    assert!(fetch(server.address(), "GET /").await.starts_with("HTTP/1.1 200 "));
}
