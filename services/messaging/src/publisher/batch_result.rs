//! Decides what became of the messages of a batch.
//!
//! lapin attributes a returned message to the next confirm, not to its own. By the protocol, the broker returns a
//! message before it confirms it. So once every message of a batch is confirmed, all its returns have arrived, and
//! their message ids say whose they are. A batch that was cut short cannot be judged like that.

use std::collections::HashMap;

use lapin::message::BasicReturnMessage;
use lapin::types::ShortString;

use super::{Answer, Outgoing, PublishError};

/// The broker's answer to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirm {
    Acked,
    Nacked,
    /// No answer: the channel or connection ended before, or nobody waited any longer.
    Lost,
}

/// The broker's answers to a batch.
#[derive(Debug, Default)]
pub(super) struct BatchResult {
    confirms: Vec<Confirm>,
    returned: HashMap<Address, usize>,
}

/// What identifies a returned message. Two publishers may use the same id at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Address {
    exchange: ShortString,
    routing_key: ShortString,
    message_id: Option<ShortString>,
}

impl BatchResult {
    /// Adds the answer to the next message, with the message that lapin reported as returned, which may be another
    /// one.
    pub(super) fn add(&mut self, confirm: Confirm, returned: Option<&BasicReturnMessage>) {
        self.confirms.push(confirm);
        if let Some(message) = returned {
            let address = Address {
                exchange: message.exchange.clone(),
                routing_key: message.routing_key.clone(),
                message_id: message.properties.message_id().clone(),
            };
            *self.returned.entry(address).or_default() += 1;
        }
    }

    /// The answer for each publisher, when messages may have come back or when certainly none has. None for a message
    /// that has to be sent again.
    pub(super) fn answers<'b>(
        self,
        batch: impl Iterator<Item = &'b Outgoing>,
        some_came_back: bool,
    ) -> Vec<Option<Answer>> {
        if !some_came_back {
            return self.confirms.into_iter().map(|confirm| confirm.answer(Ok(()))).collect();
        }
        let addresses: Vec<_> = batch.map(Address::of).collect();
        let mut published = HashMap::<_, usize>::new();
        for address in &addresses {
            *published.entry(address).or_default() += 1;
        }
        let routed = |address: &Address| match self.returned.get(address) {
            None => Ok(()),
            Some(returned) if *returned == published[address] => Err(PublishError::Unroutable),
            // One of several messages with the same id came back, and nothing tells which.
            Some(_) => Err(PublishError::Unconfirmed),
        };
        let whole = !self.confirms.contains(&Confirm::Lost);
        let judged = self.confirms.iter().zip(&addresses).map(|(confirm, address)| match confirm {
            // This ack may have brought the return of a lost message, and this message's own return may never have
            // come.
            Confirm::Acked if !whole => None,
            confirm => confirm.answer(routed(address)),
        });
        judged.collect()
    }
}

impl Confirm {
    /// The answer for a message with this routing. None if it has to be sent again.
    pub(super) fn answer(self, routed: Answer) -> Option<Answer> {
        match self {
            Self::Acked => Some(routed),
            Self::Nacked => Some(Err(PublishError::Rejected)),
            Self::Lost => None,
        }
    }
}

impl Address {
    fn of(outgoing: &Outgoing) -> Self {
        Self {
            exchange: outgoing.exchange.as_ref().into(),
            routing_key: outgoing.routing_key.as_ref().into(),
            message_id: (outgoing.properties)().message_id().clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use lapin::BasicProperties;

    use super::*;

    const UNROUTABLE: Option<Answer> = Some(Err(PublishError::Unroutable));

    fn message(id: &str) -> Outgoing {
        let properties = BasicProperties::default().with_message_id(id.into());
        let properties = Box::new(move || properties.clone());
        Outgoing { exchange: "e".into(), routing_key: "k".into(), properties, body: Bytes::new() }
    }

    /// A verdict on messages, of which those with these ids came back.
    fn judged(confirms: &[(&str, Confirm)], returned: &[&str]) -> Vec<Option<Answer>> {
        judged_where(confirms, returned, !returned.is_empty())
    }

    /// The same, where some may have come back unseen.
    fn judged_where(confirms: &[(&str, Confirm)], returned: &[&str], some_came_back: bool) -> Vec<Option<Answer>> {
        let messages: Vec<_> = confirms.iter().map(|(id, _)| message(id)).collect();
        let mut result =
            BatchResult { confirms: confirms.iter().map(|(_, confirm)| *confirm).collect(), ..BatchResult::default() };
        for id in returned {
            *result.returned.entry(Address::of(&message(id))).or_default() += 1;
        }
        result.answers(messages.iter(), some_came_back)
    }

    use Confirm::{Acked, Lost, Nacked};

    #[test]
    fn a_returned_message_is_unroutable_whichever_confirm_brought_it() {
        assert_eq!(judged(&[("a", Acked), ("b", Acked)], &["b"]), [Some(Ok(())), UNROUTABLE]);
    }

    #[test]
    fn a_nacked_message_is_rejected_and_no_other() {
        assert_eq!(judged(&[("a", Nacked), ("b", Acked)], &[]), [Some(Err(PublishError::Rejected)), Some(Ok(()))]);
    }

    #[test]
    fn without_returns_the_acks_of_a_batch_cut_short_are_good() {
        assert_eq!(judged(&[("a", Acked), ("b", Lost)], &[]), [Some(Ok(())), None]);
    }

    #[test]
    fn with_returns_no_ack_of_a_batch_cut_short_is_trusted() {
        // c came back before its confirm, and took the place of a return that may have been a's.
        assert_eq!(
            judged(&[("a", Acked), ("b", Nacked), ("c", Lost)], &["c"]),
            [None, Some(Err(PublishError::Rejected)), None]
        );
    }

    #[test]
    fn where_some_came_back_unseen_no_ack_of_a_batch_cut_short_is_trusted() {
        // b was given up a moment before its ack took the return of a, whose own ack brought none.
        assert_eq!(judged_where(&[("a", Acked), ("b", Lost)], &[], true), [None, None]);
        assert_eq!(judged_where(&[("a", Acked), ("b", Acked)], &[], true), [Some(Ok(())), Some(Ok(()))]);
    }

    #[test]
    fn of_equal_ids_all_or_none_came_back_or_nobody_knows_which() {
        let twins = [("a", Acked), ("a", Acked), ("b", Acked)];
        assert_eq!(judged(&twins, &["a", "a"]), [UNROUTABLE, UNROUTABLE, Some(Ok(()))]);
        let unknown = Some(Err(PublishError::Unconfirmed));
        assert_eq!(judged(&twins, &["a"]), [unknown, unknown, Some(Ok(()))]);
    }
}
