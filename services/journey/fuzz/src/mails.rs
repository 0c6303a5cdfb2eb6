//! What mails are made of it.

use contract::{Email, Order};
use email::{About, Mail, Message, Sender};

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
pub(super) fn can_be_mailed(order: &Order, about: Option<About<'_>>) {
    is_a_mail(&Mail::Order(order), about);
}

/// A text for whoever reads such texts.
pub(super) fn can_be_forwarded(text: &str, about: Option<About<'_>>) {
    let to = Email::parse("ops@example.com").expect("it is an address");
    is_a_mail(&Mail::Text { text, to: Some(&to) }, about);
}

fn is_a_mail(mail: &Mail<'_>, about: Option<About<'_>>) {
    let line = mail.to_string();
    assert!(!line.contains(char::is_control), "it forges a line of the log");
    let from = "Warren <warren@shop.example>".parse().expect("it is an address");
    let message = Message::write(mail, &Sender { from, reply_to: None }, about).expect("it is for somebody");
    let text = &message.text;
    assert!(text.replace(message.mail_object().to, "").is_ascii(), "only an address may be in another script");
    // A server may take a lone CR or LF for a line's end: what follows could be a command.
    let alone = text.replace("\r\n", "").contains(['\r', '\n']);
    assert!(!alone, "lines end in CRLF");
    let (headers, _) = text.split_once("\r\n\r\n").expect("headers end");
    let known = |line: &str| HEADERS.iter().any(|header| line.starts_with(header));
    assert!(headers.split("\r\n").all(known), "{headers}");
}
