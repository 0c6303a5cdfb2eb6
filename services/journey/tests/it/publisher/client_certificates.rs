//! Clients that show a certificate, and log in as the user of the certificate.

use std::path::Path;

use chassis::Env;
use journey::{Authority, Folder, Identity, Options};
use messaging::{ClientCertificate, ConsumerOptions, Failure, Handler, Received, Subscription};

use super::*;

/// A broker that takes connections over TLS only with a certificate of its authority.
async fn strict(authority: &Authority) -> Broker {
    Broker::with(Options::new().tls(&authority.certify(&["localhost"])).asks_for_certificates()).await
}

fn write(folder: &Folder, identity: &Identity) -> ClientCertificate {
    ClientCertificate {
        certificate: folder.file("tls.crt", &identity.certificate),
        key: folder.file("tls.key", &identity.key),
    }
}

/// An endpoint that trusts the authority and shows this certificate. Its URL names no user.
fn showing(broker: &Broker, authority: &Authority, folder: &Folder, shown: Option<&Identity>) -> Endpoint {
    let url = broker.tls_url("localhost").replace("guest:guest@", "");
    Endpoint {
        ca_file: Some(folder.file("ca.crt", authority.pem())),
        client_certificate: shown.map(|identity| write(folder, identity)),
        ..endpoint(&url)
    }
}

async fn refused(publisher: &Publisher<OrderEvent>, why: &str) -> State {
    until(publisher, why, |state| state.reason().is_some_and(|reason| reason.contains(why))).await
}

/// Fails every event, so that copies of it go to delay queues and then to the dead queue.
struct Failing;

impl Handler for Failing {
    type Event = OrderEvent;

    async fn handle(&self, _: &Received<OrderEvent>) -> Result<(), Failure> {
        Err(Failure::later("it never works"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_the_user_of_its_certificate_and_a_renewed_one_needs_no_restart() {
    let authority = Authority::new("clients");
    let (broker, folder) = (strict(&authority).await, Folder::fresh());
    let stranger = showing(&broker, &authority, &folder, Some(&authority.certify_client("stranger")));
    let publisher = start(stranger, required("email-queue"));
    let state = refused(&publisher, "refused user \"CN=stranger\"").await;
    assert_eq!(state.name(), "access-refused");

    write(&folder, &authority.certify_client("order"));
    until(&publisher, "connected", |state| *state == State::Connected).await;
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
    let connections = || broker.management("connections");
    let logged_in = |seen: &serde_json::Value| {
        let all = seen.as_array().unwrap();
        all.iter().any(|one| (&one["user"], &one["auth_mechanism"]) == (&"order".into(), &"EXTERNAL".into()))
    };
    eventually("the broker shows its user", connections, logged_in).await;
}

/// Copies carry the user's name, which neither the URL nor the client knows, and are recognised by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_counts_the_attempts_of_its_copies_although_its_url_names_no_user() {
    let authority = Authority::new("clients");
    let (broker, folder) = (strict(&authority).await, Folder::fresh());
    let endpoint = showing(&broker, &authority, &folder, Some(&authority.certify_client("email")));
    let client = Client::new(endpoint, &Registry::new()).unwrap();
    let subscription = Subscription::queue("email-queue").bound_to(EXCHANGE, [PLACED]);
    let options = ConsumerOptions { retry_delays: vec![Duration::from_millis(50)], ..ConsumerOptions::default() };
    let consumer = client.consumer(subscription, Failing).options(options).build().unwrap();
    let running = tokio::spawn(consumer.run(std::future::pending(), Duration::from_secs(1)));
    eventually("it consumes", || broker.consumers("email-queue"), |&consumers| consumers == Some(1)).await;

    let text = lapin::BasicProperties::default().with_content_type("text/plain".into());
    assert!(broker.publish(EXCHANGE, PLACED, text, b"hello").await);
    eventually("it is dead", || broker.depth("email-queue.dead"), |&depth| depth == Some(1)).await;
    let letter = broker.take("email-queue.dead").await.remove(0);
    assert_eq!(letter.header("warren-attempts").as_deref(), Some("2"));
    assert_eq!(letter.header("warren-reason").as_deref(), Some("attempts"));
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_in_the_url_logs_in_by_password_and_shows_the_certificate_that_the_broker_asks_for() {
    let authority = Authority::new("clients");
    let (broker, folder) = (strict(&authority).await, Folder::fresh());
    let with_user = |shown: Option<&Identity>| {
        let endpoint = showing(&broker, &authority, &folder, shown);
        Endpoint { url: broker.tls_url("localhost").parse().unwrap(), ..endpoint }
    };
    let publisher = start(with_user(Some(&authority.certify_client("nobody"))), required("email-queue"));
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));

    let others = Authority::new("others").certify_client("order");
    let refusals = [
        (None, "asks for a certificate of this client"),
        (Some(others), "from an authority that it does not trust"),
        (Some(authority.certify_expired_client("order")), "has expired"),
    ];
    for (shown, why) in refusals {
        let publisher = start(with_user(shown.as_ref()), PublisherOptions::default());
        refused(&publisher, why).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_takes_no_login_by_certificate_is_told_apart() {
    let authority = Authority::new("clients");
    let broker = Broker::with(Options::new().tls(&authority.certify(&["localhost"]))).await;
    let folder = Folder::fresh();
    let shown = authority.certify_client("order");
    let publisher = start(showing(&broker, &authority, &folder, Some(&shown)), PublisherOptions::default());
    let state = refused(&publisher, "enable its plugin rabbitmq_auth_mechanism_ssl").await;
    assert_eq!(state.name(), "access-refused");
}

/// Each thing that may be wrong with the files: the certificate's text, the key's, and what is said of it.
fn useless() -> Vec<(Option<String>, Option<String>, &'static str, &'static str)> {
    let authority = Authority::new("clients");
    let (one, other) = (authority.certify_client("one"), authority.certify_client("other"));
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned();
    let malformed = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n".to_owned();
    let no_certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned();
    let (certificate, key) = (|| Some(one.certificate.clone()), || Some(one.key.clone()));
    vec![
        (None, key(), "tls.crt", "No such file"),
        (key(), key(), "tls.crt", "there is no certificate in it"),
        (Some(no_certificate), key(), "tls.crt", "one of its certificates is malformed"),
        (certificate(), None, "tls.key", "No such file"),
        (certificate(), certificate(), "tls.key", "there is no private key in it"),
        (certificate(), Some(encrypted), "tls.key", "its private key has a passphrase"),
        (certificate(), Some(malformed), "tls.key", "its private key is none of RSA"),
        (certificate(), Some(other.key), "tls.key", "it is not the key of the certificate in"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_the_files_is_told_with_the_files_name() {
    let (broker, authority) = (Broker::shared().await, Authority::new("clients"));
    for (certificate, key, file, why) in useless() {
        let folder = Folder::fresh();
        let place = |name: &str, text: Option<String>| match text {
            Some(text) => folder.file(name, text),
            None => folder.path().join(name),
        };
        let files = ClientCertificate { certificate: place("tls.crt", certificate), key: place("tls.key", key) };
        let url = broker.url().replace("amqp://guest:guest@", "amqps://");
        let ca_file = Some(folder.file("ca.crt", authority.pem()));
        let endpoint = Endpoint { ca_file, client_certificate: Some(files), ..endpoint(&url) };
        let publisher = start(endpoint, PublisherOptions::default());
        let state = until(&publisher, why, |state| state.reason().is_some()).await;
        let reason = state.reason().unwrap();
        assert!(reason.contains(file) && reason.contains(why), "{reason}");
    }
}

/// The faults of these variables, by name.
fn faults(variables: &[(&'static str, &Path)], url: &str) -> Vec<String> {
    let files = variables.iter().map(|(name, path)| (*name, path.to_str().unwrap()));
    let mut env = Env::from_map(files.chain([("AMQP_URL", url)]));
    Endpoint::from_env(&mut env);
    env.faults().iter().map(ToString::to_string).collect()
}

#[test]
fn half_a_certificate_or_one_without_tls_is_a_fault_before_anything_starts() {
    let (authority, folder) = (Authority::new("clients"), Folder::fresh());
    let ClientCertificate { certificate, key } = write(&folder, &authority.certify_client("one"));
    let other = folder.file("other.key", authority.certify_client("other").key);
    let (cert, key, other) = (("AMQP_CERT_FILE", &*certificate), ("AMQP_KEY_FILE", &*key), ("AMQP_KEY_FILE", &*other));
    let nowhere = ("AMQP_KEY_FILE", Path::new("/nowhere/tls.key"));
    assert_eq!(faults(&[cert, key], "amqps://h"), [""; 0]);
    assert_eq!(faults(&[cert, key], "amqps://u:p@h"), [""; 0]);
    for (variables, url, told) in [
        (&[cert][..], "amqps://h", "expected AMQP_KEY_FILE beside it"),
        (&[key], "amqps://h", "expected AMQP_CERT_FILE beside it"),
        (&[cert, key], "amqp://h", "expected an AMQP_URL that begins with amqps://"),
        (&[cert, other], "amqps://h", "expected the private key of the first certificate in AMQP_CERT_FILE"),
        (&[cert, nowhere], "amqps://h", "No such file"),
        (&[cert, key], "nonsense", "must begin with amqp:// or amqps://"),
    ] {
        let faults = faults(variables, url);
        let [fault] = &faults[..] else { panic!("{faults:?}") };
        assert!(fault.contains(told), "{fault}");
    }
}
