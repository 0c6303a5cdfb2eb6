//! `email_sent_total`: what became of each mail.

use prometheus::{IntCounterVec, Opts, Registry};

use crate::smtp::{Disposition, SmtpError};

/// How a mail goes out.
#[derive(Clone, Copy, Debug)]
pub enum Transport {
    /// Handed over to a server.
    Smtp,
    /// Written to the log.
    Log,
}

/// What became of a mail, or of one attempt to hand it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server has taken responsibility for it, or the log has it.
    Sent,
    /// The server may take it later.
    Deferred,
    /// The server never will.
    Refused,
    /// The server broke off or kept silent, and may have it.
    Unanswered,
    /// The server was not asked about this mail: there is no session to ask in.
    Outage,
}

impl Transport {
    fn label(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Log => "log",
        }
    }
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Sent, Self::Deferred, Self::Refused, Self::Unanswered, Self::Outage];

    /// What an attempt to hand a mail over came to.
    pub fn of(attempt: &Result<(), SmtpError>) -> Self {
        let Err(error) = attempt else { return Self::Sent };
        match (error, error.disposition()) {
            (SmtpError::Lost { .. } | SmtpError::Silent { .. }, _) => Self::Unanswered,
            (_, Disposition::Later) => Self::Deferred,
            (_, Disposition::ForGood) => Self::Refused,
            (_, Disposition::Outage) => Self::Outage,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::Outage => "outage",
        }
    }
}

/// The metrics of this service.
#[derive(Clone, Debug)]
pub struct EmailMetrics {
    sent: IntCounterVec,
}

impl EmailMetrics {
    /// Registers them, every series at zero. The log takes every mail: it has no other outcome.
    ///
    /// # Errors
    /// If the registry has them already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = Opts::new("email_sent_total", "Mails by transport and outcome; an attempt that failed counts too.");
        let sent = IntCounterVec::new(help, &["transport", "outcome"])?;
        registry.register(Box::new(sent.clone()))?;
        sent.with_label_values(&[Transport::Log.label(), Outcome::Sent.label()]);
        for outcome in Outcome::ALL {
            sent.with_label_values(&[Transport::Smtp.label(), outcome.label()]);
        }
        Ok(Self { sent })
    }

    /// Counts one.
    pub fn count(&self, transport: Transport, outcome: Outcome) {
        self.sent.with_label_values(&[transport.label(), outcome.label()]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_exists_before_the_first_mail() {
        let registry = Registry::new();
        EmailMetrics::register(&registry).unwrap();
        let families = registry.gather();
        let series = families[0].get_metric();
        assert_eq!(series.len(), 6);
        assert!(series.iter().all(|metric| metric.get_counter().get_value() == 0.0));
    }
}
