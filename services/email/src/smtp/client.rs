//! Hands mails over to one server, on sessions that it keeps for the next ones.

use std::{convert::Infallible, time::Duration};

use lettre::{address::Envelope, transport::smtp::extension::ClientId};
use tokio::{
    task::JoinSet,
    time::{Instant, interval},
};
use tracing::debug;

use super::{
    Disposition, SmtpError, SmtpSetupError, SmtpUrl,
    encryption::Encryption,
    idle::Idle,
    session::{Server, Session},
    streak::Streak,
};

/// How often sessions are looked through for those that nobody needs any more.
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// A client of one SMTP server. It has as many sessions as mails are sent at once.
pub struct Smtp {
    server: Server,
    idle: Idle,
    streak: Streak,
    limits: Limits,
}

/// How long the steps of handing over one mail may take.
struct Limits {
    whole: Duration,
    opening: Duration,
    /// The first answer on a session that was parked: it can be dead without a word, and there is to be time to dial anew.
    parked: Duration,
}

impl Limits {
    /// Below `handle_timeout`, so that what went wrong is known before the handler is cut off.
    fn below(handle_timeout: Duration) -> Self {
        let whole = handle_timeout * 4 / 5;
        Self { whole, opening: whole / 3, parked: whole / 6 }
    }
}

impl Smtp {
    /// A client that has not connected yet. It calls itself `hello`; `authorities` (PEM) stand in for the
    /// system's roots; a mail is given up shortly before `handle_timeout`.
    ///
    /// # Errors
    /// If the certificates cannot be used.
    pub fn new(
        url: SmtpUrl,
        authorities: Option<&[u8]>,
        hello: &str,
        handle_timeout: Duration,
    ) -> Result<Self, SmtpSetupError> {
        let encryption = Encryption::of(&url, authorities)?;
        let SmtpUrl { host, port, login, .. } = url;
        let hello = ClientId::Domain(hello.to_owned());
        Ok(Self {
            server: Server { host, port, encryption, login, hello },
            idle: Idle::default(),
            streak: Streak::default(),
            limits: Limits::below(handle_timeout),
        })
    }

    /// The server's name or address.
    pub fn host(&self) -> &str {
        &self.server.host
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Hands over one message, which is about `event`.
    ///
    /// # Errors
    /// Each says by [`SmtpError::disposition`] what it means.
    ///
    /// # If dropped
    /// The server may have the message or not.
    pub async fn send(&self, event: &str, envelope: &Envelope, message: &str) -> Result<(), SmtpError> {
        let outcome = self.send_once_or_twice(envelope, message).await;
        self.seen_over_many(event, outcome)
    }

    async fn send_once_or_twice(&self, envelope: &Envelope, message: &str) -> Result<(), SmtpError> {
        let deadline = Instant::now() + self.limits.whole;
        let (session, patience) = match self.idle.take() {
            Some(session) => (session, self.limits.parked),
            None => (self.server.open(self.limits.opening).await?, self.limits.whole),
        };
        match self.transfer(session, envelope, message, patience, deadline).await {
            // A parked session was stale, or the server is going down, or it breaks off over this very
            // mail. The next session tells: none is an outage, and to be broken off again is the mail's own.
            Err(error) if error.asks_for_another_session() && self.may_open(deadline) => {
                debug!(%error, "opening another SMTP session");
                self.idle.clear();
                let session = self.server.open(self.limits.opening).await?;
                self.transfer(session, envelope, message, self.limits.whole, deadline).await
            }
            outcome => outcome,
        }
    }

    /// What one deferral means in view of those before it.
    fn seen_over_many(&self, event: &str, outcome: Result<(), SmtpError>) -> Result<(), SmtpError> {
        let disposition = outcome.as_ref().err().map(SmtpError::disposition);
        match (outcome, disposition) {
            (Err(SmtpError::Answered { code, text, .. }), Some(Disposition::Later))
                if self.streak.deferred(event, code) =>
            {
                Err(SmtpError::DefersAll { code, text })
            }
            (outcome, None | Some(Disposition::ForGood)) => {
                self.streak.broken();
                outcome
            }
            (outcome, Some(Disposition::Later | Disposition::Outage)) => outcome,
        }
    }

    fn may_open(&self, deadline: Instant) -> bool {
        deadline.duration_since(Instant::now()) > self.limits.opening
    }

    async fn transfer(
        &self,
        mut session: Session,
        envelope: &Envelope,
        message: &str,
        patience: Duration,
        deadline: Instant,
    ) -> Result<(), SmtpError> {
        let outcome = session.transfer(envelope, message, patience, deadline).await;
        let reusable = match &outcome {
            Ok(()) => true,
            Err(error @ SmtpError::Answered { .. }) => {
                error.disposition() != Disposition::Outage && session.reset().await
            }
            Err(
                SmtpError::NoSession { .. }
                | SmtpError::DefersAll { .. }
                | SmtpError::Lost { .. }
                | SmtpError::Silent { .. },
            ) => false,
        };
        if reusable {
            self.idle.park(session);
        }
        outcome
    }

    /// Sees whether a session can be had, without a message.
    ///
    /// # Errors
    /// Why none can.
    pub async fn probe(&self) -> Result<(), String> {
        self.idle.clear();
        let opened = self.server.open(self.limits.opening).await;
        let mut session = opened.map_err(|error| error.to_string())?;
        session.check(self.limits.opening).await?;
        self.idle.park(session);
        Ok(())
    }

    /// Takes leave of the server on sessions that nobody has needed for a while. Never ends.
    pub async fn tidy(&self) -> Infallible {
        let mut ticks = interval(TIDY_EVERY);
        loop {
            ticks.tick().await;
            quit(self.idle.take_old()).await;
        }
    }

    /// Takes leave of the server on every session that waits.
    pub async fn close(&self) {
        quit(self.idle.take_all()).await;
    }
}

async fn quit(sessions: Vec<Session>) {
    let quits: JoinSet<()> = sessions.into_iter().map(Session::quit).collect();
    quits.join_all().await;
}
