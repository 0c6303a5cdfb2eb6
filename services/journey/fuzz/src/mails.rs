//! What mails are made of it.

use contract::{Email, Order};
use email::{Letter, Mail};
use lettre::message::Mailbox;

/// The only headers of a mail.
const HEADERS: [&str; 10] = [
    "From: ",
    "To: ",
    "Subject: ",
    "Message-ID: ",
    "Auto-Submitted: ",
    "MIME-Version: ",
    "Content-Type: ",
    "Content-Transfer-Encoding: ",
    "Date: ",
    " ",
];

/// The confirmation of an order.
pub(super) fn can_be_mailed(order: &Order, id: Option<&str>) {
    is_a_mail(&Mail::Order(order), id);
}

/// A text for whoever reads such texts.
pub(super) fn can_be_forwarded(text: &str, id: Option<&str>) {
    let to = Email::parse("ops@example.com").expect("it is an address");
    is_a_mail(&Mail::Text { text, to: Some(&to) }, id);
}

fn is_a_mail(mail: &Mail<'_>, id: Option<&str>) {
    let line = mail.to_string();
    assert!(!line.contains(char::is_control), "it forges a line of the log");
    let from: Mailbox = "Warren <warren@shop.example>".parse().expect("it is an address");
    let letter = Letter::write(mail, &from, id).expect("it is for somebody");
    let message = letter.message;
    let to = letter.envelope.to()[0].to_string();
    assert!(message.replace(&to, "").is_ascii(), "only an address may be in another script");
    // A server may take a lone CR or LF for a line's end: what follows could be a command.
    let alone = message.replace("\r\n", "").contains(['\r', '\n']);
    assert!(!alone, "lines end in CRLF");
    let (headers, _) = message.split_once("\r\n\r\n").expect("headers end");
    let known = |line: &str| HEADERS.iter().any(|header| line.starts_with(header));
    assert!(headers.split("\r\n").all(known), "{headers}");
}
