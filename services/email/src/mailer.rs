//! Sends mails by SMTP, or writes them to the log.

use std::convert::Infallible;

use lettre::message::Mailbox;
use messaging::Failure;
use tracing::{Instrument, field, info, info_span};

use crate::{
    letter::Letter,
    mail::Mail,
    metrics::{EmailMetrics, Outcome, Transport},
    smtp::{Disposition, Smtp, SmtpError},
};

/// Where mails go.
pub struct Mailer {
    /// `None`: to the log.
    post: Option<Post>,
    metrics: EmailMetrics,
}

/// An SMTP server, and who writes.
pub struct Post {
    smtp: Smtp,
    from: Mailbox,
}

impl Post {
    /// Sends by `smtp` what `from` writes.
    pub fn new(smtp: Smtp, from: Mailbox) -> Self {
        Self { smtp, from }
    }
}

impl Mailer {
    /// A mailer that sends by `post`, or writes to the log.
    pub fn new(post: Option<Post>, metrics: EmailMetrics) -> Self {
        Self { post, metrics }
    }

    /// Sends a mail about the event `id`. What has no recipient goes to the log.
    ///
    /// # Errors
    /// What the server's answer means for this mail; no reason holds an address.
    ///
    /// # If dropped
    /// It may have been sent or not.
    pub async fn send(&self, mail: &Mail<'_>, id: Option<&str>) -> Result<(), Failure> {
        let letter = self.post.as_ref().and_then(|post| Some((post, Letter::write(mail, &post.from, id)?)));
        let Some((post, letter)) = letter else {
            info!("Sending email for: {mail}");
            self.metrics.count(Transport::Log, Outcome::Sent);
            return Ok(());
        };
        let attempt = post.hand_over(&letter, id).await;
        self.metrics.count(Transport::Smtp, Outcome::of(&attempt));
        attempt?;
        info!(event_id = id, "email sent");
        Ok(())
    }

    /// Sees whether mail could be sent now.
    ///
    /// # Errors
    /// Why not.
    pub async fn probe(&self) -> Result<(), String> {
        match &self.post {
            Some(post) => post.smtp.probe().await,
            None => Ok(()),
        }
    }

    /// Ends sessions that nobody has needed for a while. Never ends itself.
    pub async fn tidy(&self) -> Infallible {
        match &self.post {
            Some(post) => post.smtp.tidy().await,
            None => std::future::pending().await,
        }
    }

    /// Ends the sessions that wait for the next mail.
    pub async fn close(&self) {
        if let Some(post) = &self.post {
            post.smtp.close().await;
        }
    }
}

impl From<SmtpError> for Failure {
    fn from(error: SmtpError) -> Self {
        match error.disposition() {
            Disposition::Outage => Self::outage(error),
            Disposition::Later => Self::later(error),
            Disposition::ForGood => Self::for_good(error),
        }
    }
}

impl Post {
    async fn hand_over(&self, letter: &Letter, id: Option<&str>) -> Result<(), SmtpError> {
        let span = info_span!(
            "smtp send",
            otel.kind = "client",
            otel.status_code = field::Empty,
            server.address = self.smtp.host(),
            server.port = self.smtp.port(),
        );
        // Texts without an id count as one event: they alone never make an outage.
        let event = id.unwrap_or_default();
        let sending = self.smtp.send(event, &letter.envelope, &letter.message);
        let outcome = sending.instrument(span.clone()).await;
        if outcome.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        outcome
    }
}
