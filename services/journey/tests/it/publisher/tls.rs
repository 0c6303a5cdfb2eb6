//! Encrypted connections, and the certificates that are refused.

use journey::{Authority, Folder, Options};

use super::*;

/// A publisher of a TLS broker, with its metrics; it trusts this authority only.
fn trusting(url: &str, authority: &Authority, folder: &Folder) -> (Publisher<OrderEvent>, Registry) {
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let registry = Registry::new();
    let endpoint = Endpoint { ca_file: Some(ca_file), ..endpoint(url) };
    let publisher = start_to(endpoint, EXCHANGE, required("email-queue"), &registry).unwrap();
    (publisher, registry)
}

async fn refusal(publisher: &Publisher<OrderEvent>) -> String {
    let away = until(publisher, "refused", |state| state.reason().is_some()).await;
    let second = Duration::from_secs(1);
    assert_eq!(publish_within(publisher, event(PLACED), second).await, Err(PublishError::Unavailable));
    away.reason().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_certificate_works_and_its_end_is_a_metric() {
    let authority = Authority::new("good");
    let broker = Broker::with(Options::new().tls(&authority.certify(&["localhost"]))).await;
    let folder = Folder::fresh();
    let (publisher, registry) = trusting(&broker.tls_url("localhost"), &authority, &folder);
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
    let families = registry.gather();
    let not_after = families.iter().find(|family| family.name().ends_with("certificate_not_after_seconds")).unwrap();
    assert_eq!(not_after.get_metric()[0].get_gauge().get_value(), 3_786_912_000.0, "the year 2090");

    // The same certificate is none of this name's, and of no use to who trusts somebody else.
    let folder = Folder::fresh();
    let (publisher, _) = trusting(&broker.tls_url("127.0.0.1"), &authority, &folder);
    assert!(refusal(&publisher).await.contains("certificate is not for \"127.0.0.1\""));
    let (publisher, _) = trusting(&broker.tls_url("localhost"), &Authority::new("other"), &folder);
    assert!(refusal(&publisher).await.contains("unknown authority"));
    let system = start(endpoint(&broker.tls_url("localhost")), PublisherOptions::default());
    assert!(refusal(&system).await.contains("TLS with broker localhost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new("late");
    let broker = Broker::with(Options::new().tls(&authority.certify_expired(&["localhost"]))).await;
    let folder = Folder::fresh();
    let (publisher, _) = trusting(&broker.tls_url("localhost"), &authority, &folder);
    assert!(refusal(&publisher).await.contains("has expired"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_in_plain_to_a_broker_without_tls() {
    let broker = Broker::shared().await;
    let authority = Authority::new("none");
    let folder = Folder::fresh();
    let url = broker.url().replace("amqp://", "amqps://");
    let (publisher, _) = trusting(&url, &authority, &folder);
    let reason = refusal(&publisher).await;
    assert!(reason.contains("TLS with broker"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_file_that_is_no_use_is_named() {
    let broker = Broker::shared().await;
    let folder = Folder::fresh();
    let url = broker.url().replace("amqp://", "amqps://");
    for (text, why) in [(None, "No such file"), (Some("no certificate"), "there is no certificate in it")] {
        let ca_file = folder.path().join("ca.pem");
        if let Some(text) = text {
            std::fs::write(&ca_file, text).unwrap();
        }
        let endpoint = Endpoint { ca_file: Some(ca_file), ..endpoint(&url) };
        let reason = refusal(&start(endpoint, PublisherOptions::default())).await;
        assert!(reason.contains("ca.pem") && reason.contains(why), "{reason}");
    }
}
