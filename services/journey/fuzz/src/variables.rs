//! What operators set.

use chassis::Env;
use messaging::AmqpUrl;
use messaging::redrive::RedriveOptions;

/// Lines of `NAME=value`: the environment of a service, which is each in turn.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let variables = || text.lines().filter_map(|line| line.split_once('='));
    // What a path names is this machine's, not the text's.
    if variables().any(|(name, _)| name.ends_with("_FILE")) {
        return;
    }
    let faults = |read: &dyn Fn(&mut Env)| {
        let mut env = Env::from_map(variables());
        read(&mut env);
        env.faults().iter().for_each(|fault| is_told(&fault.to_string()));
    };
    faults(&|env| drop(order::Config::from_env(env)));
    faults(&|env| drop(email::Config::from_env(env)));
    faults(&|env| drop(chassis::ConsumerSettings::from_env(env)));
    faults(&|env| drop(RedriveOptions::from_env(env)));
    variables().filter_map(|(_, value)| value.parse().ok()).for_each(is_shown_without_password);
}

/// A fault is a short line, and never shows what is secret.
fn is_told(fault: &str) {
    assert!(fault.chars().count() <= 1024 && !fault.contains(char::is_control), "{fault:?}");
    let Some((name, shown)) = fault.split_once('=') else { return };
    assert!(!name.ends_with("_URL") || shown.starts_with("[redacted]") || shown.starts_with("\"\""), "{fault:?}");
}

/// What stands in the log is the same address.
fn is_shown_without_password(url: AmqpUrl) {
    let again: AmqpUrl = url.to_string().parse().expect("it is shown as a URL");
    let parts = |url: &AmqpUrl| (url.tls, url.user.clone(), url.host.clone(), url.port, url.vhost.clone());
    assert_eq!(parts(&again), parts(&url));
}
