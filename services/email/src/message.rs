//! Makes a mail in the form that SMTP carries: envelope, headers, and both bodies.

use contract::{Email, OrderEvent};
use lettre::{
    Address,
    address::Envelope,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use uuid::Uuid;

use crate::{mail::Mail, smtp::MailObject};

/// The sender of the mails.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The sender.
    pub from: Mailbox,
    /// The address for replies; `None` is the sender's.
    pub reply_to: Option<Mailbox>,
}

/// The event that a mail is about: its source, if known, and its id.
pub type About<'a> = (Option<&'a str>, &'a str);

/// A message and its envelope.
#[derive(Debug)]
pub struct Message {
    from: Address,
    to: Address,
    /// The message, with lines that end in CRLF. It is ASCII, except the recipient's address, whose local part may be
    /// in any script.
    pub text: String,
}

impl Message {
    /// Makes the message about an event; `None` if the mail has no recipient.
    ///
    /// The same event has the same `Message-ID` each time. Without an id nothing tells two messages apart, so each
    /// gets a `Message-ID` of its own. Otherwise a mail server would drop the second as a copy.
    pub fn write(mail: &Mail<'_>, sender: &Sender, about: Option<About<'_>>) -> Option<Self> {
        let (name, email) = mail.recipient()?;
        let (from, to) = (sender.from.email.clone(), address(email));
        let envelope = Envelope::new(Some(from.clone()), vec![to.clone()]).expect("one recipient");
        let message = lettre::Message::builder()
            .from(sender.from.clone())
            .to(Mailbox::new(name.map(str::to_owned), to.clone()))
            .subject(mail.subject())
            .message_id(Some(message_id(about, from.domain())))
            .raw_header(automatic())
            .envelope(envelope);
        let message = match &sender.reply_to {
            Some(reply_to) => message.reply_to(reply_to.clone()),
            None => message,
        };
        let message = message
            .multipart(MultiPart::alternative_plain_html(mail.text(), mail.html()))
            .expect("a message with sender and recipient is complete");
        let text =
            String::from_utf8(message.formatted()).expect("addresses are UTF-8, and all else is encoded as ASCII");
        Some(Self { from, to, text })
    }

    /// What the client hands to the server.
    pub fn mail_object(&self) -> MailObject<'_> {
        MailObject { from: self.from.as_ref(), to: self.to.as_ref(), message: &self.text }
    }
}

/// An address in the form of SMTP and headers. lettre's own parser would refuse some of these. A local part that is
/// not a dot-atom, as some old mailboxes have (`a..b`), is quoted, which means the same (RFC 5321, 4.1.2).
pub(crate) fn address(email: &Email) -> Address {
    let (local, domain) = email.parts();
    let quoted = local.starts_with('"');
    match quoted || local.split('.').all(|atom| !atom.is_empty()) {
        true => Address::new_dangerous(local, domain),
        false => Address::new_dangerous(format!("\"{local}\""), domain),
    }
}

/// Keeps automatic replies from answering (RFC 3834).
fn automatic() -> HeaderValue {
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    HeaderValue::new(name, "auto-generated".to_owned())
}

/// Made of the source and the id, which identify an event. For `order`'s own events it contains the id as it is.
fn message_id(about: Option<About<'_>>, domain: &str) -> String {
    match about {
        Some((Some(OrderEvent::SOURCE), id)) if is_atom(id) => format!("<{id}@{domain}>"),
        // An id may be any text, a header may not, and two sources may use the same id.
        Some((source, id)) => {
            let name = [source.unwrap_or_default().as_bytes(), id.as_bytes()].join(&b'\n');
            format!("<{}@{domain}>", Uuid::new_v5(&Uuid::NAMESPACE_OID, &name))
        }
        None => format!("<{}@{domain}>", Uuid::now_v7()),
    }
}

/// Whether it may stand in front of the `@` unquoted.
fn is_atom(id: &str) -> bool {
    (1..=100).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use mailparse::{MailAddr, MailHeaderMap, ParsedMail, addrparse_header, parse_mail};
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{any_name, email_beyond_ascii, order, quoted_email, tea_order, usual_email};

    const OURS: Option<&str> = Some(OrderEvent::SOURCE);

    fn sender() -> Sender {
        Sender { from: "Warren <warren@shop.example>".parse().unwrap(), reply_to: None }
    }

    fn header(message: &Message, name: &str) -> String {
        parse_mail(message.text.as_bytes()).unwrap().headers.get_first_value(name).unwrap()
    }

    fn body(mail: &ParsedMail<'_>, part: usize) -> String {
        mail.subparts[part].get_body().unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn the_same_event_has_the_same_message_id() {
        let order = tea_order();
        let id = |about| header(&Message::write(&Mail::Order(&order), &sender(), Some(about)).unwrap(), "Message-ID");
        assert_eq!(id((OURS, "019a-7")), "<019a-7@shop.example>");
        assert_eq!(id((OURS, "two words\r\nBcc: eve@example.com")), id((OURS, "two words\r\nBcc: eve@example.com")));
        assert_ne!(id((OURS, "two words")), id((OURS, "two other words")));
    }

    #[test]
    fn events_of_two_sources_with_one_id_are_two_messages() {
        let order = tea_order();
        let id = |source| {
            header(&Message::write(&Mail::Order(&order), &sender(), Some((source, "7"))).unwrap(), "Message-ID")
        };
        let ids: std::collections::BTreeSet<_> = [OURS, Some("urn:theirs"), Some("urn:others"), None].map(id).into();
        assert_eq!(ids.len(), 4, "{ids:?}");
        assert_eq!(id(Some("urn:theirs")), id(Some("urn:theirs")));
    }

    #[test]
    fn answers_go_to_whom_the_sender_names() {
        let sender = Sender { reply_to: Some("Help <help@shop.example>".parse().unwrap()), ..sender() };
        let message = Message::write(&Mail::Order(&tea_order()), &sender, None).unwrap();
        assert_eq!(header(&message, "Reply-To"), "Help <help@shop.example>");
    }

    #[test]
    fn messages_without_an_id_are_not_taken_for_copies_of_each_other() {
        let to = Email::parse("ops@example.com").unwrap();
        let mail = Mail::Text { text: "NEW ORDER CREATED", to: Some(&to) };
        let id = || header(&Message::write(&mail, &sender(), None).unwrap(), "Message-ID");
        assert_ne!(id(), id());
    }

    #[test]
    fn a_message_has_the_headers_of_an_automatic_mail() {
        let message = Message::write(&Mail::Order(&tea_order()), &sender(), Some((OURS, "1"))).unwrap();
        assert_eq!(header(&message, "From"), "Warren <warren@shop.example>");
        assert_eq!(header(&message, "To"), "\"Ada Lovelace\" <ada@example.com>");
        assert_eq!(header(&message, "Auto-Submitted"), "auto-generated");
        assert!(header(&message, "Content-Type").starts_with("multipart/alternative;"));
        mailparse::dateparse(&header(&message, "Date")).unwrap();
    }

    #[test]
    fn a_text_for_nobody_is_no_message() {
        assert!(Message::write(&Mail::Text { text: "NEW ORDER CREATED", to: None }, &sender(), None).is_none());
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
            let message = Message::write(&Mail::Order(&order), &sender(), None).unwrap();
            let address = address(&email).to_string();
            let (local, domain) = email.parts();
            prop_assert!(address == email.as_str() || address == format!("\"{local}\"@{domain}"), "{address}");
            prop_assert_eq!(message.mail_object().to, &address);
            prop_assert_eq!(header(&message, "To"), format!("Ada <{address}>"));
        }

        #[test]
        fn no_valid_order_injects_a_header(
            name in any_name(),
            item in any_name(),
            email in prop_oneof![usual_email(), email_beyond_ascii()],
            id in proptest::option::of(".*"),
        ) {
            let order = order(&name, email.as_str(), &[(&item, 1, 1)]);
            let message = Message::write(&Mail::Order(&order), &sender(), id.as_deref().map(|id| (OURS, id))).unwrap();
            let mail = parse_mail(message.text.as_bytes()).unwrap();

            prop_assert!(message.text.replace(message.mail_object().to, "").is_ascii());
            let mut found: Vec<String> = mail.headers.iter().map(|header| header.get_key()).collect();
            found.sort();
            let mut expected = HEADERS.map(str::to_owned);
            expected.sort();
            prop_assert_eq!(found, expected);
            let to = addrparse_header(mail.headers.get_first_header("To").unwrap()).unwrap();
            let [MailAddr::Single(to)] = &to[..] else { panic!("not one recipient: {to:?}") };
            prop_assert!(to.addr == email.as_str() || to.addr == message.mail_object().to, "{}", to.addr);
            prop_assert_eq!(mail.subparts.len(), 2);
            let line = format!("1 × {item}: 0.01 EUR");
            prop_assert!(body(&mail, 0).contains(&line));
        }
    }
}
