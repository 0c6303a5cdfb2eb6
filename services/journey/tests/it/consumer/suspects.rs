//! A message that ends the process is found, and it alone is set aside.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use journey::{Broker, Plan, eventually};
use messaging::ConsumerOptions;
use serde_json::json;

use super::stage::*;

/// A process in all that counts here: what it knows is gone with it, and its sockets close without a word.
struct Process(Option<tokio::runtime::Runtime>);

impl Process {
    fn start(broker: &Broker, actor: &Actor, options: ConsumerOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (broker, actor) = (broker.clone(), actor.clone());
        runtime.spawn(async move {
            let _running = Running::start(&broker, &actor, options);
            std::future::pending::<()>().await
        });
        Self(Some(runtime))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.take().expect("it is dropped once").shutdown_background();
    }
}

/// Sends a word and never ends if it is handed the killer.
fn mortal(deaths: Sender<()>) -> Actor {
    let deaths = Mutex::new(deaths);
    Actor::new(move |seen| {
        let kills = seen.text == "killer";
        if kills {
            deaths.lock().unwrap().send(()).unwrap();
        }
        async move { if kills { std::future::pending().await } else { Ok(()) } }
    })
}

/// Runs one process after another, until one of them outlives the killer.
async fn run_processes(
    broker: &Broker,
    actor: &Actor,
    deaths: Receiver<()>,
    options: &ConsumerOptions,
) -> (usize, Process) {
    let mut died = 0;
    loop {
        let process = Process::start(broker, actor, options.clone());
        let died_or_done = || async { (deaths.try_recv().is_ok(), broker.depth(DEAD).await.unwrap_or(0)) };
        let (dies, _) = eventually("it dies or sets aside", died_or_done, |(dies, dead)| *dies || *dead > 0).await;
        if !dies {
            return (died, process);
        }
        died += 1;
        drop(process);
        assert!(died < 20, "the killer is never found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_killer_among_five_hundred_ends_with_exactly_one_dead_letter() {
    let broker = Broker::shared().await;
    broker.declare(QUEUE, EXCHANGE, &[KEY]).await;
    let mut texts: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    texts.insert(250, "killer".to_owned());
    publish(&broker, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (sender, deaths) = channel();
    let actor = mortal(sender);
    let (died, _survivor) = run_processes(&broker, &actor, deaths, &quick()).await;
    drained(&broker).await;
    assert_eq!(died, 5, "as often as MAX_DELIVERIES says");
    let dead = broker.take(DEAD).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].json()["data"], "killer");
    assert_eq!(dead[0].header("warren-reason").as_deref(), Some("max-deliveries"));
    let mut handled = actor.texts();
    handled.sort();
    handled.dedup();
    assert_eq!(handled.len(), 501);
}

#[tokio::test]
async fn suspects_are_accused_of_nothing_while_no_process_ends() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    // Whatever is accused once is dead. Each of these was made while this process lived.
    let _consumer = Running::consuming_with(&broker, &actor, ConsumerOptions { max_deliveries: 3, ..quick() }).await;
    let good: Vec<String> = (0..1000).map(|number| format!("good-{number}")).collect();
    let suspects: Vec<String> = (0..200).map(|number| format!("suspect-{number}")).collect();
    // Those that are none widen the subscription, and each suspect that a wide one brings cancels it.
    let (good, suspects) = (texts(&good), texts(&suspects));
    tokio::join!(publish(&broker, &good), publish_suspects(&broker, &suspects));
    let all = good.len() + suspects.len();
    let ended = async || (actor.texts().into_iter().collect::<BTreeSet<_>>().len(), broker.depth(DEAD).await);
    let ended = eventually("all are handled", ended, |&(seen, dead)| seen == all || dead > Some(0)).await;
    assert_eq!(ended, (all, Some(0)));
    drained(&broker).await;
    assert_eq!(broker.depth(DEAD).await, Some(0), "one was handled and is dead all the same");
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_suspect_that_its_decoder_cannot_bear_is_a_dead_letter_and_ends_nothing() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    publish_suspects(&broker, &[UNREADABLE, "good"]).await;
    eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    drained(&broker).await;
    assert_eq!(actor.texts(), ["good"]);
    assert!(!consumer.has_ended());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_classic_queue_a_killer_is_handled_alone_and_never_set_aside() {
    let broker = Broker::shared().await;
    broker.put(&format!("vhosts/{}", broker.vhost()), &json!({"default_queue_type": "classic"})).await;
    broker.declare(QUEUE, EXCHANGE, &[KEY]).await;
    publish(&broker, &["before", "killer", "after"]).await;
    let (sender, deaths) = channel();
    let actor = mortal(sender);
    for _ in 0..7 {
        let process = Process::start(&broker, &actor, quick());
        eventually("it dies", async || deaths.try_recv().is_ok(), |dies| *dies).await;
        drop(process);
    }
    assert_eq!(broker.depth(DEAD).await, Some(0));
    eventually("it is in the queue", || broker.depth(QUEUE), |&depth| depth.is_some_and(|left| left > 0)).await;
    let texts = actor.texts();
    assert_eq!(texts.iter().filter(|text| *text == "killer").count(), 7);
    assert!(
        texts.iter().filter(|text| *text != "killer").count() <= 4,
        "from the second time on it is alone: {texts:?}"
    );
}

#[tokio::test]
async fn a_service_says_that_its_queue_is_classic_and_what_that_costs() {
    let broker = Broker::shared().await;
    broker.put(&format!("vhosts/{}", broker.vhost()), &json!({"default_queue_type": "classic"})).await;
    broker.declare(QUEUE, EXCHANGE, &[KEY]).await;
    let text = || lapin::BasicProperties::default().with_content_type("text/plain".into());
    for body in [b"a", b"b"] {
        assert!(broker.publish(EXCHANGE, KEY, text(), body).await);
    }
    // Once delivered and given back, they are redelivered from here on.
    assert_eq!(broker.peek(QUEUE).await.len(), 2);
    let mut email = Plan::on(&broker).launch("email");
    email.ready().await;
    eventually("both are mailed", async || email.logged("Sending email for: "), |mails| mails.len() == 2).await;
    let said = email.logged("classic queue: ");
    assert_eq!(said, ["it counts no deliveries, so a message that kills this process is never dead-lettered"]);
}
