//! Checks names before the broker sees them.

use crate::Error;

/// The most bytes of a name: AMQP carries it as a short string.
pub(crate) const LONGEST: usize = 255;
/// The most characters of a name that an error repeats.
const SHOWN: usize = 60;

/// Whether AMQP can carry a name of a queue or an exchange, or a routing key, and a log line can show it.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && !text.contains(char::is_control)
}

/// Checks a name. `what` says whose it is, such as `queue`.
///
/// # Errors
/// [`Error::Invalid`] names it.
pub(crate) fn check(what: &str, name: &str) -> Result<(), Error> {
    if is_name(name) {
        return Ok(());
    }
    let bytes = name.len();
    let expected = format!("a name of 1 to {LONGEST} bytes without control characters; it has {bytes} bytes");
    Err(Error::Invalid { what: format!("{what} {}", shown(name)), expected })
}

/// A name as an error shows it: quoted, and cut if it is long.
pub(crate) fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_amqp_cannot_carry_is_refused_and_named() {
        for (name, told) in [("", "queue \"\""), ("a\nb", "queue \"a\\nb\""), (&"ü".repeat(128), "queue \"üüü")] {
            let refused = check("queue", name).unwrap_err().to_string();
            assert!(refused.starts_with(told) && refused.contains("1 to 255 bytes"), "{refused}");
            assert!(refused.chars().count() < 160, "{refused}");
        }
        for name in ["q", "a queue", &"q".repeat(255)] {
            assert!(check("queue", name).is_ok(), "{name}");
        }
    }
}
