//! Clients in crowds that hold their connections and say nothing, or never finish: memory stays bounded, and others are served.

use journey::{Broker, Plan, Process, Request, an_order};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

/// Twice as many as are let in at a time.
const CROWD: usize = 10_000;
/// How many of them arrive at once: fewer than the kernel keeps waiting.
const AT_ONCE: usize = 200;
/// What the process may ever hold, in MiB: for each of the 4,352 connections that it lets in, the largest headers that it
/// reads, and its task, which is large where nothing is optimised. A crowd twice as large must not need more.
const MOST_MEMORY: f64 = 4_352.0 * 48.0 / 1024.0;

/// One crowd at a time: there are not descriptors for more.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(most >= 12_000, "this test needs 12,000 file descriptors, and may have {most}: ulimit -n");
    // Processes that are started from now on inherit it.
    setrlimit(Resource::RLIMIT_NOFILE, most.min(1 << 20), most).unwrap();
    turn
}

async fn order() -> (Process, u16) {
    let mut order = Plan::on(&Broker::shared().await).launch("order");
    order.ready().await;
    let port = order.http_port().await;
    (order, port)
}

/// Connections that each sent these bytes, and heard the beginning of an answer where one is due.
async fn crowd(port: u16, bytes: &str, answered: bool) -> Vec<TcpStream> {
    let mut arriving = JoinSet::new();
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        if number >= AT_ONCE {
            crowd.push(arriving.join_next().await.unwrap().unwrap());
        }
        let bytes = bytes.to_owned();
        arriving.spawn(async move {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            // Whoever is turned away may be so before all is said.
            let _ = stream.write_all(bytes.as_bytes()).await;
            if answered {
                let _ = stream.read(&mut [0]).await;
            }
            stream
        });
    }
    crowd.extend(arriving.join_all().await);
    crowd
}

async fn is_served_and_small(order: &Process, port: u16) {
    assert_eq!(Request::post(port, "/orders", &an_order()).send().await.status, 202);
    assert!(order.peak_mib() < MOST_MEMORY, "{} MiB", order.peak_mib());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_who_say_nothing_keep_nobody_out() {
    let _turn = turn().await;
    let (order, port) = order().await;
    let _crowd = crowd(port, "", false).await;
    is_served_and_small(&order, port).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_who_stay_after_an_answer_keep_nobody_out() {
    let _turn = turn().await;
    let (order, port) = order().await;
    let _crowd = crowd(port, "OPTIONS /orders HTTP/1.1\r\nhost: o\r\n\r\n", true).await;
    is_served_and_small(&order, port).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_with_huge_headers_without_an_end_keep_nobody_out() {
    let _turn = turn().await;
    let (order, port) = order().await;
    let huge = format!("POST /orders HTTP/1.1\r\nhost: o\r\nx: {}", "h".repeat(15 * 1024));
    let _crowd = crowd(port, &huge, false).await;
    is_served_and_small(&order, port).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_who_ask_and_never_read_keep_nobody_out() {
    let _turn = turn().await;
    let (order, port) = order().await;
    // More answers than the kernel keeps for those who do not read.
    let asked = "GET /openapi.json HTTP/1.1\r\nhost: o\r\n\r\n".repeat(500);
    let _crowd = crowd(port, &asked, false).await;
    is_served_and_small(&order, port).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_bodies_without_an_end_keep_nobody_out() {
    let _turn = turn().await;
    let (order, port) = order().await;
    let body = "b".repeat(60 * 1024);
    let head = "POST /orders HTTP/1.1\r\nhost: o\r\ncontent-type: application/json\r\ncontent-length: 65536\r\n\r\n";
    let _crowd = crowd(port, &format!("{head}{body}"), false).await;
    is_served_and_small(&order, port).await;
}
