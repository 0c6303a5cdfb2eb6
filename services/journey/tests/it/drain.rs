//! What becomes of orders when their service is told to stop.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey::{Broker, Plan, Process, Proxy, Request, an_order, eventually};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn order(plan: Plan) -> (Process, u16) {
    let mut order = plan.launch("order");
    order.ready().await;
    let port = order.http_port().await;
    (order, port)
}

/// Times that no machine is too slow for.
fn patient(plan: Plan) -> Plan {
    plan.order("PUBLISH_TIMEOUT", "50s").order("SHUTDOWN_TIMEOUT", "2m")
}

#[tokio::test]
async fn a_stopping_service_is_unready_and_still_accepts_until_a_second_signal_ends_it() {
    let broker = Broker::shared().await;
    let plan = Plan::on(&broker).order("DRAIN_DELAY", "10m").order("SHUTDOWN_TIMEOUT", "20m");
    let (mut order, port) = order(plan).await;
    order.terminate();
    eventually("it drains", || order.state(), |state| state == "draining").await;
    assert_eq!(order.ops("/readyz").await.status, 503);
    let answer = Request::post(port, "/orders", &an_order()).send().await;
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (202, "close"));
    assert_eq!(broker.depth("email-queue").await, Some(1));
    order.terminate();
    assert_eq!(order.exit_code().await, 130, "{}", order.log());
}

#[tokio::test]
async fn an_order_that_was_taken_in_is_answered_before_the_end() {
    let broker = Broker::shared().await;
    let proxy = Proxy::to(broker.port()).await;
    let plan = Plan::on(&broker).order("AMQP_URL", broker.url_through(proxy.port()));
    let (mut order, port) = order(patient(plan)).await;
    proxy.freeze();
    let waiting = tokio::spawn(Request::post(port, "/orders", &an_order()).send());
    eventually("the order waits", || order.metric("messaging_in_flight", &[]), |&count| count >= 1.0).await;
    order.terminate();
    let refused = || async { Request::get(port, "/openapi.json").try_send().await.is_err() };
    eventually("the port is closed", refused, |&refused| refused).await;
    assert!(order.is_running());
    proxy.pass();
    assert_eq!(waiting.await.unwrap().status, 202);
    assert_eq!(order.exit_code().await, 0, "{}", order.log());
}

#[tokio::test]
async fn a_service_stopped_under_load_answers_exactly_what_it_published() {
    let broker = Broker::shared().await;
    let (mut order, port) = order(patient(Plan::on(&broker)).order("DRAIN_DELAY", "1s")).await;
    static STOPPING: AtomicBool = AtomicBool::new(false);
    let customer = async || {
        let mut accepted = Vec::new();
        loop {
            let stopping = STOPPING.load(Ordering::SeqCst);
            match Request::post(port, "/orders", &an_order()).try_send().await {
                Ok(answer) if answer.status == 202 => accepted.push(answer.json()["id"].as_str().unwrap().to_owned()),
                // Refused, or not let in any more: who is let in is answered, or the queues would hold more than was accepted.
                Err(_) if stopping => return accepted,
                other => panic!("neither accepted nor turned away: {other:?}"),
            }
        }
    };
    let stop = async {
        eventually("there is load", || broker.depth("email-queue"), |&depth| depth > Some(100)).await;
        STOPPING.store(true, Ordering::SeqCst);
        order.terminate();
        order.exit_code().await
    };
    let (code, a, b, c, d) = tokio::join!(stop, customer(), customer(), customer(), customer());
    assert_eq!(code, 0, "{}", order.log());
    let accepted: BTreeSet<_> = [a, b, c, d].concat().into_iter().collect();
    for queue in ["email-queue", "analytics-queue"] {
        let messages = broker.take(queue).await;
        let held = messages.iter().map(|message| message.json()["subject"].as_str().unwrap().to_owned());
        assert_eq!(held.collect::<BTreeSet<_>>(), accepted, "{queue}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_does_not_hold_up_the_end() {
    let (mut order, port) = order(Plan::on(&Broker::shared().await)).await;
    let mut deaf = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: o\r\n\r\n".repeat(1000);
    // Once nothing more can be written, the service waits for its answers to be read.
    while let Ok(written) = timeout(Duration::from_secs(1), deaf.write_all(requests.as_bytes())).await {
        written.unwrap();
    }
    order.terminate();
    assert_eq!(order.exit_code().await, 0, "{}", order.log());
}
