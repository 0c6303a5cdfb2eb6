//! Clients in crowds that hold their connections and say nothing, or never finish: memory stays bounded, and others are served.

use journey::{Broker, Plan, Process, Request, an_order, eventually};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard, watch};
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

/// Clients that begin an order, send one byte of its body, and come again whenever they are sent away, until this is dropped.
struct Comers {
    _tasks: JoinSet<()>,
    /// Those that hold a connection on which they said all that they will say.
    standing: watch::Receiver<usize>,
    turned_away: watch::Receiver<usize>,
}

impl Comers {
    async fn start(port: u16, number: usize, begun: &'static str) -> Self {
        let (standing, seen) = watch::channel(0);
        let (turned, turned_away) = watch::channel(0);
        let mut tasks = JoinSet::new();
        for _ in 0..number {
            let (standing, turned) = (standing.clone(), turned.clone());
            tasks.spawn(async move {
                loop {
                    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                    if stream.write_all(begun.as_bytes()).await.is_ok() {
                        standing.send_modify(|count| *count += 1);
                        let _ = stream.read_to_end(&mut Vec::new()).await;
                        standing.send_modify(|count| *count -= 1);
                    }
                    turned.send_modify(|count| *count += 1);
                }
            });
        }
        let crowd = Self { _tasks: tasks, standing: seen, turned_away };
        let standing = || async { *crowd.standing.borrow() };
        eventually("the crowd stands", standing, |&standing| standing >= number * 3 / 4).await;
        crowd
    }

    /// Waits until so many were sent away, and came again.
    async fn come_again(&self, times: usize) {
        let turned_away = || async { *self.turned_away.borrow() };
        let before = turned_away().await;
        eventually("the crowd is sent away", turned_away, |&now| now >= before + times).await;
    }
}

/// How many are let in at a time: `PUBLISH_MAX_PENDING` and 256 more.
const SEATS: usize = 300;

async fn is_served_while_a_crowd_stands_and_comes_again(begun: &'static str, crowd: usize) -> Process {
    let _turn = turn().await;
    let plan = Plan::on(&Broker::shared().await).order("PUBLISH_MAX_PENDING", (SEATS - 256).to_string());
    let mut order = plan.launch("order");
    order.ready().await;
    let port = order.http_port().await;
    let crowd = Comers::start(port, crowd, begun).await;
    for _ in 0..5 {
        assert_eq!(Request::post(port, "/orders", &an_order()).send().await.status, 202);
        crowd.come_again(SEATS).await;
    }
    order
}

/// Whoever sends no more of a body goes before its time is over, or others would have waited for that.
async fn some_had_to_go_before_their_time(order: &Process) {
    let cut = order.metric("http_server_request_duration_seconds_count", &[("status", "499")]).await;
    assert!(cut > 0.0, "each of them was waited for as long as a body may take");
}

const BEGUN_BODY: &str =
    "POST /orders HTTP/1.1\r\nhost: o\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{";

#[tokio::test(flavor = "multi_thread")]
async fn more_who_begin_a_body_than_there_are_places_keep_nobody_out() {
    let order = is_served_while_a_crowd_stands_and_comes_again(BEGUN_BODY, 350).await;
    some_had_to_go_before_their_time(&order).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twice_as_many_who_begin_a_body_as_there_are_places_keep_nobody_out() {
    let order = is_served_while_a_crowd_stands_and_comes_again(BEGUN_BODY, 700).await;
    some_had_to_go_before_their_time(&order).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_begin_chunks_keep_nobody_out() {
    let begun = "POST /orders HTTP/1.1\r\nhost: o\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n";
    let order = is_served_while_a_crowd_stands_and_comes_again(begun, 700).await;
    some_had_to_go_before_their_time(&order).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_begin_headers_keep_nobody_out() {
    is_served_while_a_crowd_stands_and_comes_again("POST /orders HTTP/1.1\r\nhost: o\r\n", 700).await;
}
