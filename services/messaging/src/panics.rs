//! Catches panics.

use std::any::Any;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;

/// Runs a future to its end.
///
/// # Errors
/// The future panicked. The error is its message, if it gave one.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(message)
}

fn message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned();
    // The panic's value may be of any type, and may panic once more when it is dropped.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        forget(again);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any(Self);
        }
    }

    #[tokio::test]
    async fn a_panic_is_its_message_whatever_was_thrown() {
        assert_eq!(caught(async { 1 }).await, Ok(1));
        assert_eq!(caught(async { panic!("a {}", "bug") }).await, Err::<(), _>("a bug".to_owned()));
        assert_eq!(caught(async { panic!("a bug") }).await, Err::<(), _>("a bug".to_owned()));
        assert_eq!(caught(async { panic_any(Bomb) }).await, Err::<(), _>("no message".to_owned()));
    }
}
