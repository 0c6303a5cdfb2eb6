//! Asserts a topology during one session, again and again.

use std::sync::Arc;

use super::asking::{Asking, Refusal};
use super::{Object, Topology};
use crate::Error;
use crate::link::Link;

/// What is known of a topology in one session: what the user may do with each object, and whether everything was
/// there.
pub(crate) struct Keeper {
    topology: Arc<Topology>,
    rights: Vec<Right>,
    /// Everything was there at the last full look.
    sound: bool,
    /// The object that is looked at next.
    turn: usize,
    /// The connection for questions, once they have one of their own.
    own: Option<Link>,
}

/// What the user may do with an object, as far as it was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Declare,
    Look,
    Nothing,
}

/// What is wrong with an object, and whether the work can go on without it.
struct Trouble {
    object: String,
    reason: String,
    /// Whether the object differs; if not, it is refused.
    differs: bool,
    vital: bool,
    /// Whether the object exists all the same.
    exists: bool,
}

impl Keeper {
    /// Nothing is known yet.
    pub(crate) fn new(topology: Arc<Topology>) -> Self {
        let rights = vec![Right::Declare; topology.objects.len()];
        Self { topology, rights, sound: false, turn: 0, own: None }
    }

    /// Declares everything, and looks at what this user may not declare. Objects that exist as expected stay as they
    /// are. It returns what is wrong without which the work can go on, if anything.
    ///
    /// # Errors
    /// [`Error::AccessRefused`] and [`Error::Conflict`] name a vital object that cannot be used: an exchange that is
    /// missing or differs, or a queue that is missing. Any other error is [`Error::Lost`] or [`Error::Silent`].
    pub(crate) async fn assert(&mut self, link: &Link) -> Result<Option<Error>, Error> {
        self.sound = false;
        let topology = Arc::clone(&self.topology);
        let (mut asking, mut amiss) = (Asking::new(link, self.own.take()), Vec::new());
        let mut absent: Vec<&Object> = Vec::new();
        for (index, object) in topology.objects.iter().enumerate() {
            if absent.iter().any(|absent| object.binds(absent)) {
                continue;
            }
            match self.make_sure(&mut asking, index, object).await? {
                None => {}
                Some(trouble) if trouble.vital => return Err(trouble.into()),
                Some(trouble) => {
                    if !trouble.exists {
                        absent.push(object);
                    }
                    amiss.push(trouble);
                }
            }
        }
        self.own = asking.end().await;
        let taken = topology.objects.iter().zip(&self.rights).filter(|(_, right)| **right != Right::Declare);
        topology.tell(taken.map(|(object, _)| object).collect());
        self.sound = amiss.is_empty();
        Ok(all(amiss))
    }

    /// Asserts the topology later: asks only for what shows that everything is still there, if it was.
    ///
    /// # Errors
    /// The same as of [`assert`](Self::assert).
    pub(crate) async fn assert_again(&mut self, link: &Link) -> Result<Option<Error>, Error> {
        if self.sound && self.seems_unchanged(link).await? {
            return Ok(None);
        }
        self.assert(link).await
    }

    /// Notes that something seems to be gone: the next call asks for everything.
    pub(crate) fn doubt(&mut self) {
        self.sound = false;
    }

    async fn make_sure(
        &mut self,
        asking: &mut Asking<'_>,
        index: usize,
        object: &Object,
    ) -> Result<Option<Trouble>, Error> {
        if self.rights[index] == Right::Declare {
            match asking.declare(object).await? {
                Ok(()) => return Ok(None),
                Err((403, _)) => self.rights[index] = if object.is_binding() { Right::Nothing } else { Right::Look },
                Err(refusal) => return self.differs(asking, index, object, refusal).await.map(Some),
            }
        }
        if self.rights[index] == Right::Nothing {
            return Ok(None);
        }
        let Err((code, words)) = asking.look(object).await? else { return Ok(None) };
        // No right is ever needed to see the first object. A user without any right cannot use it.
        if code == 403 && index > 0 {
            self.rights[index] = Right::Nothing;
            return Ok(None);
        }
        // Somebody may have given the right to declare it since.
        self.rights[index] = Right::Declare;
        match code {
            403 => Ok(Some(refused(index, object, words))),
            404 => Ok(Some(refused(index, object, "it does not exist, and this user may not declare it".to_owned()))),
            _ => Ok(Some(conflict(index, object, (code, words)))),
        }
    }

    /// What is wrong with an object that could not be declared. 406 is a queue that differs, or a new queue that a limit
    /// of the vhost forbids. Only a look tells them apart.
    async fn differs(
        &self,
        asking: &mut Asking<'_>,
        index: usize,
        object: &Object,
        (code, words): Refusal,
    ) -> Result<Trouble, Error> {
        let is_missing = code == 406
            && matches!(object, Object::Queue { .. })
            && matches!(asking.look(object).await?, Err((404, _)));
        Ok(match is_missing {
            true => {
                Trouble { object: object.to_string(), reason: words, differs: true, vital: index == 0, exists: false }
            }
            false => conflict(index, object, (code, words)),
        })
    }

    /// Binds again what may be bound, and asks for one of the other objects.
    async fn seems_unchanged(&mut self, link: &Link) -> Result<bool, Error> {
        let known = self.topology.objects.iter().zip(self.rights.iter().copied());
        let (bindings, others): (Vec<_>, Vec<_>) =
            known.filter(|(_, right)| *right != Right::Nothing).partition(|(object, _)| object.is_binding());
        self.turn = self.turn.wrapping_add(1);
        let in_turn = others.get(self.turn % others.len().max(1));
        let mut asking = Asking::new(link, self.own.take());
        for (object, right) in bindings.iter().chain(in_turn) {
            let answer = match right {
                Right::Declare => asking.declare(object).await?,
                Right::Look | Right::Nothing => asking.look(object).await?,
            };
            if answer.is_err() {
                return Ok(false);
            }
        }
        self.own = asking.end().await;
        Ok(true)
    }
}

fn refused(index: usize, object: &Object, reason: String) -> Trouble {
    Trouble { object: object.to_string(), reason, differs: false, vital: index == 0, exists: false }
}

/// 406 is an object with other arguments. Such a queue gives its messages all the same. Nobody knows what such an
/// exchange would do with messages. 405 is a queue that another connection holds exclusively.
fn conflict(index: usize, object: &Object, (code, reason): Refusal) -> Trouble {
    let is_usable = code == 406 && matches!(object, Object::Queue { .. });
    let (vital, exists) = (index == 0 && !is_usable, matches!(code, 405 | 406));
    Trouble { object: object.to_string(), reason, differs: true, vital, exists }
}

/// Makes one error of all of them: the first, which names the others.
fn all(mut amiss: Vec<Trouble>) -> Option<Error> {
    let others = amiss.split_off(1.min(amiss.len()));
    let mut first = amiss.pop()?;
    if !others.is_empty() {
        let others: Vec<_> = others.into_iter().map(|other| other.object).collect();
        first.reason = format!("{}; also amiss: {}", first.reason, others.join(", "));
    }
    Some(first.into())
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        let Trouble { object, reason, differs, .. } = trouble;
        match differs {
            true => Self::Conflict { object, reason },
            false => Self::AccessRefused { object, reason },
        }
    }
}
