//! Limits how many mails are sent at once, and how fast. It slows down when the server says so, and speeds up again
//! step by step.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::Blame;

/// How long fewer sessions have to work before one more is tried. The time doubles each time that this was one too
/// many.
const TRIED_AFTER: Duration = Duration::from_secs(10);
const TRIED_AFTER_AT_MOST: Duration = Duration::from_secs(300);

/// The first and the longest wait between mails, when the server says that they come too fast.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(5);

/// After this many slowings without a mail taken, waiting a little does not help.
const HOPELESS: u32 = 12;

/// How recent a success on another session has to be, for that session to count as working.
const RECENTLY: Duration = Duration::from_secs(60);

/// Admits mails, each with a permit.
#[derive(Debug)]
pub(super) struct Limiter {
    state: Mutex<State>,
    changed: Notify,
    turn: tokio::sync::Mutex<()>,
    most: usize,
    /// The shortest time between two mails, from the environment.
    apart: Duration,
}

#[derive(Debug)]
struct State {
    allowed: usize,
    in_use: usize,
    /// The time between two mails that the server has imposed.
    apart: Duration,
    next: Instant,
    /// When `allowed` changed last, how long it stays, and whether it grew.
    changed: Instant,
    stays: Duration,
    grew: bool,
    /// Grows by one at each slowing. Mails that were admitted before did not know of it.
    slowings: u64,
    slowings_in_a_row: u32,
    /// The number of mails that were taken.
    taken: u64,
    last_yes: Option<Instant>,
}

/// The right to use one session for one mail.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    limiter: &'a Limiter,
    slowings: u64,
    /// How many mails had been taken when this mail slowed the limiter before.
    slowed_at: Option<u64>,
}

impl Limiter {
    /// Admits at most this many at once, and this long apart.
    pub(super) fn new(most: usize, apart: Duration) -> Self {
        let now = Instant::now();
        let state = State {
            allowed: most,
            in_use: 0,
            apart: Duration::ZERO,
            next: now,
            changed: now,
            stays: TRIED_AFTER,
            grew: false,
            slowings: 0,
            slowings_in_a_row: 0,
            taken: 0,
            last_yes: None,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), turn: tokio::sync::Mutex::new(()), most, apart }
    }

    /// Waits for its turn. A mail that gives up before takes no turn.
    pub(super) async fn acquire(&self) -> Permit<'_> {
        let mut permit = loop {
            let changed = self.changed.notified();
            if let Some(permit) = self.try_acquire() {
                break permit;
            }
            changed.await;
        };
        // They go one after the other, in the order in which they came.
        let _turn = self.turn.lock().await;
        while let Some(next) = permit.waits_until() {
            sleep_until(next).await;
        }
        permit
    }

    fn try_acquire(&self) -> Option<Permit<'_>> {
        let mut state = self.state();
        if state.in_use >= state.allowed {
            return None;
        }
        state.in_use += 1;
        if state.in_use < state.allowed {
            // Two permits that are dropped at once may wake only one mail. So a mail that gets a permit wakes the next.
            self.changed.notify_one();
        }
        Some(Permit { limiter: self, slowings: state.slowings, slowed_at: None })
    }

    /// Notes that there is no session at all. The number that the server allows is to be found anew.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        (state.allowed, state.stays, state.grew) = (self.most, TRIED_AFTER, false);
        drop(state);
        self.changed.notify_one();
    }

    /// Whether to close a session, when this many are idle.
    pub(super) fn is_full(&self, parked: usize) -> bool {
        let state = self.state();
        state.in_use + parked > state.allowed
    }

    /// The number of mails that the server has taken.
    pub(super) fn taken(&self) -> u64 {
        self.state().taken
    }

    /// Whether no mail was taken although the waits grew longer and longer.
    pub(super) fn is_hopeless(&self) -> bool {
        self.state().slowings_in_a_row >= HOPELESS
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// When to check again whether it is its turn; `None` if it is now.
    fn waits_until(&mut self) -> Option<Instant> {
        let mut state = self.limiter.state();
        let now = Instant::now();
        if now < state.next {
            return Some(state.next);
        }
        state.next = now + state.apart.max(self.limiter.apart);
        // A mail that waited through a slowing goes at the new pace; another refusal slows the limiter again.
        self.slowings = state.slowings;
        None
    }

    /// Notes that the server opened a session, or took a mail.
    pub(super) fn said_yes(&self, taken: bool) {
        let mut state = self.limiter.state();
        let now = Instant::now();
        state.last_yes = Some(now);
        if !taken {
            return;
        }
        state.taken += 1;
        state.slowings_in_a_row = 0;
        state.apart = state.apart.mul_f64(0.95);
        if state.apart < SHORTEST / 10 {
            state.apart = Duration::ZERO;
        }
        if state.allowed < self.limiter.most && now - state.changed >= state.stays {
            if state.grew {
                state.stays = TRIED_AFTER;
            }
            state.allowed += 1;
            (state.changed, state.grew) = (now, true);
            self.limiter.changed.notify_one();
        }
    }

    /// The permit of a mail that slowed the limiter before, when so many mails had been taken. If more are taken since, it is
    /// this mail that the server refuses, and no other mail waits longer for it.
    pub(super) fn slowed_before(mut self, slowed_at: Option<u64>) -> Self {
        self.slowed_at = slowed_at;
        self
    }

    /// Whether other mails are under way that the server lets in, or may.
    pub(super) fn others_work(&self, hoped: bool) -> bool {
        let state = self.limiter.state();
        state.in_use > 1 && (hoped || state.last_yes.is_some_and(|at| at.elapsed() < RECENTLY))
    }

    /// Notes that the server said that it is asked for too much.
    pub(super) fn said_too_much(&self, blame: Blame) {
        let mut state = self.limiter.state();
        if self.slowed_at.is_some_and(|taken| state.taken > taken) {
            return;
        }
        if blame == Blame::Sessions && state.in_use > 1 {
            // As many as were let in: all but this one.
            state.allowed = state.allowed.min(state.in_use - 1);
            state.stays = if state.grew { (state.stays * 2).min(TRIED_AFTER_AT_MOST) } else { state.stays };
            (state.changed, state.grew) = (Instant::now(), false);
        } else if self.slowings == state.slowings {
            if state.slowings_in_a_row < HOPELESS {
                state.apart = state.apart.mul_f64(1.5).clamp(SHORTEST, LONGEST);
            }
            state.next = Instant::now() + state.apart;
            state.slowings += 1;
            state.slowings_in_a_row += 1;
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.limiter.state().in_use -= 1;
        self.limiter.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_use(limiter: &Limiter) -> usize {
        let mut permits = Vec::new();
        while let Some(permit) = limiter.try_acquire() {
            permits.push(permit);
        }
        permits.len()
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_sessions_as_the_server_gave_are_used_and_one_more_is_tried_after_a_while() {
        let limiter = Limiter::new(16, Duration::ZERO);
        let mut permits = Vec::new();
        while let Some(permit) = limiter.try_acquire() {
            permits.push(permit);
        }
        while permits.len() > 3 {
            permits.pop().unwrap().said_too_much(Blame::Sessions);
        }
        drop(permits);
        assert_eq!(in_use(&limiter), 3);
        for expected in [10, 20, 40] {
            let begun = Instant::now();
            while in_use(&limiter) == 3 {
                limiter.acquire().await.said_yes(true);
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            let waited = begun.elapsed().as_secs();
            assert!((expected..=expected + 1).contains(&waited), "{waited}");
            let four: Vec<_> = std::iter::from_fn(|| limiter.try_acquire()).collect();
            four[3].said_too_much(Blame::Sessions);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn mails_that_come_too_fast_come_slower() {
        let limiter = Limiter::new(16, Duration::ZERO);
        // A server that takes fourteen mails in each second.
        let (mut taken, mut refused, begun) = (0, 0, Instant::now());
        let mut seconds = std::collections::HashMap::<u64, u32>::new();
        while begun.elapsed() < Duration::from_secs(60) {
            let permit = limiter.acquire().await;
            let this_second = seconds.entry(begun.elapsed().as_secs()).or_default();
            match *this_second < 14 {
                true => {
                    *this_second += 1;
                    taken += 1;
                    permit.said_yes(true);
                }
                false => {
                    refused += 1;
                    permit.said_too_much(Blame::Rate);
                }
            }
            tokio::time::advance(Duration::from_millis(2)).await;
        }
        assert!(taken > 500 && refused < taken / 5, "{taken} taken, {refused} refused");
    }

    #[tokio::test(start_paused = true)]
    async fn one_mail_slows_the_others_once_while_they_are_taken() {
        let limiter = Limiter::new(16, Duration::ZERO);
        let apart = || limiter.state().apart;
        limiter.acquire().await.said_too_much(Blame::Rate);
        let (slowed_at, once) = (Some(limiter.taken()), apart());
        limiter.acquire().await.slowed_before(slowed_at).said_too_much(Blame::Rate);
        assert!(apart() > once, "nobody else was taken");
        limiter.acquire().await.said_yes(true);
        let now = apart();
        for _ in 0..5 {
            limiter.acquire().await.slowed_before(slowed_at).said_too_much(Blame::Rate);
        }
        assert_eq!(apart(), now);
        limiter.acquire().await.said_too_much(Blame::Rate);
        assert!(apart() > now, "another mail");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_from_the_start() {
        let limiter = Limiter::new(16, Duration::from_millis(500));
        let begun = Instant::now();
        for _ in 0..11 {
            limiter.acquire().await;
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_leave_before_their_turn_take_none_from_others() {
        let limiter = Limiter::new(16, Duration::from_millis(500));
        let (mut passed, begun) = (0, Instant::now());
        while begun.elapsed() < Duration::from_secs(60) {
            let many = (0..16).map(|_| tokio::time::timeout(Duration::from_secs(1), limiter.acquire()));
            passed += futures_util::future::join_all(many).await.iter().filter(|permit| permit.is_ok()).count();
        }
        assert!((110..=130).contains(&passed), "{passed}");
    }

    #[tokio::test]
    async fn without_any_session_how_many_there_may_be_is_found_anew() {
        let limiter = Limiter::new(4, Duration::ZERO);
        let permits: Vec<_> = std::iter::from_fn(|| limiter.try_acquire()).collect();
        permits[0].said_too_much(Blame::Sessions);
        drop(permits);
        assert_eq!(in_use(&limiter), 3);
        limiter.forget();
        assert_eq!(in_use(&limiter), 4);
    }

    #[tokio::test]
    async fn all_who_wait_enter_once_there_is_room_for_all() {
        let limiter = Limiter::new(4, Duration::ZERO);
        let mut permits: Vec<_> = std::iter::from_fn(|| limiter.try_acquire()).collect();
        while let Some(permit) = permits.pop() {
            permit.said_too_much(Blame::Sessions);
        }
        let first = limiter.try_acquire().unwrap();
        assert!(limiter.try_acquire().is_none());
        let three = futures_util::future::join_all((0..3).map(|_| limiter.acquire()));
        let grown = async {
            tokio::task::yield_now().await;
            limiter.forget();
        };
        let (three, ()) = tokio::join!(three, grown);
        assert_eq!(three.len(), 3);
        drop(first);
    }

    #[tokio::test]
    async fn a_server_that_takes_nothing_is_found_out() {
        let limiter = Limiter::new(16, Duration::ZERO);
        for _ in 0..HOPELESS {
            assert!(!limiter.is_hopeless());
            limiter.try_acquire().unwrap().said_too_much(Blame::Rate);
        }
        assert!(limiter.is_hopeless());
        limiter.try_acquire().unwrap().said_yes(true);
        assert!(!limiter.is_hopeless());
    }
}
