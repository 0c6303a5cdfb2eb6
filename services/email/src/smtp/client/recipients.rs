//! Asks the server whether it still takes the recipient of the last mail, when it has refused several others.

use std::sync::{Mutex, PoisonError};

use tokio::time::timeout_at;

use super::{MailObject, Smtp};
use crate::smtp::{SmtpError, limits::Time};

/// What is known about a recipient whom the server takes.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    last: Mutex<Option<Envelope>>,
    /// Held by whoever asks the server. One answer is for all who wait for it.
    asking: tokio::sync::Mutex<()>,
}

/// Whom a mail was from, and whom it went to.
#[derive(Clone, Debug)]
struct Envelope {
    from: String,
    to: String,
}

impl Recipients {
    /// Notes that the server took this mail.
    pub(super) fn taken(&self, mail_object: &MailObject<'_>) {
        // An address beyond ASCII needs more than the plain commands.
        if mail_object.from.is_ascii() && mail_object.to.is_ascii() {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let last = last.get_or_insert_with(|| Envelope { from: String::new(), to: String::new() });
            mail_object.from.clone_into(&mut last.from);
            mail_object.to.clone_into(&mut last.to);
        }
    }

    fn other_than(&self, to: &str) -> Option<Envelope> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|envelope| envelope.to != to).cloned()
    }
}

impl Smtp {
    /// Whether a refusal that looks like everybody's is the recipient's own: the server still takes the recipient that
    /// it took last. It is asked so only as far as the message, which does not follow.
    pub(super) async fn is_the_recipients(&self, error: &SmtpError, to: &str, time: &Time) -> bool {
        if !error.may_be_the_recipients() {
            return false;
        }
        let since = self.suspects.now();
        let asked = async {
            let _one = self.recipients.asking.lock().await;
            if self.suspects.recipient_passed_since(since) {
                return true;
            }
            let Some(other) = self.recipients.other_than(to) else { return false };
            let passes = self.takes(&other).await;
            if passes {
                self.suspects.recipient_passed();
            }
            passes
        };
        timeout_at(time.question(), asked).await.unwrap_or(false)
    }

    /// Whether the server is asked about the next mail at once, although it seems to refuse every recipient.
    pub(super) fn goes_on(&self, error: &SmtpError) -> bool {
        let is_answer = matches!(error, SmtpError::Answered { .. });
        is_answer && error.may_be_the_recipients() && !self.suspects.is_time_to_rest()
    }

    /// Asks whether the server takes a mail to somebody, in an idle session if there is one that answers.
    async fn takes(&self, Envelope { from, to }: &Envelope) -> bool {
        let (permit, time) = (self.limiter.acquire().await, self.limits.begin());
        loop {
            let (mut session, parked) = match self.idle.take() {
                Some(session) => (session, true),
                None => match self.opened(&permit, &time).await {
                    Ok(session) => (session, false),
                    Err(_) => return false,
                },
            };
            let takes = session.takes(from, to, time.parked()).await;
            if takes.is_some() && session.reset(time.courtesy()).await {
                self.put_back(session, &time).await;
            }
            match takes {
                None if parked => self.idle.clear(),
                takes => return takes == Some(true),
            }
        }
    }
}
