//! The hot paths, each with what it took when somebody last looked.

use std::hint::black_box;

use contract::{NewOrder, OrderEvent};
use email::{Mail, Message, Sender};
use events::{CONTENT_TYPE, CloudEvent, Encoded, Raw, decode};
use jiff::Timestamp;
use messaging::inside::{acknowledge_all, confirm_all, count_all, prepare_all, recognise_all};
use tokio::runtime::{Builder, Runtime};

/// Something that every order goes through.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// Does it so often.
    pub(crate) run: fn(usize),
    /// Instructions a time. Where it moves, the reason stands beside it.
    pub(crate) count: usize,
}

/// All of them, in the order of an order's way.
pub(crate) const PATHS: [Path; 9] = [
    Path { name: "validating a body", run: validate, count: 10_500 },
    // 620 fewer since the event's id and source are handed over and not copied.
    Path { name: "placing an order and encoding its event", run: encode, count: 9_480 },
    Path { name: "making an event's message, and counting it", run: prepare, count: 1_940 },
    // 1,480 fewer since the line is no tree, and one lane at a time is called; 570 more since the crate has a client, which is how the
    // compiler inlines it, as no step of this path was added.
    Path { name: "a message's place in line and its answer", run: confirm, count: 3_490 },
    Path { name: "decoding an event", run: read, count: 24_000 },
    Path { name: "recognising an event and its copy", run: recognise_all, count: 4_900 },
    Path { name: "writing a mail", run: write, count: 98_000 },
    // 40 of them since it is noted which were given back, and may wait for those before them.
    Path { name: "acknowledging a delivery", run: acknowledge_all, count: 410 },
    Path { name: "counting a delivery", run: count_all, count: 150 },
];

const BODY: &[u8] = br#"{"customer":{"name":"Ada Lovelace","email":"ada@example.com"},"currency":"EUR","items":[{"sku":"TEA-1","name":"Earl Grey","quantity":2,"unit_price":450}]}"#;

fn order() -> NewOrder {
    NewOrder::parse(BODY).expect("it is an order")
}

fn placed() -> CloudEvent<OrderEvent> {
    order().place(None, Timestamp::UNIX_EPOCH)
}

fn validate(times: usize) {
    for _ in 0..times {
        let _ = black_box(NewOrder::parse(black_box(BODY)));
    }
}

fn encode(times: usize) {
    let order = order();
    for _ in 0..times {
        black_box(black_box(&order).clone().place(None, Timestamp::UNIX_EPOCH).encode());
    }
}

fn read(times: usize) {
    let Encoded { id, event_type, body, .. } = placed().encode();
    let raw = Raw {
        content_type: Some(CONTENT_TYPE),
        routing_key: event_type,
        message_id: Some(&id),
        body: &body,
        ..Raw::default()
    };
    for _ in 0..times {
        let _ = black_box(decode::<OrderEvent>(black_box(&raw)));
    }
}

fn write(mails: usize) {
    let CloudEvent { id, data: OrderEvent::Placed(order), .. } = placed() else { unreachable!("it was placed") };
    let sender = Sender { from: "Warren <warren@shop.example>".parse().expect("it is a mailbox"), reply_to: None };
    for _ in 0..mails {
        black_box(Message::write(black_box(&Mail::Order(&order)), &sender, Some((Some(OrderEvent::SOURCE), &id))));
    }
}

fn prepare(events: usize) {
    // Nothing else runs in it meanwhile: nobody connects.
    runtime().block_on(async { prepare_all::<OrderEvent>(events) });
}

fn confirm(messages: usize) {
    runtime().block_on(confirm_all(messages));
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a thread can be a runtime")
}
