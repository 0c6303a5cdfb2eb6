//! A handler that publishes what follows from the event it heard: the example of `messaging`, on a real broker.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use events::CloudEvent;
use journey::{Broker, Message, eventually};
use lapin::types::{AMQPValue, FieldTable};
use messaging::{ConsumerOptions, Endpoint};
use opentelemetry::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use tokio::task::JoinHandle;
use tracing_subscriber::layer::SubscriberExt;

use super::stage::{EXCHANGE, KEY, properties, quick};

#[path = "../../../../messaging/examples/hear_then_speak.rs"]
#[allow(dead_code, reason = "nothing here calls its main")]
mod example;

const HEARD: &str = "packing-queue";
const SPOKEN: &str = "parcel-queue";

/// The example while it runs.
struct Packing(JoinHandle<()>);

impl Packing {
    async fn start(broker: &Broker, options: ConsumerOptions) -> Self {
        let endpoint = Endpoint::new(broker.url().parse().unwrap(), "packing");
        let run = async move { example::run(endpoint, options, pending()).await.expect("it can run") };
        let running = Self(tokio::spawn(run));
        // It is declared last.
        let dead = format!("{HEARD}.dead");
        eventually("its queue is bound", || broker.depth(&dead), Option::is_some).await;
        running
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Publishes the event of this id, that an order of two items was placed.
async fn place(broker: &Broker, id: &str, traceparent: Option<&str>) {
    let items = [2, 3].map(|quantity| example::Item { quantity }).into();
    let order = example::OrderPlaced { id: "o-1".to_owned(), items };
    let (id, correlation_id) = (id.to_owned(), Some("c-1".to_owned()));
    let event = CloudEvent { id: id.clone(), correlation_id, ..CloudEvent::new("urn:warren:order", order) };
    let mut headers = FieldTable::default();
    if let Some(parent) = traceparent {
        headers.insert("traceparent".into(), AMQPValue::LongString(parent.into()));
    }
    let (properties, body) = (properties(&id).with_headers(headers), event.encode().body);
    assert!(broker.publish(EXCHANGE, KEY, properties, &body).await, "{id} was routed");
}

async fn parcels(broker: &Broker, number: u32) -> Vec<Message> {
    eventually("they are requested", || broker.depth(SPOKEN), |&depth| depth == Some(number)).await;
    broker.take(SPOKEN).await
}

#[tokio::test]
async fn an_event_that_comes_twice_is_followed_twice_by_the_same_event() {
    let broker = Broker::shared().await;
    broker.declare(SPOKEN, "parcel-exchange", &["parcel.requested"]).await;
    // It remembers nothing, as two processes know nothing of each other.
    let _packing = Packing::start(&broker, ConsumerOptions { dedupe_capacity: 0, ..quick() }).await;
    for id in ["019-1", "019-1", "019-2"] {
        place(&broker, id, None).await;
    }
    let parcels: Vec<_> = parcels(&broker, 3).await.iter().map(Message::json).collect();
    let caused_by = |id: &str| parcels.iter().filter(|parcel| parcel["causationid"] == id).collect::<Vec<_>>();
    let ([first, again], [other]) = (&caused_by("019-1")[..], &caused_by("019-2")[..]) else { panic!("{parcels:?}") };
    assert_eq!(first["id"], again["id"]);
    assert_ne!(first["id"], other["id"]);
    for (name, value) in
        [("source", "urn:packing"), ("type", "parcel.requested"), ("subject", "o-1"), ("correlationid", "c-1")]
    {
        assert_eq!(first[name], value, "{first}");
    }
    assert_eq!(first["data"]["pieces"], 5, "{first}");
}

#[tokio::test]
async fn an_event_whose_follow_up_reaches_nobody_is_not_acknowledged_as_handled() {
    let broker = Broker::shared().await;
    let _packing = Packing::start(&broker, quick()).await;
    place(&broker, "019-1", None).await;
    let dead = format!("{HEARD}.dead");
    eventually("its attempts are used up", || broker.depth(&dead), |&depth| depth == Some(1)).await;
    let letter = broker.take(&dead).await.remove(0);
    assert_eq!(letter.header("warren-reason").as_deref(), Some("attempts"));
    let error = "a follow-up event failed: parcel.requested was not published to exchange \"parcel-exchange\": \
                 no queue is bound to the routing key";
    assert_eq!(letter.header("warren-error").as_deref(), Some(error));
}

/// The spans that have ended.
#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Spans {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Spans {
    async fn named(&self, name: &str) -> SpanData {
        let find = async || self.0.lock().unwrap().iter().find(|span| span.name == name).cloned();
        eventually(name, find, Option::is_some).await.expect("it was found")
    }
}

/// All in one thread, whose subscriber sees the spans.
#[tokio::test]
async fn a_follow_up_continues_the_trace_of_the_event_heard() {
    let spans = Spans::default();
    let provider = SdkTracerProvider::builder().with_span_processor(spans.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    // While there is one dispatcher alone, tracing asks it only in the thread that comes to a span first. That may be
    // another test's, which has none, and then nobody sees the span.
    let _other = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let broker = Broker::shared().await;
    broker.declare(SPOKEN, "parcel-exchange", &["parcel.requested"]).await;
    let _packing = Packing::start(&broker, quick()).await;
    place(&broker, "019-1", Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")).await;
    let parcel = parcels(&broker, 1).await.remove(0);

    let (process, send) = (spans.named("process packing-queue").await, spans.named("send parcel-exchange").await);
    assert_eq!(process.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(process.parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(send.span_context.trace_id(), process.span_context.trace_id());
    assert_eq!(send.parent_span_id, process.span_context.span_id());
    let parent = format!("00-{}-{}-01", send.span_context.trace_id(), send.span_context.span_id());
    assert_eq!(parcel.header("traceparent"), Some(parent));
}
