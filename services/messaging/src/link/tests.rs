use std::fs;
use std::io::Read;
use std::net::TcpListener;

use super::*;

async fn dial(port: u16) -> Result<Link, Error> {
    dial_with(port, "").await
}

async fn dial_with(port: u16, parameters: &str) -> Result<Link, Error> {
    let url = format!("amqp://guest:s3cret@127.0.0.1:{port}/{parameters}").parse().unwrap();
    Link::dial(&Endpoint::new(url, "test"), Role::Publish).await
}

fn threads_of_lapin() -> usize {
    let names = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = names.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("lapin")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_answers_leaves_no_thread_and_no_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (first, second) = tokio::join!(dial(port), dial(port));
    for dialled in [first, second] {
        let Err(error @ Error::Silent { .. }) = dialled else { panic!("{:?}", dialled.err()) };
        assert!(!error.to_string().contains("s3cret"), "{error}");
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        assert_eq!(peer.read_to_end(&mut Vec::new()).unwrap(), 8, "the protocol's header, and the end");
    }
    // A socket is closed with the thread that has it.
    let gone = async {
        while threads_of_lapin() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), gone).await.expect("lapin's threads end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_peer_is_given_up_when_the_url_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let Err(error) = dial_with(port, "?connection_timeout=150").await else { panic!("connected") };
    assert!(error.to_string().ends_with("did not answer within 150ms"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_speaks_something_else_is_no_broker() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = tokio::task::spawn_blocking(move || {
        let (mut peer, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut peer, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let Err(error) = dial(port).await else { panic!("connected") };
    peer.await.unwrap();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}
