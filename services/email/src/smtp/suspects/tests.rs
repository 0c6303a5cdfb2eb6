use super::*;

fn refusal(command: Command, code: u16) -> SmtpError {
    SmtpError::Answered { command, code, text: "no".to_owned() }
}

/// A mail that passes every step now.
fn pass(suspects: &Suspects, event: Event) {
    let mut steps = suspects.steps();
    for command in [Command::Mail, Command::Rcpt, Command::Data, Command::Body] {
        steps.passed(command);
    }
    suspects.taken(event, &steps);
}

#[test]
fn a_mail_that_is_refused_again_after_another_passed_is_the_trouble_itself() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Rcpt, 454));
    assert_eq!(suspects.refused(1, &no), Cause::Unknown);
    pass(&suspects, 2);
    assert_eq!(suspects.has_to_wait(1), None);
    assert_eq!(suspects.refused(1, &no), Cause::Mail);
    // One that passed is little to go by. A few more, and it is plain.
    assert_eq!(suspects.refused(1, &no), Cause::Unknown);
    (3..7).for_each(|event| pass(&suspects, event));
    assert!((0..10).all(|_| suspects.refused(1, &no) == Cause::Mail));
    assert_eq!(suspects.has_to_wait(1), None);
}

#[test]
fn refusals_in_a_row_are_every_mails_trouble_until_one_passes() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Body, 550));
    assert_eq!((suspects.refused(1, &no), suspects.refused(2, &no)), (Cause::Unknown, Cause::Unknown));
    let servers = Cause::Server("SMTP server refuses every mail, at the message with 550 no".to_owned());
    assert_eq!((suspects.refused(3, &no), suspects.refused(4, &no)), (servers.clone(), servers));
    pass(&suspects, 5);
    assert_eq!(suspects.refused(6, &no), Cause::Unknown);
    // Others are in the same trouble, more than passed.
    assert_eq!(suspects.refused(4, &no), Cause::Unknown);
    (10..20).for_each(|event| pass(&suspects, event));
    assert_eq!(suspects.refused(4, &no), Cause::Mail);
}

/// Sends them all, one after the other; returns how many refusals were said to be the mail's own.
fn refuse_all(suspects: &Suspects, events: impl Iterator<Item = Event>, no: &SmtpError) -> usize {
    events.filter(|&event| suspects.refused(event, no) == Cause::Mail).count()
}

#[test]
fn where_few_pass_and_many_do_not_nobody_is_the_culprit() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Body, 550));
    for round in 0..90 {
        assert_eq!(refuse_all(&suspects, round..100, &no), 0, "in round {round}");
        pass(&suspects, round);
    }
}

#[test]
fn a_quota_that_opens_now_and_then_kills_nobody_who_waits_for_it() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Body, 550));
    refuse_all(&suspects, 0..250, &no);
    // The quota goes to those who wait; then to new ones; and is used up each time.
    (0..100).for_each(|event| pass(&suspects, event));
    assert_eq!(refuse_all(&suspects, 100..250, &no), 0);
    for window in 1..10 {
        (0..100).for_each(|event| pass(&suspects, 1000 * window + event));
        let own = refuse_all(&suspects, (0..150).map(|place| 100 + (place + 15 * window) % 150), &no);
        // Two are refused before a third one shows that it is everybody.
        assert!(own < ROW, "{own} in window {window}");
        assert!(matches!(suspects.refused(100, &no), Cause::Server(_)));
    }
}

#[test]
fn a_server_that_takes_every_second_mail_kills_nobody() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Mail, 554));
    let mut waiting = VecDeque::new();
    for event in 0..1000 {
        match event % 2 {
            0 => pass(&suspects, event),
            _ => {
                assert_eq!(suspects.refused(event, &no), Cause::Unknown);
                waiting.push_back(event);
            }
        }
        if event % 3 == 0 && waiting.len() > 10 {
            assert_ne!(suspects.refused(waiting[1], &no), Cause::Mail);
            waiting.pop_front().into_iter().for_each(|event| pass(&suspects, event));
        }
    }
}

#[test]
fn many_bad_ones_die_while_a_good_one_passes_now_and_then() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Rcpt, 454));
    let (mut attempts, mut passed) = ([0; 50], 1000);
    while attempts.iter().any(|&attempts| attempts < 5) {
        for (event, attempts) in (0..).zip(&mut attempts) {
            *attempts += u32::from(*attempts < 5 && suspects.refused(event, &no) == Cause::Mail);
        }
        passed += 1;
        assert!(passed < 1100, "{attempts:?}");
        pass(&suspects, passed);
    }
}

#[tokio::test(start_paused = true)]
async fn bad_ones_that_wait_pause_nobody_else() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Rcpt, 550));
    (0..20).for_each(|event| drop(suspects.refused(event, &no)));
    let (mut judged, mut passed) = (std::collections::HashSet::new(), 0);
    while judged.len() < 20 {
        passed += 1;
        assert!(passed < 40, "{judged:?}");
        pass(&suspects, 1000 + passed);
        // They come every second, a new one every twenty.
        for _ in 0..20 {
            for event in (0..20).filter(|&event| suspects.has_to_wait(event).is_none()) {
                match suspects.refused(event, &no) {
                    Cause::Mail => drop(judged.insert(event)),
                    Cause::Unknown => {}
                    servers @ Cause::Server(_) => panic!("{servers:?} after {passed}"),
                }
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_every_mail_is_refused_new_ones_are_asked_about_first() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Mail, 550));
    (0..50).for_each(|event| drop(suspects.refused(event, &no)));
    let mut asked = 0;
    for _ in 0..60 {
        asked += (0..50).filter(|&event| suspects.has_to_wait(event).is_none()).count();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(asked, 6);
    assert_eq!(suspects.has_to_wait(1000), None);
}

#[test]
fn one_mail_alone_is_never_every_mails_trouble() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Rcpt, 450));
    assert!((0..100).all(|_| suspects.refused(1, &no) == Cause::Unknown));
}

#[test]
fn a_row_is_of_one_trouble() {
    let suspects = Suspects::default();
    let silent = SmtpError::Silent { command: Command::Rcpt, limit: "5m".to_owned() };
    for error in [refusal(Command::Rcpt, 550), refusal(Command::Mail, 550), refusal(Command::Rcpt, 450), silent] {
        assert_eq!((suspects.refused(1, &error), suspects.refused(2, &error)), (Cause::Unknown, Cause::Unknown));
    }
}

#[test]
fn a_mail_that_had_passed_the_step_before_the_refusal_proves_nothing() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Rcpt, 553));
    let mut steps = suspects.steps();
    steps.passed(Command::Mail);
    steps.passed(Command::Rcpt);
    assert_eq!(suspects.refused(1, &no), Cause::Unknown);
    steps.passed(Command::Data);
    steps.passed(Command::Body);
    suspects.taken(2, &steps);
    assert_eq!(suspects.refused(1, &no), Cause::Unknown);
    // Of a refusal after the message, it is proof.
    let (suspects, no) = (Suspects::default(), refusal(Command::Body, 553));
    let mut steps = suspects.steps();
    steps.passed(Command::Rcpt);
    assert_eq!(suspects.refused(1, &no), Cause::Unknown);
    steps.passed(Command::Body);
    suspects.taken(2, &steps);
    assert_eq!(suspects.refused(1, &no), Cause::Mail);
}

#[test]
fn a_mail_that_meets_another_trouble_each_time_while_others_pass_is_the_trouble_too() {
    let suspects = Suspects::default();
    let (defers, drops) =
        (refusal(Command::Rcpt, 450), SmtpError::Lost { command: Command::Rcpt, reason: String::new() });
    assert_eq!(suspects.refused(1, &defers), Cause::Unknown);
    for round in 0..10 {
        pass(&suspects, 2 + round);
        assert_eq!(suspects.refused(1, if round % 2 == 0 { &drops } else { &defers }), Cause::Mail);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_suspect_is_asked_about_less_and_less_often() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Rcpt, 450));
    let mut asked = 0;
    for _ in 0..600 {
        if suspects.has_to_wait(1).is_none() {
            suspects.refused(1, &no);
            asked += 1;
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!((20..30).contains(&asked), "{asked}");
    pass(&suspects, 2);
    assert_eq!(suspects.has_to_wait(1), None);
}

#[test]
fn what_is_remembered_is_bounded() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Rcpt, 450));
    (0..30_000).for_each(|event| drop(suspects.refused(event, &no)));
    let known = suspects.known();
    assert!(known.suspects.len() <= REMEMBERED && known.oldest.len() <= REMEMBERED);
    assert!(known.rows.values().all(|row| row.refused.len() <= ROW));
}

/// How many of these were condemned, and what was said of the last.
fn refuse_alone(suspects: &Suspects, events: impl Iterator<Item = Event>, no: &SmtpError) -> (usize, Cause) {
    events.fold((0, Cause::Unknown), |(own, _), event| {
        let cause = suspects.refused_alone(event, no);
        (own + usize::from(cause == Cause::Mail), cause)
    })
}

#[test]
fn bad_addresses_are_condemned_at_once_a_few_in_a_row_and_more_where_others_pass() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Rcpt, 550));
    for round in 0..50 {
        assert_eq!(suspects.refused_alone(1000 + round, &no), Cause::Mail);
        pass(&suspects, round);
    }
    assert!((2000..2000 + BELIEVED as u64).all(|event| suspects.refused_alone(event, &no) == Cause::Mail));
    // A further one waits for another mail.
    assert_eq!(suspects.refused_alone(3000, &no), Cause::Unknown);
    assert_eq!(suspects.refused_alone(3000, &no), Cause::Unknown);
    pass(&suspects, 50);
    assert_eq!(suspects.has_to_wait(3000), None);
    assert_eq!(suspects.refused_alone(3000, &no), Cause::Mail);
    // Behind a thousand good ones, twenty are bad.
    (100..1100).for_each(|event| pass(&suspects, event));
    assert_eq!(refuse_alone(&suspects, 4000..4020, &no), (20, Cause::Mail));
    assert_eq!(suspects.refused_alone(4020, &no), Cause::Unknown);
}

#[test]
fn a_no_about_the_mail_alone_that_every_mail_meets_is_every_mails_trouble() {
    let reason = "SMTP server refuses every mail, at RCPT with 550 no";
    let (suspects, no) = (Suspects::default(), refusal(Command::Rcpt, 550));
    assert_eq!(refuse_alone(&suspects, 0..1000, &no), (5, Cause::Server(reason.to_owned())));
    // Those that passed this step before do not speak for those that come after.
    let mut steps = suspects.steps();
    steps.passed(Command::Rcpt);
    pass(&suspects, 2000);
    assert_eq!(refuse_alone(&suspects, 3000..3010, &no).0, 1);
    steps.passed(Command::Body);
    suspects.taken(2001, &steps);
    assert_eq!(refuse_alone(&suspects, 4000..4010, &no).0, 0);
}

#[test]
fn a_server_for_tiny_messages_alone_condemns_none() {
    let suspects = Suspects::default();
    let tiny = SmtpError::TooBig { size: 1800, limit: 1000 };
    let reason = "SMTP server takes only 1000 bytes, and every message has more: the last one has 1800";
    assert_eq!(refuse_alone(&suspects, 0..10, &tiny), (0, Cause::Server(reason.to_owned())));
    // Where others pass, it is long for this server.
    pass(&suspects, 30);
    assert_eq!(suspects.refused_alone(0, &tiny), Cause::Unknown);
    (31..36).for_each(|event| pass(&suspects, event));
    assert_eq!(suspects.refused_alone(0, &tiny), Cause::Mail);

    let large = SmtpError::TooBig { size: 20_000_000, limit: 10_000_000 };
    assert_eq!(Suspects::default().refused_alone(0, &large), Cause::Mail);
}

#[test]
fn bad_addresses_that_came_before_many_good_ones_are_condemned_one_after_the_other() {
    let (suspects, no) = (Suspects::default(), refusal(Command::Rcpt, 550));
    assert_eq!(refuse_alone(&suspects, 0..20, &no).0, 5);
    (100..140).for_each(|event| pass(&suspects, event));
    for event in 5..20 {
        assert_eq!(suspects.has_to_wait(event), None, "{event}");
        assert_eq!(suspects.refused_alone(event, &no), Cause::Mail, "{event}");
        suspects.forget(event);
    }
}
