//! Clients that speak HTTP slowly, wrongly, or with bad intent.

use std::time::Duration;

use journey::{Broker, Plan, Process, Request, an_order, raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any timeout of the service: who waits for its answer gets it.
const SILENCE: Duration = Duration::from_secs(40);

async fn order() -> (Process, u16) {
    let mut order = Plan::on(&Broker::shared().await).launch("order");
    order.ready().await;
    let port = order.http_port().await;
    (order, port)
}

/// Everything that is answered until the connection is closed.
async fn answers(port: u16, bytes: &str) -> String {
    String::from_utf8(raw(port, bytes.as_bytes(), SILENCE).await).unwrap()
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /orders HTTP/1.1\r\nhost: o\r\ncontent-type: application/json\r\n{headers}\r\n{body}")
}

fn count(answers: &str, status: &str) -> usize {
    answers.matches(&format!("HTTP/1.1 {status}")).count()
}

#[tokio::test]
async fn slow_clients_are_told_so_and_delay_nobody() {
    let (_order, port) = order().await;
    let slow_headers = tokio::spawn(async move { answers(port, "POST /orders HTTP/1.1\r\nhost: o\r\n").await });
    let slow_body = post("content-length: 100\r\n", "{\"customer\":");
    let slow_body = tokio::spawn(async move { answers(port, &slow_body).await });
    let slow_chunks = post("transfer-encoding: chunked\r\n", "1\r\n{\r\n");
    let slow_chunks = tokio::spawn(async move { answers(port, &slow_chunks).await });
    assert_eq!(Request::post(port, "/orders", &an_order()).send().await.status, 202);
    assert!(slow_headers.await.unwrap().starts_with("HTTP/1.1 408 "));
    for slow in [slow_body, slow_chunks] {
        let answer = slow.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("urn:warren:problem:slow-body"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn clients_that_go_away_leave_nothing_behind() {
    let (order, port) = order().await;
    for bytes in ["", "POST", "POST /orders HTTP/1.1\r\n", &post("content-length: 100\r\n", "{")] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        // Half a connection is none: the service closes the other half.
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        timeout(SILENCE, stream.read_to_end(&mut rest)).await.expect("the service closes").unwrap();
    }
    assert_eq!(Request::post(port, "/orders", &an_order()).send().await.status, 202);
    assert_eq!(order.metric("http_server_request_duration_seconds_count", &[("status", "202")]).await, 1.0);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let (_order, port) = order().await;
    let order = an_order().to_string();
    let good = post(&format!("content-length: {}\r\n", order.len()), &order);
    let bad = post("content-length: 2\r\n", "{}");
    let last = "GET /nothing HTTP/1.1\r\nhost: o\r\nconnection: close\r\n\r\n";
    let answers = answers(port, &format!("{good}{bad}{good}{last}")).await;
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["202", "422", "202", "404"], "{answers}");
}

#[tokio::test]
async fn requests_that_are_not_http_are_refused_and_the_connection_closed() {
    let (_order, port) = order().await;
    let order = an_order().to_string();
    let length = order.len();
    let huge = format!("x-huge: {}\r\n", "h".repeat(20_000));
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    let refusals = [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        ("GET /openapi.json HTTP/9.9\r\nhost: o\r\n\r\n".to_owned(), "400"),
        (format!("GET /{} HTTP/1.1\r\nhost: o\r\n\r\n", "p".repeat(70_000)), "4"),
        (post(&huge, ""), "431"),
        (post(&many, ""), "431"),
        (post("content-length: 2\r\ncontent-length: 3\r\n", "{}"), "400"),
        (post("content-length: +2\r\n", "{}"), "400"),
        (post("content-length: -1\r\n", "{}"), "400"),
        (post("content-length: 2, 3\r\n", "{}"), "400"),
        (post("transfer-encoding: gzip\r\n", "{}"), "400"),
        (post("transfer-encoding: chunked, identity\r\n", "{}"), "400"),
        (post("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), "400"),
        (post("transfer-encoding: chunked\r\n", "2\r\n{}X\r\n0\r\n\r\n"), "400"),
        (post("transfer-encoding: chunked\r\n", "ffffffffffffffffff\r\n"), "400"),
        (post("transfer-encoding: chunked\r\n", &format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "e".repeat(20_000))), "400"),
        (post("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n"), "400"),
        (post("transfer-encoding : chunked\r\n", "0\r\n\r\n"), "400"),
        (post("content-length : 2\r\n", "{}"), "400"),
        (post("bad header: x\r\n", ""), "400"),
        (post(" folded: x\r\n", ""), "400"),
        (
            format!("POST /orders HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{order}\r\n0\r\n\r\n"),
            "400",
        ),
    ];
    for (request, status) in refusals {
        let shown = &request[..request.len().min(200)];
        let answers = answers(port, &request).await;
        assert!(answers.starts_with("HTTP/1.") && count(&answers, status) == 1, "{shown}: {answers}");
        assert_eq!(count(&answers, "2"), 0, "{shown}: {answers}");
    }
    assert_eq!(Request::post(port, "/orders", &an_order()).send().await.status, 202);
}

#[tokio::test]
async fn a_chunked_body_that_was_read_to_its_end_keeps_its_connection() {
    let (_order, port) = order().await;
    let text = an_order().to_string();
    let (first, second) = text.split_at(30);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    for _ in 0..3 {
        let chunks = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
        stream.write_all(post("transfer-encoding: chunked\r\n", &chunks).as_bytes()).await.unwrap();
        let answer = heard(&mut stream, "\"accepted\"").await;
        assert!(answer.starts_with("HTTP/1.1 202 ") && !answer.contains("connection: close"), "{answer}");
        // The rest of its body.
        if !answer.ends_with('}') {
            heard(&mut stream, "}").await;
        }
    }
}

#[tokio::test]
async fn no_request_hides_in_the_body_of_another() {
    let (_order, port) = order().await;
    let hidden = "GET /openapi.json HTTP/1.1\r\nhost: o\r\n\r\n";
    let both = [
        post(&format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", 5 + hidden.len()), "0\r\n\r\n"),
        post(&format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n", 5 + hidden.len()), "0\r\n\r\n"),
    ];
    for request in both {
        let answers = answers(port, &format!("{request}{hidden}")).await;
        assert_eq!((count(&answers, ""), count(&answers, "200")), (1, 0), "{answers}");
    }
}

#[tokio::test]
async fn one_host_is_named_or_none_is_served() {
    let (_order, port) = order().await;
    let end = "connection: close\r\n\r\n";
    for (hosts, status) in [("", "400"), ("host: a\r\nhost: b\r\n", "400"), ("host: a\r\n", "200")] {
        let answer = answers(port, &format!("GET /openapi.json HTTP/1.1\r\n{hosts}{end}")).await;
        assert_eq!(count(&answer, status), 1, "{hosts:?}: {answer}");
    }
    let old = answers(port, "GET /openapi.json HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 "), "{old}");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let (_order, port) = order().await;
    let get = Request::get(port, "/openapi.json").send().await;
    let head = answers(port, "HEAD /openapi.json HTTP/1.1\r\nhost: o\r\nconnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", get.body.len())), "{head}");
    let wrong = answers(port, "HEAD /orders HTTP/1.1\r\nhost: o\r\nconnection: close\r\n\r\n").await;
    assert!(wrong.starts_with("HTTP/1.1 405 ") && wrong.contains("allow: OPTIONS, POST\r\n"), "{wrong}");
    assert!(wrong.ends_with("\r\n\r\n"), "{wrong}");
}

/// Reads until `wanted` has come.
async fn heard(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let mut chunk = [0; 1024];
        let length = timeout(SILENCE, stream.read(&mut chunk)).await;
        let length = length.unwrap_or_else(|_| panic!("silent before {wanted:?}: {text}")).unwrap();
        assert!(length > 0, "closed before {wanted:?}: {text}");
        text.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_or_not() {
    let (_order, port) = order().await;
    let order = an_order().to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = |length: usize| post(&format!("expect: 100-continue\r\ncontent-length: {length}\r\n"), "");
    stream.write_all(head(order.len()).as_bytes()).await.unwrap();
    heard(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(order.as_bytes()).await.unwrap();
    heard(&mut stream, "HTTP/1.1 202 ").await;

    let refused = answers(port, &head(65_537)).await;
    assert!(refused.starts_with("HTTP/1.1 413 ") && count(&refused, "") == 1, "{refused}");
    let unwanted = head(10).replace("application/json", "text/plain");
    let refused = answers(port, &unwanted).await;
    assert!(refused.starts_with("HTTP/1.1 415 ") && count(&refused, "") == 1, "{refused}");
}
