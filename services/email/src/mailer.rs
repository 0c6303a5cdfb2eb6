//! Sends mails by SMTP, or writes them to the log.

use std::convert::Infallible;

use chassis::Shutdown;
use messaging::Failure;
use tracing::{Instrument, field, info, info_span};

use crate::{
    config::TransportConfig,
    mail::Mail,
    message::{Message, Sender},
    metrics::{EmailMetrics, Outcome, Transport},
    smtp::{Disposition, Smtp, Unsent},
};

/// Sends mails to a server or to the log.
pub struct Mailer {
    /// The transport by SMTP; `None` writes to the log.
    transport: Option<SmtpTransport>,
    metrics: EmailMetrics,
}

/// An SMTP server, and the sender.
struct SmtpTransport {
    smtp: Smtp,
    sender: Sender,
}

impl Mailer {
    /// A mailer that sends with these settings, or writes to the log.
    pub fn new(transport: Option<TransportConfig>, metrics: EmailMetrics) -> Self {
        let transport =
            transport.map(|TransportConfig { smtp, sender }| SmtpTransport { smtp: Smtp::new(smtp), sender });
        Self { transport, metrics }
    }

    /// Sends a mail about the event with this source and id, as far as they are known. A mail without a recipient
    /// goes to the log.
    ///
    /// # Errors
    /// What the server's answer means for this mail. No reason contains an address.
    ///
    /// # If dropped
    /// The mail may have been sent or not.
    pub async fn send(&self, mail: &Mail<'_>, event: (Option<&str>, Option<&str>)) -> Result<(), Failure> {
        let about = event.1.map(|id| (event.0, id));
        let message = self
            .transport
            .as_ref()
            .and_then(|transport| Some((transport, Message::write(mail, &transport.sender, about)?)));
        let Some((transport, message)) = message else {
            info!("Sending email for: {mail}");
            self.metrics.count(Transport::Log, Outcome::Sent);
            return Ok(());
        };
        let attempt = transport.hand_over(&message, event).await;
        if let Some(outcome) = Outcome::of(&attempt) {
            self.metrics.count(Transport::Smtp, outcome);
        }
        if let Err(unsent @ Unsent { disposition: Disposition::Postponed, error: Some(_), .. }) = &attempt {
            info!(event_id = event.1, reason = %unsent, "email postponed");
        }
        attempt?;
        info!(event_id = event.1, "email sent");
        Ok(())
    }

    /// Checks whether mail can be sent now.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub async fn probe(&self) -> Result<(), String> {
        match &self.transport {
            Some(transport) => transport.smtp.probe().await,
            None => Ok(()),
        }
    }

    /// Ends sessions that were idle for a while, and begins no further mail once `shutdown` is requested. It never
    /// returns.
    pub async fn tend(&self, shutdown: Shutdown) -> Infallible {
        tokio::select! {
            never = self.tidy() => match never {},
            _ = shutdown.requested() => self.stop(),
        }
        self.tidy().await
    }

    async fn tidy(&self) -> Infallible {
        match &self.transport {
            Some(transport) => transport.smtp.tidy().await,
            None => std::future::pending().await,
        }
    }

    /// Begins no further mail. A message that is on its way to the server is sent to its end.
    fn stop(&self) {
        if let Some(transport) = &self.transport {
            transport.smtp.stop();
        }
    }

    /// Ends the idle sessions.
    pub async fn close(&self) {
        if let Some(transport) = &self.transport {
            transport.smtp.close().await;
        }
    }
}

impl From<Unsent> for Failure {
    fn from(unsent: Unsent) -> Self {
        match unsent.disposition {
            Disposition::Outage => Self::outage(unsent),
            Disposition::Postponed => Self::postponed(unsent),
            Disposition::Later => Self::later(unsent),
            Disposition::ForGood => Self::for_good(unsent),
        }
    }
}

impl SmtpTransport {
    async fn hand_over(&self, message: &Message, event: (Option<&str>, Option<&str>)) -> Result<(), Unsent> {
        let span = info_span!(
            "smtp send",
            otel.kind = "client",
            otel.status_code = field::Empty,
            server.address = self.smtp.host(),
            server.port = self.smtp.port(),
        );
        // Texts without an id count as one event.
        let mail_object = message.mail_object();
        let outcome = self.smtp.send(event, &mail_object).instrument(span.clone()).await;
        if outcome.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        outcome
    }
}
