//! The longest time of each step of sending a mail.

use std::{io, time::Duration};

use tokio::time::{Instant, timeout_at};

/// The longest time of each step. The defaults are those of RFC 5321, 4.5.3.2.
#[derive(Clone, Copy, Debug)]
pub struct SmtpLimits {
    /// The time to connect to one address of the server.
    pub connect: Duration,
    /// The time of the server's greeting, and of its answer to each command.
    pub command: Duration,
    /// The time until the server asks for the message, and until it has taken a piece of it.
    pub data: Duration,
    /// The time until the server says whether it has the message.
    pub last: Duration,
    /// The time of one mail in all.
    pub whole: Duration,
}

/// How long `QUIT` or `RSET` may take before the connection is simply closed.
pub(super) const COURTESY: Duration = Duration::from_secs(1);

/// When the next answer is due, and which variable says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    until: Instant,
    length: Duration,
    variable: &'static str,
}

/// The times of one mail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    limits: SmtpLimits,
    /// When the message has to be on its way at the latest. After that, the server may have no time to say whether it
    /// has the message.
    begin_by: Instant,
    end_by: Instant,
}

impl SmtpLimits {
    /// The times of a mail that is begun now.
    pub(super) fn begin(self) -> Time {
        // The reason should be known before the handler is cut off.
        let whole = self.whole * 24 / 25;
        let message = (self.data * 2 + self.last).min(whole * 2 / 3);
        let now = Instant::now();
        Time { limits: self, begin_by: now + whole - message, end_by: now + whole }
    }
}

impl Time {
    pub(super) fn connect(&self) -> Limit {
        self.limit(self.limits.connect, self.begin_by, "SMTP_CONNECT_TIMEOUT")
    }

    /// The same for one of several addresses. Each gets its share of the time that is left.
    pub(super) fn connect_one_of(&self, addresses: usize) -> Limit {
        let left = self.begin_by.saturating_duration_since(Instant::now());
        // One more share is for the steps after the connection.
        let share = left / u32::try_from(addresses + 1).unwrap_or(u32::MAX);
        match self.limits.connect <= share {
            true => self.connect(),
            false => self.limit(self.limits.connect, Instant::now() + share, "SMTP_CONNECT_TIMEOUT"),
        }
    }

    pub(super) fn command(&self) -> Limit {
        self.limit(self.limits.command, self.begin_by, "SMTP_COMMAND_TIMEOUT")
    }

    /// The same on an idle session. It may be dead without a sign, and there has to be time to connect anew.
    pub(super) fn parked(&self) -> Limit {
        let left = self.begin_by.saturating_duration_since(Instant::now());
        self.limit(self.limits.command.min(LONGEST_PARKED).min(left / 4), self.begin_by, "SMTP_COMMAND_TIMEOUT")
    }

    pub(super) fn data(&self) -> Limit {
        self.limit(self.limits.data, self.begin_by, "SMTP_DATA_TIMEOUT")
    }

    pub(super) fn piece(&self) -> Limit {
        self.limit(self.limits.data, self.end_by, "SMTP_DATA_TIMEOUT")
    }

    pub(super) fn last(&self) -> Limit {
        self.limit(self.limits.last, self.end_by, "SMTP_FINAL_TIMEOUT")
    }

    /// When `QUIT` or `RSET` has to be done.
    pub(super) fn courtesy(&self) -> Instant {
        self.end_by.min(Instant::now() + COURTESY)
    }

    /// When a question about another recipient has to be answered, in the time that is left after a refusal.
    pub(super) fn question(&self) -> Instant {
        let now = Instant::now();
        now + LONGEST_PARKED.min(self.end_by.saturating_duration_since(now) / 2)
    }

    /// When the message has to be on its way at the latest.
    pub(super) fn begin_by(&self) -> Instant {
        self.begin_by
    }

    fn limit(&self, length: Duration, by: Instant, variable: &'static str) -> Limit {
        let now = Instant::now();
        match now + length <= by {
            true => Limit { until: now + length, length, variable },
            false => Limit { until: by, length: by.saturating_duration_since(now), variable: "HANDLE_TIMEOUT" },
        }
    }
}

/// A server that answers later than this is connected to anew, and then has the whole time.
const LONGEST_PARKED: Duration = Duration::from_secs(10);

impl Limit {
    /// The result, if it comes in time.
    ///
    /// # Errors
    /// `TimedOut`, with the limit and the variable that sets it.
    pub(super) async fn hold<T>(&self, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        match timeout_at(self.until, doing).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, self.to_string())),
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1?} ({} sets the limit)", self.length, self.variable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_that_drops_packets_leaves_time_for_the_next() {
        let long = Duration::from_secs(300);
        let limits =
            SmtpLimits { connect: long, command: long, data: long, last: long, whole: Duration::from_secs(30) };
        let time = limits.begin();
        let mut waited = Vec::new();
        for left in [3, 2, 1] {
            let before = Instant::now();
            let never = std::future::pending::<io::Result<()>>();
            time.connect_one_of(left).hold(never).await.unwrap_err();
            waited.push(before.elapsed().as_millis());
        }
        assert_eq!(waited, [2400, 2400, 2400]);
        assert!(Instant::now() < time.begin_by());
    }
}
