use super::*;

fn answered(command: Command, answer: &str) -> SmtpError {
    let (code, text) = answer.split_once(' ').unwrap();
    SmtpError::Answered { command, code: code.parse().unwrap(), text: text.to_owned() }
}

#[test]
fn what_only_a_recipient_or_a_content_can_be_refused_for_is_the_mails_own() {
    for (command, answer) in [
        (
            Command::Rcpt,
            "550 5.1.1 <a***@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
        ),
        (Command::Rcpt, "550 5.1.2 bad destination system"),
        (Command::Rcpt, "501 5.1.3 Bad recipient address syntax"),
        (Command::Rcpt, "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found"),
        (Command::Rcpt, "556 5.1.10 the domain takes no mail"),
        (Command::Rcpt, "556 no mail here"),
        (Command::Rcpt, "552 5.2.2 mailbox full"),
        (Command::Mail, "552 5.3.4 Message size exceeds fixed limit"),
        (Command::Body, "552 5.3.4 Error: message file too big"),
        (Command::Body, "552 message size exceeds maximum permitted"),
        (Command::Body, "554 5.6.0 Message content not accepted"),
        (Command::Rcpt, "553 5.6.7 address requires SMTPUTF8"),
    ] {
        assert_eq!(answered(command, answer).blame(), Blame::Mail, "{command} {answer}");
    }
}

#[test]
fn any_other_no_is_a_suspicion() {
    for (command, answer) in [
        (Command::Rcpt, "553 5.7.1 Sender address rejected: not owned by user"),
        (Command::Rcpt, "550 5.1.0 <a***@example.com>: Sender address rejected: User unknown in local recipient table"),
        (Command::Rcpt, "550 5.1.1 Sender unknown"),
        (Command::Mail, "550 5.1.1 unknown"),
        (Command::Mail, "550 5.1.8 Access denied, bad outbound sender"),
        (Command::Body, "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException"),
        (Command::Body, "554 Message rejected: Email address is not verified"),
        (Command::Rcpt, "554 5.7.1 Relay access denied"),
        (Command::Rcpt, "550 relay not permitted"),
        (Command::Rcpt, "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname"),
        (Command::Rcpt, "454 4.7.1 Relay access denied"),
        (Command::Rcpt, "530 5.7.0 Must issue a STARTTLS command first"),
        (Command::Rcpt, "421 4.7.0 try again later"),
        (Command::Rcpt, "450 4.2.0 Greylisted"),
        (Command::Rcpt, "452 4.2.2 mailbox full"),
        (Command::Data, "535 5.7.8 log in again"),
        (Command::Body, "552 5.2.2 limit of this server reached"),
        (Command::Body, "552 no"),
        // Exchange and Postfix say this about one mailbox, in the words of its own server.
        (Command::Rcpt, "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded"),
        (Command::Rcpt, "450 4.1.1 unverified address: host mx.example said: 421 too many connections"),
    ] {
        assert_eq!(answered(command, answer).blame(), Blame::Unknown, "{command} {answer}");
    }
}

#[test]
fn too_much_at_once_is_nobodys_mail() {
    for answer in [
        "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending",
        "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
        "421 4.7.0 mail.test Error: too many connections from 192.0.2.1",
        "421 Too many concurrent SMTP connections; please try again later.",
    ] {
        assert_eq!(answered(Command::Mail, answer).blame(), Blame::Sessions, "{answer}");
    }
    for answer in [
        "454 Throttling failure: Maximum sending rate exceeded.",
        "450 4.7.1 Error: too much mail from 192.0.2.1",
        "421 4.7.28 our system has detected an unusual amount of mail",
        "451 4.7.1 Rate limit exceeded",
        "454 Throttling failure: Daily message quota exceeded.",
        "550 5.4.5 Daily user sending limit exceeded",
        "550 5.7.28 our system has detected an unusual rate of mail",
    ] {
        assert_eq!(answered(Command::Body, answer).blame(), Blame::Rate, "{answer}");
    }
    let limit = answered(Command::Rcpt, "450 4.7.1 Error: too many recipients from 192.0.2.1");
    assert_eq!(limit.blame(), Blame::Rate);
}

#[test]
fn words_about_one_recipient_slow_nobody() {
    for answer in [
        "552 5.2.2 <x***@example.com>: mailbox quota exceeded",
        "552 5.2.2 over quota",
        "552 5.2.2 quota of your plan exceeded",
        "552 Hourly message quota exceeded",
        "554 Daily message quota exceeded",
        "554 5.7.1 Too many connections to the next hop",
        "452 4.2.2 The account that you tried to reach is over quota",
        "450 4.2.1 The user you are trying to contact is receiving mail too fast: rate limited",
        "450 4.1.2 Domain sessions.example not found",
        "451 <x***@example.com>: mailbox quota exceeded",
        "451 4.3.0 mx.daily.example[192.0.2.1] did not answer",
        "451 4.3.0 host throttled.example: see https://quota.example/connections",
        "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded",
    ] {
        assert_eq!(answered(Command::Body, answer).blame(), Blame::Unknown, "{answer}");
    }
    // The sender's address, before any recipient is named.
    let limit = answered(Command::Mail, "450 4.7.1 <s***@example.com>: Rate limit exceeded");
    assert_eq!(limit.blame(), Blame::Rate);
    // A word in an address is no word about the sender.
    let unknown = answered(Command::Rcpt, "550 5.1.1 <x***@sender.example>: no such user at planet.example");
    assert_eq!(unknown.blame(), Blame::Mail);
}

#[test]
fn a_mail_under_way_is_never_sent_again_at_once() {
    let lost = |command| SmtpError::Lost { command, reason: String::new() };
    let silent = |command| SmtpError::Silent { command, limit: String::new() };
    assert!(lost(Command::Data).asks_for_another_session(false, false));
    assert!(!lost(Command::Body).asks_for_another_session(true, true));
    assert!(silent(Command::Mail).asks_for_another_session(true, false));
    assert!(!silent(Command::Mail).asks_for_another_session(false, false));
    assert!(!silent(Command::Body).asks_for_another_session(true, true));
    assert!(answered(Command::Mail, "421 4.3.2 shutting down").asks_for_another_session(false, false));
    assert!(!answered(Command::Body, "421 4.3.2 shutting down").asks_for_another_session(true, true));
}

#[test]
fn a_second_mail_that_a_session_does_not_take_may_go_in_another_one() {
    for answer in [
        "451 4.3.0 Only one transaction in a session",
        "452 4.5.3 Too many messages sent",
        "503 5.5.1 Only one transaction in a session",
        "550 5.7.1 no more mail in this session",
        "421 too many messages in this connection",
    ] {
        let no = answered(Command::Mail, answer);
        assert!(no.asks_for_another_session(true, true), "{answer}");
        let first = answer.starts_with("421") && no.blame() == Blame::Unknown;
        assert_eq!(no.asks_for_another_session(true, false), first, "{answer}");
    }
    assert!(answered(Command::Rcpt, "503 5.5.1 need MAIL").asks_for_another_session(true, true));
    assert!(!answered(Command::Rcpt, "450 4.2.0 Greylisted").asks_for_another_session(true, true));
    assert!(!answered(Command::Mail, "552 5.3.4 too big").asks_for_another_session(true, true));
    assert!(!answered(Command::Body, "503 5.5.1 no").asks_for_another_session(true, true));
}

#[test]
fn a_policy_is_no_recipients_trouble_although_another_recipient_may_pass() {
    for answer in [
        "550 5.1.1 User unknown",
        "550 no such user",
        "450 4.1.2 Domain not found",
        "450 mailbox busy",
        "452 4.2.2 mailbox full",
    ] {
        assert!(answered(Command::Rcpt, answer).may_be_the_recipients(), "{answer}");
        assert!(!answered(Command::Mail, answer).may_be_the_recipients(), "{answer}");
    }
    for answer in [
        "554 5.7.1 <a***@example.com>: Relay access denied",
        "454 4.7.1 Relay access denied",
        "550 relay not permitted",
        "553 sorry, that domain isn't in my list of allowed rcpthosts",
        "550 Authentication is required for relay",
        "553 Sender address rejected: not owned by user shop",
    ] {
        assert!(!answered(Command::Rcpt, answer).may_be_the_recipients(), "{answer}");
    }
    let lost = |command| SmtpError::Lost { command, reason: "reset".to_owned() };
    assert!(lost(Command::Rcpt).may_be_the_recipients());
    assert!(!lost(Command::Body).may_be_the_recipients());
}
