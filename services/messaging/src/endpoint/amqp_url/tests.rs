use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> AmqpUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_part_of_a_url_is_decoded() {
    let url = parsed("amqps://a%40b:p%2fw%25@[::1]:5680/team%2fone");
    assert!(url.tls);
    assert_eq!((url.user.as_str(), url.password()), ("a@b", "p/w%"));
    assert_eq!((url.host.as_str(), url.port, url.vhost.as_str()), ("::1", 5680, "team/one"));
    assert_eq!(url.authority(), "[::1]:5680");
}

#[test]
fn a_url_without_a_vhost_or_with_a_trailing_slash_is_of_the_vhost_slash() {
    for text in ["amqp://h", "amqp://h/", "amqp://h/%2f", "amqp://h/%2F"] {
        assert_eq!(parsed(text).vhost, "/", "{text}");
    }
}

#[test]
fn ports_and_user_have_the_usual_defaults() {
    assert_eq!((parsed("amqp://h").port, parsed("amqps://h").port), (5672, 5671));
    assert_eq!((parsed("amqp://h").user.as_str(), parsed("amqp://h").password()), ("guest", "guest"));
}

#[test]
fn an_at_sign_in_a_password_need_not_be_encoded() {
    assert_eq!(parsed("amqp://u:p@ss@h:1/").password(), "p@ss");
}

#[test]
fn a_password_is_never_shown() {
    let url = parsed("amqp://user:hunter2@h/");
    assert!(!format!("{url} {url:?} {url:#?}").contains("hunter2"));
}

#[test]
fn white_space_at_the_ends_is_no_part_of_a_url() {
    for text in ["amqp://u:p@h/v\n", "  amqp://u:p@h/v\r\n", "\tamqp://u:p@h/v "] {
        assert_eq!(parsed(text), parsed("amqp://u:p@h/v"), "{text:?}");
    }
}

#[test]
fn a_line_break_at_the_end_of_a_password_is_no_part_of_it() {
    for text in ["amqp://u:p\n@h/v", "amqp://u:p\r\n@h/v", "amqp://u:p\n@h/v\n"] {
        assert_eq!(parsed(text), parsed("amqp://u:p@h/v"), "{text:?}");
    }
}

#[test]
fn common_parameters_are_taken_within_their_bounds() {
    let url = parsed("AMQP://u:p@h/v?heartbeat=30&connection_timeout=60000&frame_max=262144");
    assert_eq!((url.heartbeat_seconds(), url.frame_max()), (30, 262_144));
    assert_eq!(url.connection_timeout(), Duration::from_secs(60));
    assert_eq!(url.vhost, "v");
    for plain in ["amqp://h", "amqp://h?", "amqp://h/?&"] {
        let url = parsed(plain);
        assert_eq!((url.heartbeat_seconds(), url.frame_max(), url.vhost.as_str()), (10, 131_072, "/"), "{plain}");
        assert_eq!(url.connection_timeout(), Duration::from_secs(5), "{plain}");
    }
    assert_eq!(parsed("amqp://h?heartbeat=600").heartbeat_seconds(), 600);
}

#[test]
fn each_malformed_url_is_refused_with_what_is_wrong() {
    let refused = [
        ("http://h", "begin with"),
        ("h:5672", "begin with"),
        ("amqp://", "one host"),
        ("amqp://u:p@/", "one host"),
        ("amqp://h:0", "1 to 65535"),
        ("amqp://h:99999", "1 to 65535"),
        ("amqp://::1:5672", "IPv6 in"),
        ("amqp://[::1", "IPv6"),
        ("amqp://[h]:5672", "IPv6"),
        ("amqp://[::1]5672", "only :PORT"),
        ("amqp://@h", "no user"),
        ("", "begin with"),
        ("amqp:/h", "begin with"),
        ("amqp://u:%zz@h", "percent-encoded"),
        ("amqp://u:%f@h", "percent-encoded"),
        ("amqp://h/%ff", "percent-encoded"),
        ("amqp://h/a/b", "%2f"),
        ("amqp://a,b/", "one host only: a Service or DNS name stands for several"),
        ("amqp://u:p@a:5672,b:5672/v", "one host only: a Service or DNS name stands for several"),
        ("amqp://u:p@a;b/v", "one host only"),
        ("amqp://u:p@a/v,amqp://u:p@b/v", "one host only"),
        ("amqp://u:p@a:1,amqp://u:p@b:2", "one host only"),
        ("amqp://u:s3cret@h/ v", "white space within it"),
        ("amqp://h/v#s3cret", "a # in it"),
        ("amqp://u:s3c?ret@h/", "a ? in its user or password"),
        ("amqp://u:s3c/ret@h/v", "a / in its user or password"),
        ("amqp://h?x=5", "unknown parameter \"x\": known are heartbeat, connection_timeout and frame_max"),
        ("amqp://h/v?heartbeat=5&channel_max=9", "unknown parameter \"channel_max\""),
        ("amqp://h/v?s3c%20ret", "unknown parameter: known"),
        ("amqp://h?heartbeat=0", "heartbeat must be a whole number of seconds from 1 to 600"),
        ("amqp://h?heartbeat", "heartbeat must be"),
        ("amqp://h?heartbeat=30s", "heartbeat must be"),
        ("amqp://h?heartbeat=601", "heartbeat must be"),
        ("amqp://h?heartbeat=5&heartbeat=5", "twice"),
        (
            "amqp://h?connection_timeout=10",
            "connection_timeout must be a whole number of milliseconds from 100 to 60000",
        ),
        ("amqp://h?frame_max=4096", "frame_max must be a whole number of bytes from 131072 to 1048576"),
        ("amqp://h?frame_max=99999999999", "frame_max must be"),
    ];
    for (text, why) in refused {
        let error = text.parse::<AmqpUrl>().expect_err(text).to_string();
        assert!(error.contains(why), "{text}: {error}");
        assert!(!error.contains("s3c") && !error.contains("ret@"), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_the_parser(text in "(amqps?://)?\\PC*") {
        let _ = text.parse::<AmqpUrl>();
    }

    #[test]
    fn any_user_password_and_vhost_survive_their_encoding(user in ".{1,40}", password in ".{0,40}", vhost in ".{1,40}") {
        let url = format!("amqp://{}:{}@h/{}", percent_encoded(&user), percent_encoded(&password), percent_encoded(&vhost));
        let url = parsed(&url);
        prop_assert_eq!((url.user.as_str(), url.password(), url.vhost.as_str()), (user.as_str(), password.as_str(), vhost.as_str()));
    }
}
