//! Masks the addresses that servers quote in their words.

/// A server's words for a log line: one line of at most 200 characters, with the addresses masked, because servers
/// quote them.
pub(super) fn masked(text: &str) -> String {
    // The words of a server that never stops are not all read.
    let text: String = text.chars().take(2000).collect();
    let mut line = String::new();
    let mut rest = text.as_str();
    // From the end, because only the closing quote shows what a quoted part contains, such as an `@`.
    while let Some((before, after)) = rest.rsplit_once('@') {
        let (left, user) = before.split_at(start_of_user(before));
        let first = user.chars().find(|c| c.is_alphanumeric());
        line = first.into_iter().chain("***@".chars()).chain(after.chars()).chain(line.chars()).collect();
        rest = left;
    }
    line.insert_str(0, rest);
    let tame = |c: char| if c.is_control() { ' ' } else { c };
    line.chars().map(tame).take(200).collect()
}

/// Where the local part of an address begins, in a text that ends with it. A quoted local part contains any
/// characters, its own quotes behind backslashes. Another one may contain an apostrophe, but none of these.
fn start_of_user(text: &str) -> usize {
    if let Some(quoted) = text.strip_suffix('"') {
        let mut quotes = quoted.rmatch_indices('"').map(|(at, _)| at);
        if let Some(begin) = quotes.find(|&at| !quoted[..at].ends_with('\\')) {
            return begin;
        }
    }
    let is_edge = |c: char| c.is_whitespace() || c.is_control() || "<>()[]\",;:".contains(c);
    text.rfind(is_edge).map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{quoted_email, usual_email};

    #[test]
    fn addresses_that_a_server_quotes_are_masked() {
        assert_eq!(
            masked("5.1.1 <ada@example.com>: user \"ada@example.com\" unknown\r\nto=bob@example.org"),
            "5.1.1 <a***@example.com>: user \"a***@example.com\" unknown  t***@example.org"
        );
        assert_eq!(masked("<\"ada\"@example.com> <o'hara@example.com>"), "<a***@example.com> <o***@example.com>");
        assert_eq!(masked("no \"ada \\\"l\"@example.com"), "no a***@example.com");
        assert_eq!(masked(&"é".repeat(300)).chars().count(), 200);
    }

    proptest! {
        #[test]
        fn no_valid_address_survives_however_a_server_quotes_it(
            email in prop_oneof![usual_email(), quoted_email()],
            around in prop::sample::select(vec![("<", ">"), ("\"", "\""), ("'", "'"), ("user ", " unknown"), ("to=", ":"), ("", "")]),
        ) {
            let (_, domain) = email.as_str().rsplit_once('@').unwrap();
            let said = masked(&format!("550 5.1.1 {}{}{}", around.0, email.as_str(), around.1));
            let (before, after) = said.rsplit_once("***@").unwrap();
            prop_assert_eq!(after, format!("{domain}{}", around.1));
            let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
            prop_assert!(letters(before) <= letters("550 5.1.1") + letters(around.0) + 1, "{said}");
        }
    }
}
