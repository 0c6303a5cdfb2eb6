//! The metric `email_sent_total`: what became of each mail.

use prometheus::{IntCounterVec, Opts, Registry};

use crate::smtp::{Blame, Disposition, SmtpError, Unsent};

/// How a mail goes out.
#[derive(Clone, Copy, Debug)]
pub enum Transport {
    /// It is handed to a server.
    Smtp,
    /// It is written to the log.
    Log,
}

/// What became of a mail, or of one attempt to send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server has taken it, or the log has it.
    Sent,
    /// The server may take it later.
    Deferred,
    /// The server will never take it.
    Refused,
    /// The server broke off or fell silent, and may have it.
    Unanswered,
    /// The server says that there are too many mails at once, or that they come too fast.
    Throttled,
    /// The server refused it for good, and it is not known yet whose trouble that is.
    Suspended,
    /// The server takes no mail at all.
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
    const ALL: [Self; 7] =
        [Self::Sent, Self::Deferred, Self::Refused, Self::Unanswered, Self::Throttled, Self::Suspended, Self::Outage];

    /// The outcome of an attempt to send a mail; `None` if the server was not asked.
    pub fn of(attempt: &Result<(), Unsent>) -> Option<Self> {
        let Err(unsent) = attempt else { return Some(Self::Sent) };
        let error = unsent.error.as_ref()?;
        Some(match (unsent.disposition, error.blame()) {
            (_, Blame::Nobody) => return None,
            (Disposition::Outage, _) => Self::Outage,
            (_, Blame::Sessions | Blame::Rate) => Self::Throttled,
            _ if matches!(error, SmtpError::Lost { .. } | SmtpError::Silent { .. }) => Self::Unanswered,
            _ if matches!(error, SmtpError::Answered { code: 400..500, .. }) => Self::Deferred,
            (Disposition::Postponed | Disposition::Later, _) => Self::Suspended,
            (Disposition::ForGood, _) => Self::Refused,
        })
    }

    fn label(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::Throttled => "throttled",
            Self::Suspended => "suspended",
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
    /// Registers them, with every series at zero. The log takes every mail, so it has no other outcome.
    ///
    /// # Errors
    /// The registry already has these metrics.
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

    /// Counts one outcome.
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
        assert_eq!(series.len(), 8);
        assert!(series.iter().all(|metric| metric.get_counter().get_value() == 0.0));
    }
}
