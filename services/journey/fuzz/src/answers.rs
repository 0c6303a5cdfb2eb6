//! What mail servers answer.

use email::inside::answered;
use email::{Blame, SmtpError};

/// How much is read at once, with its lowest bit set where the client logs in; then all that a server says.
pub fn answers(bytes: &[u8]) {
    let Some((first, said)) = bytes.split_first() else { return };
    let (piece, login) = (usize::from(first >> 1).max(1), first & 1 == 1);
    let outcomes = match answered(said, piece, login) {
        Ok(outcomes) => outcomes,
        Err(error) => {
            assert!(matches!(error, SmtpError::NoSession { .. }), "{error:?}");
            return is_told(&error);
        }
    };
    let sent = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let lines = said.iter().filter(|&&byte| byte == b'\n').count();
    // The greeting and the answer to EHLO; then to MAIL, RCPT, DATA and the message.
    assert!(lines >= 2 + 4 * sent, "{sent} mails taken by {lines} lines");
    let errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    errors.for_each(is_told);
    let again = answered(said, said.len().max(1), login).expect("there was a session");
    assert_eq!(format!("{again:?}"), format!("{outcomes:?}"), "it depends on how it is cut");
}

/// One line without an address, and no mail is blamed for more than the server says of it.
fn is_told(error: &SmtpError) {
    let line = error.to_string();
    assert!(line.chars().count() <= 400 && !line.contains(char::is_control), "{line:?}");
    assert!(line.match_indices('@').all(|(at, _)| line[..at].ends_with("***")), "{line:?}");
    match (error, error.blame()) {
        (SmtpError::NoSession { .. }, Blame::Server) | (SmtpError::Lost { .. }, Blame::Unknown) => {}
        (SmtpError::Answered { code: 400..500, .. }, Blame::Unknown | Blame::Sessions | Blame::Rate) => {}
        (SmtpError::Answered { code: 500..600, .. }, Blame::Unknown | Blame::Mail) => {}
        (SmtpError::TooBig { .. }, Blame::Mail) => {}
        (_, blame) => panic!("{blame:?}: {error:?}"),
    }
}
