//! The name under which the broker knows this client's user.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use lapin::types::ShortString;

/// What stands in front of the name in the broker's refusal of a message with another `user_id`.
const BEFORE: &str = "but authenticated user was '";

/// The user's name at the broker. It is the name in the URL until the broker says another: with OAuth 2, the broker
/// takes the name from the token.
#[derive(Debug)]
pub(crate) struct UserName(RwLock<Option<ShortString>>);

impl UserName {
    /// The name in the URL.
    pub(crate) fn new(name: &str) -> Self {
        Self(RwLock::new(ShortString::try_new(name.to_owned()).ok()))
    }

    /// The name, if a message can carry it.
    pub(crate) fn get(&self) -> Option<ShortString> {
        self.read().clone()
    }

    /// Whether a message has this user's name as its `user_id`.
    pub(crate) fn is(&self, user_id: Option<&ShortString>) -> bool {
        user_id.is_some() && self.read().as_ref() == user_id
    }

    /// Takes the name from the broker's refusal of a message, and says whether that is news.
    pub(crate) fn learn(&self, refusal: &str) -> bool {
        let name = refusal.split_once(BEFORE).and_then(|(_, name)| name.strip_suffix('\''));
        let name = name.and_then(|name| ShortString::try_new(name.to_owned()).ok());
        let is_news = name.is_some() && !self.is(name.as_ref());
        if is_news {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = name;
        }
        is_news
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<ShortString>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_urls_until_the_broker_says_another() {
        let user = UserName::new("warren");
        let is = |name: &str| user.is(Some(&name.into()));
        assert!(is("warren") && !is("svc") && !user.is(None));
        let refusal = "PRECONDITION_FAILED - user_id property set to 'warren' but authenticated user was 'it's svc'";
        assert!(user.learn(refusal));
        assert!(is("it's svc") && !is("warren"));
        for nothing_new in [refusal, "PRECONDITION_FAILED - invalid expiration '-1'", "but authenticated user was 'cut"]
        {
            assert!(!user.learn(nothing_new), "{nothing_new}");
        }
        assert_eq!(user.get(), Some("it's svc".into()));
    }
}
