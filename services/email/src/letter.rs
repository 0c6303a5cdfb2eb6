//! A mail in the form that SMTP carries: envelope, headers, and both bodies.

use contract::Email;
use lettre::{
    Address,
    address::Envelope,
    message::{
        Mailbox, Message, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use uuid::Uuid;

use crate::mail::Mail;

/// A message and whom it is handed over for.
#[derive(Debug)]
pub struct Letter {
    /// From whom and to whom, as the server is told.
    pub envelope: Envelope,
    /// Lines ended by CRLF; ASCII but for the recipient's address, whose local part may be in any script.
    pub message: String,
}

impl Letter {
    /// The letter that `from` writes about the event `id`; `None` if the mail is for nobody.
    ///
    /// The same event has the same `Message-ID` each time. Without an id nothing tells two messages apart: each
    /// gets one of its own, or a mail server would drop the second as a copy.
    pub fn write(mail: &Mail<'_>, from: &Mailbox, id: Option<&str>) -> Option<Self> {
        let (name, address) = mail.recipient()?;
        let address = self::address(address);
        let envelope = Envelope::new(Some(from.email.clone()), vec![address.clone()]).expect("one recipient");
        let message = Message::builder()
            .from(from.clone())
            .to(Mailbox::new(name.map(str::to_owned), address))
            .subject(mail.subject())
            .message_id(Some(message_id(id, from.email.domain())))
            .raw_header(automatic())
            .envelope(envelope.clone())
            .multipart(MultiPart::alternative_plain_html(mail.text(), mail.html()))
            .expect("a message with sender and recipient is complete");
        let message =
            String::from_utf8(message.formatted()).expect("addresses are UTF-8, and all else is encoded as ASCII");
        Some(Self { envelope, message })
    }
}

/// The address as lettre has it. lettre's own parser would refuse some that `contract` takes, as those with two dots in a row.
pub(crate) fn address(email: &Email) -> Address {
    let (local, domain) = email.parts();
    Address::new_dangerous(local, domain)
}

/// Keeps holiday notices from answering (RFC 3834).
fn automatic() -> HeaderValue {
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    HeaderValue::new(name, "auto-generated".to_owned())
}

fn message_id(id: Option<&str>, domain: &str) -> String {
    match id {
        Some(id) if is_atom(id) => format!("<{id}@{domain}>"),
        // An id is any text, a header is not.
        Some(id) => format!("<{}@{domain}>", Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes())),
        None => format!("<{}@{domain}>", Uuid::now_v7()),
    }
}

/// Whether it can stand as it is to the left of the `@`.
fn is_atom(id: &str) -> bool {
    (1..=100).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use mailparse::{MailAddr, MailHeaderMap, ParsedMail, addrparse_header, parse_mail};
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{any_name, email_beyond_ascii, order, quoted_email, tea_order, usual_email};

    fn from() -> Mailbox {
        "Warren <warren@shop.example>".parse().unwrap()
    }

    fn header(letter: &Letter, name: &str) -> String {
        parse_mail(letter.message.as_bytes()).unwrap().headers.get_first_value(name).unwrap()
    }

    fn body(mail: &ParsedMail<'_>, part: usize) -> String {
        mail.subparts[part].get_body().unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn the_same_event_has_the_same_message_id() {
        let order = tea_order();
        let id = |event| header(&Letter::write(&Mail::Order(&order), &from(), event).unwrap(), "Message-ID");
        assert_eq!(id(Some("019a-7")), "<019a-7@shop.example>");
        assert_eq!(id(Some("two words\r\nBcc: eve@example.com")), id(Some("two words\r\nBcc: eve@example.com")));
        assert_ne!(id(Some("two words")), id(Some("two other words")));
    }

    #[test]
    fn messages_without_an_id_are_not_taken_for_copies_of_each_other() {
        let to = Email::parse("ops@example.com").unwrap();
        let mail = Mail::Text { text: "NEW ORDER CREATED", to: Some(&to) };
        let id = || header(&Letter::write(&mail, &from(), None).unwrap(), "Message-ID");
        assert_ne!(id(), id());
    }

    #[test]
    fn a_letter_has_the_headers_of_an_automatic_mail() {
        let letter = Letter::write(&Mail::Order(&tea_order()), &from(), Some("1")).unwrap();
        assert_eq!(header(&letter, "From"), "Warren <warren@shop.example>");
        assert_eq!(header(&letter, "To"), "\"Ada Lovelace\" <ada@example.com>");
        assert_eq!(header(&letter, "Auto-Submitted"), "auto-generated");
        assert!(header(&letter, "Content-Type").starts_with("multipart/alternative;"));
        mailparse::dateparse(&header(&letter, "Date")).unwrap();
    }

    #[test]
    fn a_text_for_nobody_is_no_letter() {
        assert!(Letter::write(&Mail::Text { text: "NEW ORDER CREATED", to: None }, &from(), None).is_none());
    }

    const HEADERS: [&str; 8] =
        ["From", "To", "Subject", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Date"];

    fn any_email() -> impl Strategy<Value = Email> {
        let dots = Just(Email::parse("abc..def.@docomo.ne.jp").unwrap());
        prop_oneof![usual_email(), quoted_email(), email_beyond_ascii(), dots]
    }

    proptest! {
        #[test]
        fn every_valid_address_can_be_written_to(email in any_email()) {
            let order = order("Ada", email.as_str(), &[("Pot", 1, 1)]);
            let letter = Letter::write(&Mail::Order(&order), &from(), None).unwrap();
            prop_assert_eq!(letter.envelope.to()[0].to_string(), email.as_str());
            prop_assert_eq!(header(&letter, "To"), format!("Ada <{}>", email.as_str()));
        }

        #[test]
        fn no_valid_order_injects_a_header(
            name in any_name(),
            item in any_name(),
            email in prop_oneof![usual_email(), email_beyond_ascii()],
            id in proptest::option::of(".*"),
        ) {
            let order = order(&name, email.as_str(), &[(&item, 1, 1)]);
            let letter = Letter::write(&Mail::Order(&order), &from(), id.as_deref()).unwrap();
            let mail = parse_mail(letter.message.as_bytes()).unwrap();

            prop_assert!(letter.message.replace(email.as_str(), "").is_ascii());
            let mut found: Vec<String> = mail.headers.iter().map(|header| header.get_key()).collect();
            found.sort();
            let mut expected = HEADERS.map(str::to_owned);
            expected.sort();
            prop_assert_eq!(found, expected);
            let to = addrparse_header(mail.headers.get_first_header("To").unwrap()).unwrap();
            let [MailAddr::Single(to)] = &to[..] else { panic!("not one recipient: {to:?}") };
            prop_assert_eq!(&to.addr, email.as_str());
            prop_assert_eq!(mail.subparts.len(), 2);
            let line = format!("1 × {item}: 0.01 EUR");
            prop_assert!(body(&mail, 0).contains(&line));
        }
    }
}
