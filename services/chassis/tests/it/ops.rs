//! The ops pages over a real socket.

use chassis::{Env, Health, Ops, Process, Settings, Shutdown, Stop};

use crate::server::fetch;

async fn ops(health: impl Fn() -> Health + Send + Sync + 'static) -> (Process, Ops, Stop) {
    let settings = Settings::from_env(&mut Env::from_map([("OPS_ADDR", "127.0.0.1:0")]));
    let (stop, shutdown) = Shutdown::new(settings.shutdown_timeout);
    let process = Process::new("order", settings, shutdown);
    let server = process.serve_ops(health).await.unwrap();
    (process, server, stop)
}

fn paused() -> Health {
    Health { ready: false, state: "paused", reason: Some("connection \"refused\"".to_owned()) }
}

#[tokio::test]
async fn livez_answers_whatever_the_service_does() {
    let (_process, server, _stop) = ops(paused).await;
    assert!(fetch(server.address(), "GET /livez").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn readyz_shows_state_and_reason_as_they_are_now() {
    let (_process, server, stop) = ops(paused).await;
    let answer = fetch(server.address(), "GET /readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"ready":false,"state":"paused","reason":"connection \"refused\""}"#), "{answer}");
    stop.now();
    let answer = fetch(server.address(), "GET /readyz").await;
    assert!(answer.ends_with(r#"{"ready":false,"state":"draining","reason":null}"#), "{answer}");
}

#[tokio::test]
async fn readyz_is_200_while_the_service_is_ready() {
    let (_process, server, _stop) = ops(|| Health { ready: true, state: "consuming", reason: None }).await;
    let answer = fetch(server.address(), "GET /readyz?verbose").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""state":"consuming""#), "{answer}");
}

#[tokio::test]
async fn metrics_show_the_process_the_build_and_what_the_service_registers() {
    let (process, server, _stop) = ops(paused).await;
    let counter = prometheus::IntCounter::new("orders_total", "Orders.").unwrap();
    process.registry().register(Box::new(counter)).unwrap();
    let answer = fetch(server.address(), "GET /metrics").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4\r\n"), "{answer}");
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        "orders_total 0\n".to_owned(),
        format!("warren_build_info{{revision=\"\",service=\"order\",version=\"{version}\"}} 1\n"),
        "# TYPE process_resident_memory_bytes gauge\n".to_owned(),
        "# TYPE process_threads gauge\n".to_owned(),
    ] {
        assert!(answer.contains(&line), "{line} is not in {answer}");
    }
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let (_process, server, _stop) = ops(paused).await;
    let answer = fetch(server.address(), "HEAD /readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(answer.contains("content-length: 66\r\n"), "{answer}");
}

#[tokio::test]
async fn other_methods_and_other_paths_are_refused_as_such() {
    let (_process, server, _stop) = ops(paused).await;
    let answer = fetch(server.address(), "POST /metrics").await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    for path in ["/", "/healthz", "/metrics/"] {
        assert!(fetch(server.address(), &format!("GET {path}")).await.starts_with("HTTP/1.1 404 "), "{path}");
    }
}
