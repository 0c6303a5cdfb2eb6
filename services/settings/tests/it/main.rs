//! What an environment may hold, and what is said of what it may not.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use settings::{Env, Secret, Variable};

const PREFETCH: Variable = Variable::new("PREFETCH", "how many messages are fetched ahead");

fn prefetch(env: &mut Env) -> Option<u16> {
    let variable = PREFETCH.expecting("a whole number from 1 to 65535").or("twice CONCURRENCY");
    env.read(variable, |text| text.parse().ok())
}

fn faults(env: &Env) -> Vec<String> {
    env.faults().iter().map(ToString::to_string).collect()
}

#[test]
fn a_wrong_value_is_named_with_what_was_expected_and_its_default() {
    let mut env = Env::from_map([("PREFETCH", "many")]);
    assert_eq!(prefetch(&mut env), None);
    assert_eq!(
        faults(&env),
        [r#"PREFETCH="many": expected a whole number from 1 to 65535 (default: twice CONCURRENCY)"#]
    );
}

#[test]
fn a_variable_that_is_not_set_has_its_default() {
    let mut env = Env::default();
    assert_eq!(env.number(PREFETCH.or("16"), 1..=100), 16);
    assert_eq!(env.setting(PREFETCH, |_| true), None);
    assert_eq!(faults(&env), [""; 0]);
}

#[test]
fn a_default_that_is_not_accepted_is_a_description() {
    let mut env = Env::default();
    assert_eq!(prefetch(&mut env), None);
    assert_eq!(faults(&env), [""; 0]);
}

#[test]
fn a_variable_that_is_set_and_empty_is_a_fault_even_where_any_text_goes() {
    let mut env = Env::from_map([("NAME", "")]);
    assert_eq!(env.setting(Variable::new("NAME", "a name"), |_| true), None);
    assert_eq!(faults(&env), [r#"NAME="": expected a text that is not empty"#]);
}

#[test]
fn a_variable_that_is_not_utf8_is_a_fault() {
    let mut env = Env::from_map([("NAME", OsString::from_vec(vec![b'a', 0xff]))]);
    assert_eq!(env.setting(Variable::new("NAME", "a name"), |_| true), None);
    assert_eq!(faults(&env), [r#"NAME="a\xFF": expected UTF-8: a text that is not empty"#]);
}

#[test]
fn a_variable_that_has_to_be_set_and_is_not_is_a_fault() {
    let mut env = Env::default();
    assert_eq!(env.require(Variable::new("QUEUE", "the queue"), |text| Some(text.to_owned())), None);
    assert_eq!(faults(&env), ["QUEUE is not set: expected a text that is not empty"]);
}

#[test]
fn a_secret_is_not_shown_when_it_is_wrong() {
    let mut env = Env::from_map([("SMTP_URL", "http://u:hunter2@h"), ("TOKEN", "\u{e9}")]);
    let url = Variable::new("SMTP_URL", "the mail server").expecting("smtp://HOST or smtps://HOST");
    env.setting(url.otherwise("none, mail goes to the log").secret(), |text| text.starts_with("smtp"));
    let expected = "SMTP_URL=[redacted]: expected smtp://HOST or smtps://HOST (default: none, mail goes to the log)";
    assert_eq!(faults(&env), [expected]);
    assert_eq!(format!("{:?}", Secret::new("hunter2")), "[redacted]");
}

#[test]
fn a_fault_between_variables_shows_the_value_and_its_default() {
    let mut env = Env::from_map([("HANDLE_TIMEOUT", "30s")]);
    env.duration(Variable::new("HANDLE_TIMEOUT", "").or("15s"), Duration::ZERO..=Duration::from_secs(60));
    env.fault("HANDLE_TIMEOUT", "less than SHUTDOWN_TIMEOUT (25s)");
    assert_eq!(faults(&env), [r#"HANDLE_TIMEOUT="30s": expected less than SHUTDOWN_TIMEOUT (25s) (default: 15s)"#]);
}

#[test]
fn durations_are_written_in_one_way() {
    let read = |text: &str| {
        let mut env = Env::from_map([("WAIT", text)]);
        let wait = env.duration(Variable::new("WAIT", "").or("1s"), Duration::ZERO..=Duration::from_secs(600));
        env.faults().is_empty().then_some(wait)
    };
    assert_eq!(read("500ms"), Some(Duration::from_millis(500)));
    assert_eq!(read("5s"), Some(Duration::from_secs(5)));
    assert_eq!(read("2m"), Some(Duration::from_secs(120)));
    for wrong in ["5", "s", "5 s", "1m30s", "5sec", "-5s", "1h", "5S", "11m", "99999999999999999999s", "5s 6s"] {
        assert_eq!(read(wrong), None, "{wrong:?}");
    }
}

#[test]
fn numbers_are_digits_within_their_range() {
    let read = |text: &str| {
        let mut env = Env::from_map([("PREFETCH", text)]);
        let number = env.number::<u16>(PREFETCH.or("1"), 1..=500);
        env.faults().is_empty().then_some(number)
    };
    assert_eq!((read("1"), read("500")), (Some(1), Some(500)));
    for wrong in ["0", "501", "+5", "-1", "1.0", "1e2", "99999999999", "1 2", "0x1"] {
        assert_eq!(read(wrong), None, "{wrong:?}");
    }
}

#[test]
fn white_space_at_the_ends_is_no_part_of_a_value() {
    let value = |text: &str| Env::from_map([("QUEUE", text)]).setting(Variable::new("QUEUE", ""), |_| true);
    for text in ["email-queue\n", "email-queue\r\n", "\t email-queue  ", "\u{feff}email-queue\n"] {
        assert_eq!(value(text).as_deref(), Some("email-queue"), "{text:?}");
    }
    let mut env = Env::from_map([("QUEUE", " \n")]);
    env.setting(Variable::new("QUEUE", ""), |_| true);
    assert_eq!(faults(&env), ["QUEUE=\"\": expected a text that is not empty"]);
}

#[test]
fn what_is_wrong_is_said_before_what_is_expected() {
    let url = || Variable::new("AMQP_URL", "the broker").expecting("amqp://…").secret();
    for (text, told) in [
        ("hunter2", "AMQP_URL=[redacted]: it has no scheme; expected amqp://…"),
        ("", "AMQP_URL=\"\": expected amqp://…"),
    ] {
        let mut env = Env::from_map([("AMQP_URL", text)]);
        assert_eq!(env.read_or_why(url(), |_| Err::<(), _>("it has no scheme")), None);
        assert_eq!(env.faults().iter().map(ToString::to_string).collect::<Vec<_>>(), [told]);
    }
    let mut env = Env::from_map([("AMQP_URL", "amqp://h")]);
    assert_eq!(env.read_or_why(url(), str::parse::<String>).as_deref(), Some("amqp://h"));
    assert!(env.faults().is_empty());
}
