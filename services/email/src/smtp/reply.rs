//! The answer of a server to one command (RFC 5321, 4.2).

use std::fmt;

/// An answer: three digits and words, over one line or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The words of each line.
    pub(super) lines: Vec<String>,
}

/// The second and third number of an enhanced status code (RFC 3463): `5.1.1` is an unknown mailbox.
pub(super) type Status = (u16, u16);

impl Reply {
    /// Whether the server did what it was asked, or wants the rest of it.
    pub(super) fn is_yes(&self) -> bool {
        self.code < 400
    }

    /// The first line of words.
    pub(super) fn first(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }
}

/// The words of all lines. An enhanced status code that each line repeats occurs once.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.first())?;
        let status = status_text(self.first());
        for line in self.lines.iter().skip(1) {
            let words = status.and_then(|status| line.strip_prefix(status)).unwrap_or(line);
            write!(f, " {}", words.trim_start())?;
        }
        Ok(())
    }
}

/// The enhanced status code at the beginning of the words.
pub(super) fn status(words: &str) -> Option<Status> {
    let mut numbers = status_text(words)?.split('.').skip(1).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

fn status_text(words: &str) -> Option<&str> {
    let text = words.split([' ', '\t']).next()?;
    let mut numbers = text.split('.');
    let is_number = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let class = matches!(numbers.next()?, "2" | "4" | "5");
    let (subject, detail, rest) = (numbers.next()?, numbers.next()?, numbers.next());
    (class && is_number(subject) && is_number(detail) && rest.is_none()).then_some(text)
}

/// One line of an answer, without its end: its code, whether more lines follow, its words.
pub(super) fn line(bytes: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = bytes.split_at_checked(3)?;
    let digits = code.iter().all(u8::is_ascii_digit) && (b'2'..=b'5').contains(&code[0]);
    let code = digits.then(|| code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))?;
    let (more, words) = match rest.split_first() {
        None => (false, rest),
        Some((b' ', words)) => (false, words),
        Some((b'-', words)) => (true, words),
        Some(_) => return None,
    };
    Some((code, more, String::from_utf8_lossy(words).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_three_digits_and_words() {
        assert_eq!(line(b"250 ok"), Some((250, false, "ok".to_owned())));
        assert_eq!(line(b"250-SIZE 10"), Some((250, true, "SIZE 10".to_owned())));
        assert_eq!(line(b"354"), Some((354, false, String::new())));
        assert_eq!(line(b"250- "), Some((250, true, String::new())));
        for wrong in
            [&b""[..], b"25", b"650 x", b"150 x", b"+50 x", b"2500", b"HTTP/1.1 400 Bad Request", "２５０".as_bytes()]
        {
            assert_eq!(line(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn words_begin_with_an_enhanced_status_or_not() {
        assert_eq!(status("5.1.1 unknown"), Some((1, 1)));
        assert_eq!(status("4.7.28"), Some((7, 28)));
        for none in ["", "unknown", "5.1", "5.1.1.1 x", "3.1.1 x", "5.1.1111 x", "5.1.1: x", "127.0.0.1 is blocked"] {
            assert_eq!(status(none), None, "{none}");
        }
    }

    #[test]
    fn several_lines_read_as_one() {
        let lines = ["5.7.1 Not from here.", "5.7.1 See example.com"].map(str::to_owned).to_vec();
        assert_eq!(Reply { code: 550, lines }.to_string(), "5.7.1 Not from here. See example.com");
    }
}
