//! An order that ends the real process, at the moment in which it is mailed.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use contract::NewOrder;
use events::CONTENT_TYPE;
use jiff::Timestamp;
use journey::{Broker, eventually};
use lapin::BasicProperties;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::office::{DEAD, start};
use crate::consumer::stage::drained;

const KILLER: &str = "killer@example.com";

/// An SMTP server in a few words: it keeps whom each mail was for, and tells of the killer's in place of an answer.
struct Postbox {
    port: u16,
    mailed: Arc<Mutex<BTreeSet<String>>>,
    killings: Receiver<()>,
}

impl Postbox {
    async fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mailed, (killing, killings)) = (Arc::<Mutex<BTreeSet<String>>>::default(), channel());
        let kept = mailed.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, kept.clone(), killing.clone()));
            }
        });
        Self { port, mailed, killings }
    }

    fn mailed(&self) -> BTreeSet<String> {
        self.mailed.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, mailed: Arc<Mutex<BTreeSet<String>>>, killing: Sender<()>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 mail.test\r\n").await?;
    let mut recipient = String::new();
    while let Some(line) = lines.next_line().await? {
        let answer: &[u8] = match line.split([' ', ':']).next().unwrap_or_default() {
            "RCPT" if line.contains(KILLER) => {
                killing.send(()).expect("the test outlives its processes");
                std::future::pending().await
            }
            "RCPT" => {
                recipient = line;
                b"250 ok\r\n"
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                while lines.next_line().await?.is_some_and(|line| line != ".") {}
                mailed.lock().unwrap().insert(std::mem::take(&mut recipient));
                b"250 ok\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        writer.write_all(answer).await?;
    }
    Ok(())
}

/// Publishes 501 orders; the one in the middle is the killer.
async fn place_all(broker: &Broker) {
    broker.declare("email-queue", "order-exchange", &["order.placed"]).await;
    let client = broker.client().await;
    for number in 0..501 {
        let email = if number == 250 { KILLER.to_owned() } else { format!("customer-{number}@example.com") };
        let items = json!([{"sku": "TEA-1", "name": "Earl Grey", "quantity": 2, "unit_price": 450}]);
        let order = json!({"customer": {"name": "Ada", "email": email}, "items": items}).to_string();
        let event = NewOrder::parse(order.as_bytes()).unwrap().place(None, Timestamp::now()).encode();
        let properties = BasicProperties::default()
            .with_content_type(CONTENT_TYPE.into())
            .with_message_id(event.id.as_str().into())
            .with_delivery_mode(2);
        assert!(client.publish("order-exchange", event.event_type, properties, &event.body).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_among_five_hundred_that_kills_the_process_is_the_one_dead_letter_and_all_others_are_mailed() {
    let broker = Broker::shared().await;
    place_all(&broker).await;
    let postbox = Postbox::open().await;
    let url = format!("smtp://localhost:{}", postbox.port);
    let mut deaths = 0;
    let _survivor = loop {
        let mut email = start(&broker, &[("SMTP_URL", url.as_str())]).await;
        let look = || async { (postbox.killings.try_recv().is_ok(), broker.depth(DEAD).await == Some(1)) };
        let (dies, _) = eventually("it dies or sets aside", look, |(dies, set_aside)| *dies || *set_aside).await;
        if !dies {
            break email;
        }
        email.kill();
        deaths += 1;
        assert!(deaths < 20, "the killer is never found");
    };
    assert_eq!(deaths, 5, "as often as MAX_DELIVERIES says");
    eventually("all others are mailed", async || postbox.mailed().len(), |&count| count == 500).await;
    drained(&broker).await;
    let dead = broker.take(DEAD).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].json()["data"]["customer"]["email"], KILLER);
    assert_eq!(dead[0].header("warren-reason").as_deref(), Some("max-deliveries"));
}
