//! The extensions of SMTP that a server offers.

use super::reply::Reply;

/// The extensions in an answer to `EHLO` that the client uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    pub(super) starttls: bool,
    /// The mechanisms of a login, in upper case.
    pub(super) logins: Vec<String>,
    /// The largest message that it takes, in bytes; `None` if it does not say.
    pub(super) size: Option<usize>,
    /// How many mails one session may carry (RFC 9422); `None` if it does not say.
    pub(super) mails: Option<usize>,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    says_size: bool,
}

impl Extensions {
    pub(super) fn of(hello: &Reply) -> Self {
        let mut extensions = Self::default();
        // The first line is a greeting.
        for line in hello.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("STARTTLS") => extensions.starttls = true,
                Some("8BITMIME") => extensions.eight_bit = true,
                Some("SMTPUTF8") => extensions.utf8 = true,
                // 0 means no limit (RFC 1870).
                Some("SIZE") => {
                    extensions.says_size = true;
                    extensions.size = words.next().and_then(|size| size.parse().ok()).filter(|&size| size > 0);
                }
                Some("LIMITS") => {
                    let most = words.skip_while(|&word| word != "MAILMAX").nth(1);
                    extensions.mails = most.and_then(|most| most.parse().ok()).filter(|&most| most > 0);
                }
                Some("AUTH") => words.for_each(|mechanism| {
                    // Many servers repeat the line as `AUTH=`, for old clients.
                    if !extensions.logins.iter().any(|known| known == mechanism) {
                        extensions.logins.push(mechanism.to_owned());
                    }
                }),
                _ => {}
            }
        }
        extensions
    }

    /// The parameters of `MAIL` for a message of this size, each with a space before it.
    pub(super) fn parameters(&self, size: usize, utf8: bool) -> String {
        let mut parameters = String::new();
        if self.says_size {
            parameters.push_str(&format!(" SIZE={size}"));
        }
        if utf8 {
            parameters.push_str(" SMTPUTF8");
            if self.eight_bit {
                parameters.push_str(" BODY=8BITMIME");
            }
        }
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_ehlo_lists_what_there_is() {
        let lines =
            ["mail.test STARTTLS", "size 1000", "AUTH=LOGIN", "auth plain CRAM-MD5 login", "", "SMTPUTF8", "8bitmime"];
        let extensions = Extensions::of(&Reply { code: 250, lines: lines.map(str::to_owned).to_vec() });
        assert!(!extensions.starttls);
        assert_eq!(extensions.logins, ["LOGIN", "PLAIN", "CRAM-MD5"]);
        assert_eq!((extensions.size, extensions.mails), (Some(1000), None));
        assert_eq!(extensions.parameters(12, true), " SIZE=12 SMTPUTF8 BODY=8BITMIME");
        assert_eq!(Extensions::default().parameters(12, false), "");
    }

    #[test]
    fn a_server_may_say_how_many_mails_a_session_carries() {
        for (line, most) in [
            ("LIMITS MAILMAX=1 RCPTMAX=100", Some(1)),
            ("limits rcptmax=1 mailmax=20", Some(20)),
            ("LIMITS RCPTMAX=1", None),
            ("LIMITS MAILMAX=0", None),
            ("LIMITS MAILMAX", None),
            ("LIMITS", None),
        ] {
            let hello = Reply { code: 250, lines: ["mail.test", line].map(str::to_owned).to_vec() };
            assert_eq!(Extensions::of(&hello).mails, most, "{line}");
        }
    }
}
