//! Clients that send large bodies slowly, all at the same time.

use std::time::Duration;

use journey::{Broker, Plan, Request, an_order, raw};

/// Longer than the service lets any of them take.
const SILENCE: Duration = Duration::from_secs(40);

/// What the room for bodies, and 800 connections with what they sent, may take together, in MiB.
const MOST_MEMORY: f64 = 64.0;

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_uploads_are_told_they_are_too_many_and_take_neither_memory_nor_orders() {
    let mut order = Plan::on(&Broker::shared().await).launch("order");
    order.ready().await;
    let port = order.http_port().await;
    let head = "POST /orders HTTP/1.1\r\nhost: o\r\ncontent-type: application/json\r\ncontent-length: 65536\r\n\r\n";
    let begun = format!("{head}{}", " ".repeat(60_000));
    let uploads: Vec<_> = (0..800)
        .map(|_| {
            let begun = begun.clone();
            tokio::spawn(async move { String::from_utf8(raw(port, begun.as_bytes(), SILENCE).await).unwrap() })
        })
        .collect();
    let mut accepted = 0;
    while !uploads.iter().all(|upload| upload.is_finished()) {
        let answer = Request::post(port, "/orders", &an_order()).send().await;
        let refused = answer.status == 503 && answer.text().contains("urn:warren:problem:overloaded");
        assert!(answer.status == 202 || refused, "{answer:?}");
        accepted += u32::from(answer.status == 202);
    }
    assert!(accepted > 0, "slow clients keep out the others");
    let (mut overloaded, mut slow, mut reset) = (0, 0, 0);
    for upload in uploads {
        let answer = upload.await.unwrap();
        // On a busy machine a body may not have been read when its time is over, and its client's connection is reset.
        assert!(answer.is_empty() || answer.contains("connection: close"), "{answer}");
        reset += usize::from(answer.is_empty());
        overloaded += usize::from(answer.starts_with("HTTP/1.1 503 ") && answer.contains("problem:overloaded"));
        slow += usize::from(answer.starts_with("HTTP/1.1 408 ") && answer.contains("problem:slow-body"));
    }
    assert_eq!(overloaded + slow + reset, 800);
    assert!(overloaded > 0, "{slow} are too slow, {reset} reset, and none is one too many");
    assert!(order.peak_mib() < MOST_MEMORY, "{} MiB", order.peak_mib());
}
