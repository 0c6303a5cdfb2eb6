//! Sends mails to one server, and keeps sessions for the next mails.

use std::{
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    pin::pin,
    sync::Once,
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, interval, timeout, timeout_at},
};
use tracing::debug;

mod recipients;

use recipients::Recipients;

use super::{
    Blame, Command, SmtpError, SmtpLimits, SmtpUrl,
    encryption::Encryption,
    idle::Idle,
    limiter::{Limiter, Permit},
    limits::{COURTESY, Time},
    server::Server,
    session::Session,
    suspects::{Cause, StepsPassed, Suspects},
};

/// How often the client looks for sessions that were idle for too long.
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// How long the server may take until it asks for the message, while half of the sessions are slower already.
const SLOW: Duration = Duration::from_secs(10);

/// How often one mail is tried while the server says that it is asked for too much.
const ROUNDS: u32 = 5;

/// The settings of a client.
#[derive(Debug)]
pub struct SmtpOptions {
    /// The server.
    pub url: SmtpUrl,
    /// A PEM file of certificate authorities; `None` is the system's.
    pub authorities: Option<PathBuf>,
    /// The name in its `EHLO`; `None` is its address.
    pub hello: Option<String>,
    /// The most sessions, and so the most mails at once.
    pub connections: usize,
    /// The shortest time between two mails.
    pub apart: Duration,
    /// The longest time of each step.
    pub limits: SmtpLimits,
}

/// A client of one SMTP server. It has as many sessions as mails are being sent.
pub struct Smtp {
    server: Server,
    limits: SmtpLimits,
    limiter: Limiter,
    idle: Idle,
    suspects: Suspects,
    /// The sessions that may take longer than [`SLOW`].
    slow: Semaphore,
    recipients: Recipients,
    events: RandomState,
    stopping: watch::Sender<bool>,
}

/// A mail object of RFC 5321: a message and its envelope, for one recipient.
#[derive(Clone, Copy, Debug)]
pub struct MailObject<'a> {
    /// The sender's address.
    pub from: &'a str,
    /// The recipient's address.
    pub to: &'a str,
    /// The message, with lines that end in CRLF.
    pub message: &'a str,
}

/// What a failure means for the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The server is at fault, and no mail. Wait for the server.
    Outage,
    /// Try the mail again soon. Nothing is held against it.
    Postponed,
    /// An attempt of this mail failed. A later one may work.
    Later,
    /// No attempt of this mail will work.
    ForGood,
}

/// Why a mail was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unsent {
    /// What it means.
    pub disposition: Disposition,
    /// What the server said or did, if it was asked.
    pub error: Option<SmtpError>,
    reason: String,
}

impl Smtp {
    /// A client that has not connected yet.
    pub fn new(options: SmtpOptions) -> Self {
        let SmtpOptions { url, authorities, hello, connections, apart, limits } = options;
        let encryption = Encryption::of(&url, authorities);
        let SmtpUrl { host, port, login, .. } = url;
        Self {
            server: Server { host, port, encryption, login, hello, told_clear: Once::new() },
            limits,
            limiter: Limiter::new(connections, apart),
            idle: Idle::default(),
            suspects: Suspects::default(),
            slow: Semaphore::new((connections / 2).max(1)),
            recipients: Recipients::default(),
            events: RandomState::new(),
            stopping: watch::Sender::new(false),
        }
    }

    /// The server's name or address.
    pub fn host(&self) -> &str {
        &self.server.host
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Sends one message, which is about the event with this source and id.
    ///
    /// # Errors
    /// The [`Disposition`] of each says what it means.
    ///
    /// # If dropped
    /// The server may have the message or not.
    pub async fn send(&self, event: (Option<&str>, Option<&str>), mail_object: &MailObject<'_>) -> Result<(), Unsent> {
        // Without an id, the recipient and the text tell one from another.
        let body = mail_object.message.split_once("\r\n\r\n").map(|(_, body)| body);
        let event = self.events.hash_one((event, event.1.is_none().then_some((mail_object.to, body))));
        if let Some((cause, reason)) = self.suspects.has_to_wait(event) {
            return Err(match cause {
                Cause::Server(reason) => Unsent { disposition: Disposition::Outage, error: None, reason },
                Cause::Unknown | Cause::Mail => Unsent { disposition: Disposition::Postponed, error: None, reason },
            });
        }
        let time = self.limits.begin();
        let (mut round, mut slowed_at) = (0, None);
        let error = loop {
            round += 1;
            let mut steps = self.suspects.steps();
            match self.hand_over(event, mail_object, slowed_at, &mut steps, &time).await {
                Ok(()) => return Ok(()),
                Err(error) => match error.blame() {
                    Blame::Sessions | Blame::Rate if round < ROUNDS && !self.limiter.is_hopeless() => {
                        debug!(%error, "the SMTP server is asked for less");
                        slowed_at = slowed_at.or_else(|| Some(self.limiter.taken()));
                    }
                    _ => break error,
                },
            }
        };
        Err(self.judged(event, mail_object, error, &time).await)
    }

    /// What an error means, considering the other mails.
    async fn judged(&self, event: u64, mail_object: &MailObject<'_>, error: SmtpError, time: &Time) -> Unsent {
        let reason = error.to_string();
        let (disposition, reason) = match error.blame() {
            Blame::Server => {
                self.limiter.forget();
                (Disposition::Outage, reason)
            }
            Blame::Nobody => (Disposition::Postponed, reason),
            blame => {
                let (cause, own) = match blame {
                    Blame::Mail => (self.suspects.refused_alone(event, &error), Disposition::ForGood),
                    // The mail becomes a dead letter only after all its attempts, because only luck may distinguish it
                    // from the others.
                    _ => (self.suspects.refused(event, &error), Disposition::Later),
                };
                match cause {
                    Cause::Server(_)
                        if matches!(blame, Blame::Mail | Blame::Unknown)
                            && self.is_the_recipients(&error, mail_object.to, time).await =>
                    {
                        (own, reason)
                    }
                    Cause::Server(reason) if self.goes_on(&error) => (Disposition::Postponed, reason),
                    Cause::Server(reason) => (Disposition::Outage, reason),
                    Cause::Unknown => {
                        (Disposition::Postponed, format!("{reason}; others will tell whose trouble it is"))
                    }
                    Cause::Mail => (own, reason),
                }
            }
        };
        if disposition == Disposition::ForGood {
            self.suspects.forget(event);
        }
        Unsent { disposition, error: Some(error), reason }
    }

    /// Makes one attempt. At a stop, only a message that is on its way goes on.
    async fn hand_over(
        &self,
        event: u64,
        mail_object: &MailObject<'_>,
        slowed_at: Option<u64>,
        steps: &mut StepsPassed<'_>,
        time: &Time,
    ) -> Result<(), SmtpError> {
        let mut stopping = self.stopping.subscribe();
        let begun = async {
            let permit = timeout_at(time.begin_by(), self.limiter.acquire()).await.map_err(|_| SmtpError::Queued)?;
            let permit = permit.slowed_before(slowed_at);
            let session = self.begun(&permit, mail_object, steps, time).await?;
            Ok((permit, session))
        };
        let (permit, mut session) = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return Err(SmtpError::Stopping),
            begun = begun => begun?,
        };
        match session.finish(mail_object, steps, time).await {
            Ok(()) => {
                permit.said_yes(true);
                self.suspects.taken(event, steps);
                self.recipients.taken(mail_object);
                self.put_back(session, time).await;
                Ok(())
            }
            Err(error) => Err(self.left(session, &permit, time, error).await),
        }
    }

    /// Opens a session, up to the point where the server waits for the message.
    async fn begun(
        &self,
        permit: &Permit<'_>,
        mail_object: &MailObject<'_>,
        steps: &mut StepsPassed<'_>,
        time: &Time,
    ) -> Result<Session, SmtpError> {
        let (mut session, parked) = match self.idle.take() {
            Some(session) => (session, true),
            None => (self.opened(permit, time).await?, false),
        };
        let first = if parked { time.parked() } else { time.command() };
        let used = session.is_used();
        match self.not_held_up(session.begin(mail_object, steps, first, time)).await {
            Ok(()) => Ok(session),
            // An idle session was stale, or the server takes no more mails in it, or the server is stopping, or it
            // breaks off over this very mail. The next session shows which. None of these is an outage; a second
            // break is the trouble of this mail, or of every mail.
            Err(error) if error.asks_for_another_session(parked, used) => {
                debug!(%error, "opening another SMTP session");
                match error {
                    SmtpError::Answered { .. } => session.quit(time.courtesy()).await,
                    _ => self.idle.clear(),
                }
                let mut session = self.opened(permit, time).await?;
                match self.not_held_up(session.begin(mail_object, steps, time.command(), time)).await {
                    Ok(()) => Ok(session),
                    Err(error) => Err(self.left(session, permit, time, error).await),
                }
            }
            Err(error) => Err(self.left(session, permit, time, error).await),
        }
    }

    /// Waits for the server to ask for the message. A server may take minutes over a recipient; half of the sessions
    /// stay for those over whom it does not.
    async fn not_held_up(&self, begun: impl Future<Output = Result<(), SmtpError>>) -> Result<(), SmtpError> {
        let mut begun = pin!(begun);
        if let Ok(begun) = timeout(SLOW, &mut begun).await {
            return begun;
        }
        let _slow = self.slow.try_acquire().map_err(|_| SmtpError::HeldUp)?;
        begun.await
    }

    /// Opens a new session. While other sessions work, a refusal means that the server has enough sessions, and not
    /// that it is away.
    async fn opened(&self, permit: &Permit<'_>, time: &Time) -> Result<Session, SmtpError> {
        match self.server.open(time).await {
            Ok(session) => {
                permit.said_yes(false);
                Ok(session)
            }
            Err(SmtpError::NoSession { server, reason, for_now }) if permit.others_work(for_now) => {
                permit.said_too_much(Blame::Sessions);
                Err(SmtpError::NoFurtherSession { server, reason })
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps a session after an error, if it can still be used.
    async fn left(&self, mut session: Session, permit: &Permit<'_>, time: &Time, error: SmtpError) -> SmtpError {
        let blame = error.blame();
        if matches!(blame, Blame::Sessions | Blame::Rate) {
            permit.said_too_much(blame);
        }
        let usable = match &error {
            SmtpError::Answered { code: 421, .. }
            | SmtpError::Lost { .. }
            | SmtpError::Silent { .. }
            | SmtpError::HeldUp => false,
            SmtpError::NeedsUtf8 | SmtpError::TooBig { .. } => true,
            // It may be the session that the server refuses, and every further mail in it.
            SmtpError::Answered { command: Command::Mail, .. } => {
                session.quit(time.courtesy()).await;
                return error;
            }
            _ => blame != Blame::Sessions && session.reset(time.courtesy()).await,
        };
        if usable {
            self.put_back(session, time).await;
        }
        error
    }

    async fn put_back(&self, session: Session, time: &Time) {
        match session.is_used_up() || self.limiter.is_full(self.idle.count()) {
            true => session.quit(time.courtesy()).await,
            false => self.idle.park(session),
        }
    }

    /// Checks whether a session can be opened, without a message.
    ///
    /// # Errors
    /// The reason why none can.
    pub async fn probe(&self) -> Result<(), String> {
        self.idle.clear();
        let time = self.limits.begin();
        let mut session = self.server.open(&time).await.map_err(|error| error.to_string())?;
        session.check(time.command()).await?;
        self.idle.park(session);
        Ok(())
    }

    /// From now on no message is begun. A message on its way goes on.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Closes sessions that were idle for a while. It never returns.
    pub async fn tidy(&self) -> Infallible {
        let mut ticks = interval(TIDY_EVERY);
        loop {
            ticks.tick().await;
            quit(self.idle.take_old()).await;
        }
    }

    /// Closes every idle session.
    pub async fn close(&self) {
        quit(self.idle.take_all()).await;
    }
}

async fn quit(sessions: Vec<Session>) {
    let by = Instant::now() + COURTESY;
    let quits: JoinSet<()> = sessions.into_iter().map(|session| session.quit(by)).collect();
    quits.join_all().await;
}
