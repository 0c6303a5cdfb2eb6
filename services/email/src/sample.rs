//! Orders for the tests of this crate.

use contract::{Email, NewOrder, Order, OrderEvent};
use proptest::prelude::*;
use serde_json::json;

/// An order of these items: name, quantity, price of one in cents.
pub(crate) fn order(name: &str, email: &str, items: &[(&str, u64, u64)]) -> Order {
    let item = |(name, quantity, unit_price): &(&str, u64, u64)| json!({"sku": "SKU-1", "name": name, "quantity": quantity, "unit_price": unit_price});
    let items: Vec<_> = items.iter().map(item).collect();
    let body = json!({"customer": {"name": name, "email": email}, "items": items}).to_string();
    let event = NewOrder::parse(body.as_bytes()).unwrap().place(None, "2026-01-01T00:00:00Z".parse().unwrap());
    let OrderEvent::Placed(order) = event.data else { panic!("placing gives a placed order") };
    order
}

pub(crate) fn tea_order() -> Order {
    order("Ada Lovelace", "ada@example.com", &[("Earl Grey", 2, 450)])
}

/// Any text that the contract takes as a name, with what is special in headers more often than chance has it.
pub(crate) fn any_name() -> impl Strategy<Value = String> {
    let special = "[ \"\\\\<>()@,;:=?._&'-]|=\\?utf-8\\?q\\?=0d=0aBcc:|[äßЖ漢🦀\u{202e}\u{2028}]";
    let piece = prop_oneof![special.prop_map(|c: String| c), "[a-zA-Z]{1,20}", "\\PC"];
    proptest::collection::vec(piece, 1..40)
        .prop_map(|pieces| pieces.concat().chars().filter(|c| !c.is_control()).take(200).collect())
        .prop_filter("a name is not empty", |name: &String| !name.is_empty())
}

/// An address as most people have one.
pub(crate) fn usual_email() -> impl Strategy<Value = Email> {
    email("[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}){0,2}")
}

/// An address whose local part is quoted, so that it can hold almost anything.
pub(crate) fn quoted_email() -> impl Strategy<Value = Email> {
    email("\"([!#-\\[\\]-~]|\\\\[!-~]){0,40}\"")
}

/// An address with what it may have beyond ASCII before its `@`.
pub(crate) fn email_beyond_ascii() -> impl Strategy<Value = Email> {
    email("[a-z.]{0,10}[\\PC--[ -~]]{1,10}").prop_filter("it is ASCII", |email| !email.is_ascii())
}

fn email(local: &'static str) -> impl Strategy<Value = Email> {
    let domain = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?){0,4}";
    (local, domain)
        .prop_filter_map("the contract refuses it", |(local, domain)| Email::parse(&format!("{local}@{domain}")).ok())
}
