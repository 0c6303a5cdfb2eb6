//! The settings of the email service.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use chassis::{ConsumerSettings, Env, Variable, whole};
use contract::Email;
use lettre::message::Mailbox;
use messaging::{ConsumerOptions, Endpoint};
use url::Host;

use crate::{
    message::{self, Sender},
    smtp::{Security, SmtpLimits, SmtpOptions, SmtpUrl, reads_authorities},
};

/// The valid configuration.
#[derive(Debug)]
pub struct Config {
    /// The settings of the consumer, within what the SMTP server is to bear.
    pub consumer: ConsumerSettings,
    /// How to send mails; `None` writes them to the log.
    pub transport: Option<TransportConfig>,
    /// The address for messages that are text and not an order; `None` writes them to the log.
    pub fallback_to: Option<Email>,
}

/// The settings of sending mail.
#[derive(Debug)]
pub struct TransportConfig {
    /// The settings of the SMTP client.
    pub smtp: SmtpOptions,
    /// The sender of the mails.
    pub sender: Sender,
}

impl Config {
    /// Reads it, and notes every fault in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let endpoint = Endpoint::from_env(env);
        let mut options = consumer_options(env);
        let url: Option<SmtpUrl> = env.read_or_why(URL.expecting(URL_FORM), str::parse);
        let authorities = env.read_or_why(CA_FILE.expecting("a readable PEM file with certificates"), authorities);
        let from = env.read(FROM.expecting("an address, or NAME <ADDRESS>"), mailbox);
        let reply_to = env.read(REPLY_TO.expecting("an address, or NAME <ADDRESS>"), mailbox);
        let fallback_to = env.read_or_why(FALLBACK_TO.expecting("an email address"), Email::parse);
        let hello = env.read(
            HELO.expecting("a host name such as shop.example.com, or an address literal such as [192.0.2.1]"),
            helo,
        );
        let apart = env.read(
            RATE.expecting("a whole number of mails a second, minute or hour, such as 14/s, 500/m or 10000/h"),
            apart,
        );
        let connections = env.number(CONNECTIONS, 1..=1000);
        let limits = limits(env, options.handle_timeout);
        let set = [
            (CA_FILE, authorities.is_some()),
            (FROM, from.is_some()),
            (REPLY_TO, reply_to.is_some()),
            (FALLBACK_TO, fallback_to.is_some()),
            (HELO, hello.is_some()),
            (RATE, apart.is_some()),
        ];
        refuse_halves(env, url.as_ref(), set.into_iter().filter_map(|(variable, set)| set.then_some(variable.name)));
        let from = from.unwrap_or_else(|| mailbox(WARREN).expect("it is an address"));
        let transport = url.map(|url| TransportConfig {
            smtp: SmtpOptions { url, authorities, hello, connections, apart: apart.unwrap_or_default(), limits },
            sender: Sender { from, reply_to },
        });
        if let Some(transport) = &transport {
            // Each mail that is being sent has a connection of its own. A mail that waits for a connection must not
            // be begun, or its time would run out.
            options.concurrency = options.concurrency.min(transport.smtp.connections);
            options.prefetch = options.prefetch.min(held(&transport.smtp));
        }
        Self { consumer: ConsumerSettings { endpoint, options }, transport, fallback_to }
    }
}

/// RabbitMQ's own default: it takes back an event that is not answered by then.
const BROKERS_PATIENCE: Duration = Duration::from_secs(30 * 60);

fn consumer_options(env: &mut Env) -> ConsumerOptions {
    let options = ConsumerOptions::with_handle_timeout(HANDLE_TIMEOUT, env);
    if options.handle_timeout >= BROKERS_PATIENCE {
        env.fault(
            "HANDLE_TIMEOUT",
            "a duration below 30m, after which RabbitMQ takes an event back (consumer_timeout)",
        );
    }
    options
}

/// The most events that may be held. RabbitMQ takes back an event that it delivered half an hour ago. No event is to
/// wait that long here, even if the server needs ten minutes for each mail, or at a low rate.
fn held(smtp: &SmtpOptions) -> u16 {
    let soon = Duration::from_secs(600).as_millis() / smtp.apart.as_millis().max(1);
    let twice = 2 * smtp.connections as u128;
    u16::try_from(soon.min(twice).max(1)).unwrap_or(u16::MAX)
}

fn limits(env: &mut Env, whole: Duration) -> SmtpLimits {
    let longest = Duration::from_secs(30 * 60);
    let mut read = |variable| env.duration(variable, Duration::from_millis(100)..=longest);
    SmtpLimits {
        connect: read(CONNECT_TIMEOUT),
        command: read(COMMAND_TIMEOUT),
        data: read(DATA_TIMEOUT),
        last: read(FINAL_TIMEOUT),
        whole,
    }
}

/// A deployment that sets one of these wants mail to be sent, or its server to be verified.
fn refuse_halves(env: &mut Env, url: Option<&SmtpUrl>, set: impl Iterator<Item = &'static str>) {
    let url_is_wrong = env.faults().iter().any(|fault| fault.name() == URL.name);
    let in_the_clear = url.is_some_and(|url| url.security == Security::Clear);
    for name in set {
        if url.is_none() && !url_is_wrong {
            env.fault(name, "SMTP_URL beside it: without one all mail goes to the log");
        }
        if name == CA_FILE.name && in_the_clear {
            env.fault(name, "an SMTP_URL without tls=none: certificates are for TLS");
        }
    }
}

/// The sender if no other is set.
const WARREN: &str = "Warren <warren@localhost>";

const URL: Variable =
    Variable::new("SMTP_URL", "the SMTP server, and how to log in").otherwise("none, mail goes to the log").secret();
const CA_FILE: Variable =
    Variable::new("SMTP_CA_FILE", "certificates to verify the SMTP server with").otherwise("the system's roots");
const FROM: Variable = Variable::new("EMAIL_FROM", "the sender of the mails").otherwise(WARREN);
const REPLY_TO: Variable = Variable::new("EMAIL_REPLY_TO", "the address for replies to mails").otherwise("EMAIL_FROM");
const FALLBACK_TO: Variable =
    Variable::new("EMAIL_FALLBACK_TO", "the address for messages that are text and not an order")
        .otherwise("none, they go to the log");
const CONNECTIONS: Variable =
    Variable::new("SMTP_CONNECTIONS", "the most connections to the SMTP server, and so mails sent at once").or("16");

const HELO: Variable = Variable::new("SMTP_HELO", "the name with which the client greets the server")
    .otherwise("the address it dials from, as a literal");
const RATE: Variable = Variable::new("SMTP_RATE", "the most mails that one process sends in a time")
    .otherwise("as fast as the server takes them");
const CONNECT_TIMEOUT: Variable = Variable::new(
    "SMTP_CONNECT_TIMEOUT",
    "the longest time to connect to each address of the server, and then to encrypt the connection",
)
.or("30s");
const COMMAND_TIMEOUT: Variable = Variable::new(
    "SMTP_COMMAND_TIMEOUT",
    "the longest time for the server's greeting, and for its answer to a command",
)
.or("5m");
const DATA_TIMEOUT: Variable = Variable::new(
    "SMTP_DATA_TIMEOUT",
    "the longest time until the server asks for the message, and takes each 64 KiB of it",
)
.or("3m");
const FINAL_TIMEOUT: Variable =
    Variable::new("SMTP_FINAL_TIMEOUT", "the longest time until the server says that it has the message").or("10m");

/// Long enough for a mail server that uses all the times of RFC 5321.
const HANDLE_TIMEOUT: Variable =
    Variable::new("HANDLE_TIMEOUT", "the longest that one mail may take in all; a shorter one shortens each step")
        .or("25m");

const URL_FORM: &str = "smtp://[USER:PASSWORD@]HOST[:PORT][?tls=required|opportunistic|none] or smtps://…";

fn authorities(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    reads_authorities(&path).map(|()| path)
}

/// A sender whose address every server takes: ASCII, and no literal IP address.
fn mailbox(text: &str) -> Option<Mailbox> {
    let mailbox: Mailbox = text.parse().ok()?;
    let tame = !text.contains(char::is_control) && text.trim_end_matches('>').ends_with(mailbox.email.domain());
    let email = Email::parse(mailbox.email.as_ref()).ok().filter(|email| tame && email.is_ascii())?;
    Some(Mailbox::new(mailbox.name, message::address(&email)))
}

/// A host name or an address literal, as servers take it (RFC 5321, 4.1.1.1).
fn helo(text: &str) -> Option<String> {
    let literal = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let valid = match literal {
        Some(literal) => match literal.strip_prefix("IPv6:") {
            Some(literal) => literal.parse().is_ok_and(|address: IpAddr| address.is_ipv6()),
            None => literal.parse().is_ok_and(|address: IpAddr| address.is_ipv4()),
        },
        None => {
            let is_label = |label: &str| {
                let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
                (1..=63).contains(&label.len())
                    && label.chars().all(inner)
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            };
            text.len() <= 253 && text.split('.').all(is_label) && matches!(Host::parse(text), Ok(Host::Domain(_)))
        }
    };
    valid.then(|| text.to_owned())
}

/// The time between two mails at this rate.
fn apart(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_once('/')?;
    let period = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        _ => return None,
    };
    let apart = Duration::from_secs(period).checked_div(whole(count)?)?;
    // At a lower rate a mail would wait for longer than one mail may take.
    (apart <= Duration::from_secs(60)).then_some(apart)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Config, Vec<String>) {
        let mut env = Env::from_map(variables.iter().copied());
        let config = Config::from_env(&mut env);
        (config, env.faults().iter().map(ToString::to_string).collect())
    }

    fn faults(variables: &[(&str, &str)]) -> Vec<String> {
        read(variables).1
    }

    #[test]
    fn without_variables_mail_goes_to_the_log() {
        let (config, faults) = read(&[]);
        assert!(config.transport.is_none() && faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn a_url_alone_is_enough_to_send() {
        let (config, faults) = read(&[("SMTP_URL", "smtp://mail.example.com")]);
        assert_eq!(faults, Vec::<String>::new());
        let transport = config.transport.unwrap();
        assert_eq!(transport.sender.from.to_string(), "Warren <warren@localhost>");
        assert_eq!(transport.smtp.connections, 16);
        let seconds = [
            transport.smtp.limits.command,
            transport.smtp.limits.data,
            transport.smtp.limits.last,
            transport.smtp.limits.whole,
        ];
        assert_eq!(seconds.map(|limit| limit.as_secs()), [300, 180, 600, 1500]);
    }

    #[test]
    fn half_a_configuration_is_a_fault() {
        let found = faults(&[("EMAIL_FROM", "shop@example.com"), ("EMAIL_FALLBACK_TO", "ops@example.com")]);
        assert_eq!(found.len(), 2);
        let expected =
            "EMAIL_FROM=\"shop@example.com\": expected SMTP_URL beside it: without one all mail goes to the log";
        assert!(found[0].starts_with(expected), "{found:?}");
    }

    #[test]
    fn certificates_for_a_server_that_is_not_verified_are_a_fault() {
        let mut env = Env::from_map([("SMTP_CA_FILE", "ca.pem")]);
        refuse_halves(&mut env, Some(&"smtp://host?tls=none".parse().unwrap()), [CA_FILE.name].into_iter());
        assert!(env.faults()[0].to_string().contains("expected an SMTP_URL without tls=none"), "{:?}", env.faults());
    }

    #[test]
    fn a_wrong_url_is_the_only_fault_of_a_whole_configuration() {
        assert_eq!(faults(&[("SMTP_URL", "host"), ("EMAIL_FROM", "shop@example.com")]).len(), 1);
    }

    #[test]
    fn a_wrong_url_is_told_without_its_password() {
        let found = faults(&[("SMTP_URL", "smtp://ada:secret@host?tls=opportunistic")]);
        let expected = "SMTP_URL=[redacted]: a password needs tls=required, or tls=none to send it in the clear; \
                        expected smtp://[USER:PASSWORD@]HOST[:PORT][?tls=required|opportunistic|none] or smtps://… \
                        (default: none, mail goes to the log)";
        assert_eq!(found, [expected]);
        assert!(!faults(&[("SMTP_URL", "secret")])[0].contains("secret"));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let found = faults(&[
            ("SMTP_URL", "smtp://host"),
            ("SMTP_CA_FILE", "/nowhere"),
            ("SMTP_CONNECTIONS", "0"),
            ("EMAIL_FROM", "a@b.example, c@d.example"),
            ("EMAIL_FALLBACK_TO", "Ops <ops@example.com>"),
        ]);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[2].contains("\" \" is not allowed before the @; expected an email address"), "{found:?}");
    }

    #[test]
    fn a_sender_is_one_address_that_headers_can_hold() {
        for good in
            ["shop@example.com", "Tea & Co <shop@example.com>", "\"Tea, Co\" <shop@example.com>", "Tée <t@b.example>"]
        {
            assert!(mailbox(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "shop",
            "a@b.example, c@d.example",
            "a@b.example c",
            "täa@b.example",
            "a@[127.0.0.1]",
            "a\r\nBcc: <c@d.example>",
        ] {
            assert!(mailbox(bad).is_none(), "{bad}");
        }
    }
}
