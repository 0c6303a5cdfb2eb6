//! The test kit of `messaging` starts a broker for a test, and ends it.

use std::time::Duration;

use contract::OrderEvent;
use events::CloudEvent;
use journey::{Answer, Request, eventually};
use messaging::Client;
use messaging::testing::Broker;
use prometheus::Registry;
use tokio::net::TcpStream;
use tokio::time::Instant;

#[tokio::test]
async fn a_broker_of_the_test_kit_takes_events_and_ends_when_it_is_dropped() {
    let broker = Broker::start().await.unwrap();
    let client = Client::new(broker.endpoint("test"), &Registry::new()).unwrap();
    let publisher =
        client.publisher("order-exchange").required_queue("email-queue", [OrderEvent::PLACED]).start().unwrap();
    let text = CloudEvent::new("urn:test", OrderEvent::Text("hello".to_owned()));
    publisher.publish_by(text, Instant::now() + Duration::from_secs(60)).await.unwrap();
    let management = broker.management_url();
    let (_, port) = management.rsplit_once(':').unwrap();
    let page = || Request::get(port.parse().unwrap(), "/").try_send();
    let answers = |page: &Result<Answer, String>| page.as_ref().is_ok_and(|page| page.status.is_success());
    eventually("the management page answers", page, answers).await.unwrap();

    let url = broker.endpoint("test").url;
    drop(broker);
    let reach = || TcpStream::connect((url.host.as_str(), url.port));
    eventually("it has ended", reach, Result::is_err).await.unwrap_err();
}
