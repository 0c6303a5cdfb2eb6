use std::io;
use std::pin::pin;
use std::task::{Context, Waker};

use bytes::Bytes;
use contract::limits::MAX_BODY_BYTES;
use futures_util::stream::{self, Stream, StreamExt};
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use hyper::{StatusCode, Version};
use prometheus::{Registry, TextEncoder};
use proptest::prelude::*;

use super::*;
use crate::http::fixture::{Answered, ORDER, api, post, request, send, send_body};

const CANCEL: &str = "/orders/019379a2-7c5e-7d35-8f6e-3a1b9c0d2e4f/cancel";

fn pieces(pieces: &[&[u8]]) -> impl Stream<Item = io::Result<Frame<Bytes>>> + use<> {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    stream::iter(pieces)
}

/// Posts a body that comes as `body` says.
async fn post_stream(api: &Api, body: impl Stream<Item = io::Result<Frame<Bytes>>>) -> Answered {
    send_body(api, post("/orders").body(StreamBody::new(body)).unwrap()).await
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let api = api(&Registry::new());
    for (method, path) in
        [("GET", "//"), ("POST", "/orders/"), ("DELETE", "/order"), ("GET", "/orders/1"), ("OPTIONS", "*")]
    {
        assert!(send(&api, request(method, path), "").await.is(Kind::UnknownPath), "{method} {path}");
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_know_is_told_those_it_knows() {
    let api = api(&Registry::new());
    let refused = [
        ("GET", "/orders"),
        ("HEAD", "/orders"),
        ("PUT", CANCEL),
        ("POST", "/openapi.json"),
        ("POST", "/"),
        ("get", "/openapi.json"),
    ];
    for (method, path) in refused {
        let answer = send(&api, request(method, path), "").await;
        assert!(answer.is(Kind::MethodNotAllowed), "{method} {path}");
        assert_eq!(answer.header("allow"), Route::of(path).allow());
        let options = send(&api, request("OPTIONS", path), "").await;
        assert_eq!((options.status, options.header("allow")), (StatusCode::NO_CONTENT, answer.header("allow")));
    }
}

#[tokio::test]
async fn the_document_is_served() {
    let api = api(&Registry::new());
    let answer = send(&api, request("GET", "/openapi.json?any=query"), "").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(answer.body["openapi"], "3.1.0");
    assert_eq!(send(&api, request("HEAD", "/openapi.json"), "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let api = api(&Registry::new());
    let without = || Request::get("/openapi.json");
    assert!(send(&api, without(), "").await.is(Kind::MalformedRequest));
    assert!(send(&api, request("GET", "/openapi.json").header("host", "orders"), "").await.is(Kind::MalformedRequest));
    assert_eq!(send(&api, without().version(Version::HTTP_10), "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_order_that_cannot_be_published_is_not_accepted() {
    let api = api(&Registry::new());
    for request in [post("/orders"), post("/orders").header("idempotency-key", "basket-1"), post(CANCEL)] {
        let body = if request.uri_ref().is_some_and(|uri| uri.path() == "/orders") { ORDER } else { "{}" };
        let answer = send(&api, request, body).await;
        assert!(answer.is(Kind::BrokerUnavailable), "{answer:?}");
        assert_eq!(answer.header("retry-after"), "1");
    }
}

#[tokio::test]
async fn a_cancellation_needs_no_body_and_then_no_media_type() {
    let api = api(&Registry::new());
    assert!(send(&api, request("POST", CANCEL), "").await.is(Kind::BrokerUnavailable));
    assert!(
        send(&api, request("POST", CANCEL).header("content-type", "text/plain"), "").await.is(Kind::BrokerUnavailable)
    );
    assert!(send(&api, request("POST", CANCEL), "{}").await.is(Kind::UnsupportedMediaType));
    assert!(send(&api, post(CANCEL), r#"{"reason": 7}"#).await.is(Kind::InvalidBody));
}

#[tokio::test]
async fn a_malformed_id_is_refused_whatever_is_wrong_with_it() {
    let api = api(&Registry::new());
    for id in ["", "1", "019379a2-7c5e-7d35-8f6e-3a1b9c0d2e4", "%30%31", "019379a27c5e7d358f6e3a1b9c0d2e4f", "%ff", "%"]
    {
        let answer = send(&api, post(&format!("/orders/{id}/cancel")), "{}").await;
        assert!(answer.is(Kind::MalformedOrderId), "{id:?}: {answer:?}");
    }
}

#[tokio::test]
async fn each_malformed_body_is_told_what_it_is() {
    let api = api(&Registry::new());
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    let bodies: [(&[u8], Kind); 9] = [
        (b"", Kind::MalformedBody),
        (b"{", Kind::MalformedBody),
        (b"\xff\xfe{}", Kind::MalformedBody),
        (deep.as_bytes(), Kind::MalformedBody),
        (b"{\"customer\": NaN}", Kind::MalformedBody),
        (b"[]", Kind::InvalidBody),
        (b"{}", Kind::InvalidBody),
        (b"{\"items\": [], \"extra\": 1}", Kind::InvalidBody),
        (&[b' '; contract::limits::MAX_BODY_BYTES + 1], Kind::BodyTooLarge),
    ];
    for (body, kind) in bodies {
        let answer = send(&api, post("/orders"), Bytes::copy_from_slice(body)).await;
        assert!(answer.is(kind), "{}: {answer:?}", String::from_utf8_lossy(&body[..body.len().min(50)]));
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert!(send(&api, request("POST", "/orders"), ORDER).await.is(Kind::UnsupportedMediaType));
    let twice = post("/orders").header("idempotency-key", "a").header("idempotency-key", "b");
    assert!(send(&api, twice, ORDER).await.is(Kind::MalformedIdempotencyKey));
}

#[tokio::test]
async fn all_faults_of_an_order_are_told_at_once_and_where_they_are() {
    let api = api(&Registry::new());
    let body = r#"{"customer": {"name": "Ada\r\n", "email": "ada"}, "currency": "EUR", "colour": "red",
                   "items": [{"sku": "T", "name": "Tea", "quantity": "2", "unit_price": -1}]}"#;
    let answer = send(&api, post("/orders"), body).await;
    assert!(answer.is(Kind::InvalidBody));
    let errors = answer.body["errors"].as_array().unwrap();
    let mut pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    let expected = ["/colour", "/customer/email", "/customer/name", "/items/0/quantity", "/items/0/unit_price"];
    assert_eq!(pointers, expected);
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let api = api(&Registry::new());
    let halves = ORDER.as_bytes().split_at(20);
    assert!(post_stream(&api, pieces(&[halves.0, b"", halves.1])).await.is(Kind::BrokerUnavailable));
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_and_its_rest_passes() {
    let api = api(&Registry::new());
    let piece = [b' '; 40_000];
    let answer = post_stream(&api, pieces(&[&piece, &piece, &piece])).await;
    assert!(answer.is(Kind::BodyTooLarge));
    assert_eq!(answer.header("connection"), "");
    // One that never ends is not waited for.
    let endless = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b' '; 64 * 1024]))));
    let answer = post_stream(&api, endless).await;
    assert!(answer.is(Kind::BodyTooLarge));
    assert_eq!(answer.header("connection"), "close");
}

#[tokio::test]
async fn a_body_announced_as_too_large_is_refused_before_it_comes() {
    let api = api(&Registry::new());
    for (name, value, length) in [("expect", "100-continue", "65537"), ("x-any", "", "999999999999")] {
        let request = post("/orders").header("content-length", length).header(name, value);
        let answer = send_body(&api, request.body(StreamBody::new(untouchable())).unwrap()).await;
        assert!(answer.is(Kind::BodyTooLarge));
        assert_eq!(answer.header("connection"), "close");
    }
}

/// A body that must not be asked for: asking would make hyper tell the client to go on.
fn untouchable() -> impl Stream<Item = io::Result<Frame<Bytes>>> {
    stream::poll_fn(|_| panic!("the body was asked for"))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_in_time_is_refused() {
    let api = api(&Registry::new());
    let answer = post_stream(&api, pieces(&[b"{"]).chain(stream::pending())).await;
    assert!(answer.is(Kind::SlowBody));
    assert_eq!(answer.header("connection"), "close");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let api = api(&Registry::new());
    let broken = pieces(&[b"{"]).chain(stream::iter([Err(io::Error::other("reset"))]));
    let answer = post_stream(&api, broken).await;
    assert!(answer.is(Kind::MalformedBody));
    assert_eq!(answer.header("connection"), "close");
}

#[tokio::test]
async fn after_a_body_that_was_read_to_its_end_the_connection_is_used_again() {
    let api = api(&Registry::new());
    for request in [post("/orders"), post("/orders").header("transfer-encoding", "chunked")] {
        let answer = send(&api, request, "{}").await;
        assert!(answer.is(Kind::InvalidBody));
        assert_eq!(answer.header("connection"), "");
    }
}

#[tokio::test]
async fn the_root_says_whether_orders_are_taken() {
    let api = api(&Registry::new());
    for method in ["GET", "HEAD"] {
        let answer = send(&api, request(method, "/"), "").await;
        assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
        assert_eq!(answer.body["state"], "connected");
    }
    let reason = Some("broker away".to_owned());
    let unready =
        Api { health: Box::new(move || Health { ready: false, state: "connecting", reason: reason.clone() }), ..api };
    let answer = send(&unready, request("GET", "/?elb"), "").await;
    assert!(answer.is(Kind::NotReady));
    assert_eq!(answer.body["detail"], "connecting: broker away");
}

#[tokio::test]
async fn bodies_that_never_end_make_room_for_one_that_does() {
    let api = api(&Registry::new());
    let half = vec![b' '; MAX_BODY_BYTES - 1];
    let endless = || Box::pin(post_stream(&api, pieces(&[&half[..1], &half[1..]]).chain(stream::pending())));
    let mut crowd: Vec<_> = (0..100).map(|_| endless()).collect();
    let mut context = Context::from_waker(Waker::noop());
    for each in &mut crowd {
        let _ = each.as_mut().poll(&mut context);
    }
    let halves = ORDER.as_bytes().split_at(20);
    assert!(post_stream(&api, pieces(&[halves.0, halves.1])).await.is(Kind::BrokerUnavailable));
    assert!(crowd.swap_remove(0).await.is(Kind::Overloaded), "it came first, and waits for its client");
}

fn shown(registry: &Registry) -> String {
    TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
}

fn count(registry: &Registry, method: &str, route: &str, status: &str) -> Option<u64> {
    let name = "http_server_request_duration_seconds_count";
    let series = format!(r#"{name}{{method="{method}",route="{route}",status="{status}"}} "#);
    shown(registry).lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
}

#[tokio::test]
async fn every_answer_that_an_operation_has_is_counted_from_zero() {
    let registry = Registry::new();
    let api = api(&registry);
    for status in ["202", "400", "408", "413", "415", "422", "499", "503"] {
        assert_eq!(count(&registry, "POST", "/orders", status), Some(0), "{status}");
    }
    for method in ["GET", "HEAD", "OPTIONS", "POST", "other"] {
        assert_eq!(count(&registry, method, "other", "404"), Some(0), "{method}");
    }
    assert_eq!(count(&registry, "GET", "/orders", "405"), Some(0));
    assert_eq!(count(&registry, "GET", "/openapi.json", "405"), None, "that one exists");
    send(&api, post("/orders"), ORDER).await;
    assert_eq!(count(&registry, "POST", "/orders", "503"), Some(1));
}

#[tokio::test]
async fn what_clients_invent_makes_no_series_of_its_own() {
    let registry = Registry::new();
    let api = api(&registry);
    for (method, path) in [("BREW", "/orders"), ("POST", "/pot"), ("BREW", "/pot"), ("BREW", "/tea")] {
        send(&api, request(method, path), "").await;
    }
    assert_eq!(count(&registry, "other", "/orders", "405"), Some(1));
    assert_eq!(count(&registry, "POST", "other", "404"), Some(1));
    assert_eq!(count(&registry, "other", "other", "404"), Some(2));
    assert!(!shown(&registry).contains("BREW") && !shown(&registry).contains("/pot"));
}

#[tokio::test]
async fn a_client_that_does_not_wait_is_counted_too() {
    let registry = Registry::new();
    let api = api(&registry);
    {
        let request = post("/orders").body(Full::from(ORDER)).unwrap();
        let mut answer = pin!(api.answer(request));
        assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(count(&registry, "POST", "/orders", "499"), Some(1));
}

/// Requests of all kinds. `None` stands for what hyper could not even read: it never gets here.
fn any_request() -> impl Strategy<Value = Option<Request<Full<Bytes>>>> {
    let method = prop_oneof![Just("POST".to_owned()), "[A-Z]{1,8}"];
    let path =
        prop_oneof![Just("/orders".to_owned()), Just(CANCEL.to_owned()), "/orders/[!-~]{0,40}/cancel", "/[!-~]{0,60}"];
    let name = prop_oneof![
        prop::sample::select(vec!["content-type", "idempotency-key", "traceparent", "expect", "content-length"])
            .prop_map(str::to_owned),
        "[a-z]{1,10}",
    ];
    let value = prop_oneof![Just(b"application/json".to_vec()), prop::collection::vec(any::<u8>(), 0..40)];
    let headers = prop::collection::vec((name, value), 0..6);
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[\\[{}\\]:,\"a-z0-9 ]{0,60}".prop_map(String::into_bytes),
    ];
    (method, path, headers, body).prop_map(|(method, path, headers, body)| {
        let start = request(&method, &path);
        let request = headers.into_iter().fold(start, |request, (name, value)| request.header(name, value));
        request.body(Full::from(body)).ok()
    })
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer_that_the_document_knows(request in any_request()) {
        let Some(request) = request else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async { send_body(&api(&Registry::new()), request).await });
    }
}
