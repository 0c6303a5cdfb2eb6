//! What each binary says to a wrong environment, and what none ever says.

use std::net::TcpListener;

use journey::{Broker, Plan, Process, Request, SmtpOptions, SmtpServer, an_order, eventually, free_port};

use crate::variables::{self, SERVICES, Variable};

/// What must never be printed.
const SECRET: &str = "s3cret-pa55word";

/// The same in base64, as a login carries it: alone, and behind `\0guest\0` and `\0shop\0`.
const ENCODED: [&str; 3] = ["czNjcmV0LXBhNTV3b3Jk", "AGd1ZXN0AHMzY3JldC1wYTU1d29yZA", "AHNob3AAczNjcmV0LXBhNTV3b3Jk"];

const DURATIONS: &[&str] = &["5", "5x", "-1s", "soon"];
const ADDRESSES: &[&str] = &["9090", "localhost", "127.0.0.1:65536", "127.0.0.1:http"];
const FILES: &[&str] = &["/nowhere/ca.pem", "/dev/null", "/proc/self/status", "/"];

/// Values of each variable that are malformed or out of range. Those that take any text are not here.
const WRONG: &[(&str, &[&str])] = &[
    ("AMQP_CA_FILE", FILES),
    ("AMQP_CERT_FILE", FILES),
    ("AMQP_KEY_FILE", FILES),
    (
        "AMQP_URL",
        &[
            "localhost",
            "http://u:s3cret-pa55word@host",
            "amqp//u:s3cret-pa55word@host",
            "amqp://u:s3cret-pa55word@h:99999",
        ],
    ),
    ("CONCURRENCY", &["0", "4097", "many", "-1"]),
    ("DEDUPE_CAPACITY", &["10000001", "-1", "1e3", "many"]),
    ("DRAIN_DELAY", DURATIONS),
    ("DRY_RUN", &["yes", "1", "TRUE", "maybe"]),
    ("EMAIL_FALLBACK_TO", &["ops", "ops@", "a b@example.com", "@example.com"]),
    ("EMAIL_FROM", &["ops", "Shop <ops>", "ops@example.com\nBcc: all@example.com", "@example.com"]),
    ("EMAIL_REPLY_TO", &["ops", "Shop <ops>", "ops@example.com\nBcc: all@example.com", "@example.com"]),
    ("HANDLE_TIMEOUT", DURATIONS),
    ("HTTP_ADDR", ADDRESSES),
    ("LIMIT", &["0", "-1", "many", "1.5"]),
    ("LOG_FORMAT", &["xml", "JSON", "1", "text,json"]),
    ("LOG_LEVEL", &["verbose", "info;a=debug", "=debug", "info,messaging=loud"]),
    ("MAX_DELIVERIES", &["2", "11", "-1", "many"]),
    ("MAX_REDRIVES", &["0", "many", "1.5", "99999999999"]),
    ("OPS_ADDR", ADDRESSES),
    ("PREFETCH", &["0", "65536", "many", "-1"]),
    ("PUBLISH_LANES", &["0", "33", "4.5", "many"]),
    ("PUBLISH_MAX_PENDING", &["0", "65537", "-1", "many"]),
    ("PUBLISH_TIMEOUT", &["99ms", "61s", "5", "soon"]),
    ("READINESS_GRACE", DURATIONS),
    ("REASON", &["bad-luck", "Attempts", "1", "attempts,for-good"]),
    ("REQUIRED_QUEUES", &["email-queue", "email-queue:", ":order.placed", "email-queue:order.placed,"]),
    ("RETRY_DELAYS", &["0s", "25h", "1s;2s", "1s,"]),
    ("SHUTDOWN_TIMEOUT", &["999ms", "61m", "25", "soon"]),
    ("SMTP_CA_FILE", FILES),
    ("SMTP_COMMAND_TIMEOUT", DURATIONS),
    ("SMTP_CONNECTIONS", &["0", "1001", "many", "-1"]),
    ("SMTP_CONNECT_TIMEOUT", DURATIONS),
    ("SMTP_DATA_TIMEOUT", DURATIONS),
    ("SMTP_FINAL_TIMEOUT", DURATIONS),
    ("SMTP_HELO", &["two words", "a..b", "[192.0.2]", "[IPv6:192.0.2.1]"]),
    ("SMTP_RATE", &["14", "0/s", "many/s", "14/d"]),
    (
        "SMTP_URL",
        &[
            "mail.example.com",
            "http://u:s3cret-pa55word@host",
            "smtp://u:s3cret-pa55word@",
            "smtp://u:s3cret-pa55word@h?tls=no",
        ],
    ),
];

/// Any text will do for these, if it is one.
const ANY_TEXT: [&str; 3] = ["QUEUE", "DEAD_QUEUE", "EVENT_ID"];

/// The variables of OpenTelemetry, which end no service, and what of them cannot be used.
const OTEL: [(&str, &str); 21] = [
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
    ("OTEL_BSP_SCHEDULE_DELAY", "0"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:s3cret-pa55word@host"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret-pa55word"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
    ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/dev/null"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://s3cret-pa55word"),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=1,s3cret-pa55word"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1"),
    ("OTEL_RESOURCE_ATTRIBUTES", "team=orders,"),
    ("OTEL_SDK_DISABLED", "yes"),
    ("OTEL_TRACES_EXPORTER", "otlp,console"),
    ("OTEL_TRACES_SAMPLER", "xray"),
    ("OTEL_TRACES_SAMPLER_ARG", "half"),
    ("OTEL_SERVICE_NAME", "\u{feff} "),
];

const SECRETS: [&str; 6] = [
    "AMQP_URL",
    "SMTP_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
];

fn shows_the_secret(said: &str) -> bool {
    said.contains(SECRET) || ENCODED.iter().any(|encoded| said.contains(encoded))
}

/// Starts a service that should refuse its environment; returns what it said.
async fn refused<'a>(service: &str, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let variables = variables.into_iter().map(|(name, value)| (name, value.to_owned()));
    let mut process = Process::start(service, variables);
    assert_eq!(process.exit_code().await, 64, "{}", process.log());
    process.log()
}

/// Whether one of the lines names the variable, this value, what was expected, and the default.
fn tells(said: &str, variable: &Variable, shown: &str) -> bool {
    let beginning = format!("{}={shown}: ", variable.name);
    // What is wrong with it may come first.
    let expected = format!("expected {}", variable.expected);
    let end = format!("(default: {})", variable.default);
    let ends = |line: &str| line.ends_with(&end) || variable.name == "QUEUE";
    said.lines().filter(|line| line.starts_with(&beginning) && line.contains(&expected) && ends(line)).count() == 1
}

/// The variables of a service that are not OpenTelemetry's.
async fn ours(service: &str) -> Vec<Variable> {
    let mut variables = variables::of(service).await;
    variables.retain(|variable| !variable.name.starts_with("OTEL_"));
    variables
}

#[tokio::test]
async fn every_variable_that_is_set_and_empty_is_told_and_all_at_once() {
    for service in SERVICES {
        let variables = ours(service).await;
        let said = refused(service, variables.iter().map(|variable| (variable.name.as_str(), " \n"))).await;
        for variable in &variables {
            assert!(tells(&said, variable, "\"\""), "{service}: {variable:?} in\n{said}");
        }
        assert_eq!(said.lines().count(), variables.len(), "{service}: {said}");
    }
}

#[tokio::test]
async fn every_value_that_is_malformed_or_out_of_range_is_told_and_no_secret() {
    for service in SERVICES {
        let variables = ours(service).await;
        let checked: Vec<_> = variables.iter().filter(|variable| !ANY_TEXT.contains(&variable.name.as_str())).collect();
        for round in 0..4 {
            let wrong = |variable: &&Variable| {
                let (_, values) = WRONG.iter().find(|(name, _)| *name == variable.name)?;
                Some(values[round])
            };
            let set = checked.iter().map(|variable| {
                let value = wrong(variable).unwrap_or_else(|| panic!("{variable:?} is not in this test"));
                (variable.name.as_str(), value)
            });
            let said = refused(service, set).await;
            for variable in &checked {
                let secret = SECRETS.contains(&variable.name.as_str());
                let shown =
                    wrong(variable).map(|value| if secret { "[redacted]".to_owned() } else { format!("{value:?}") });
                assert!(tells(&said, variable, &shown.unwrap()), "{service}: {variable:?} in\n{said}");
            }
            assert!(!shows_the_secret(&said), "{service}: {said}");
        }
    }
}

#[tokio::test]
async fn whatever_platforms_set_for_opentelemetry_orders_are_taken() {
    let broker = Broker::shared().await;
    let all = variables::of("order").await;
    let known = all.iter().map(|variable| variable.name.as_str()).filter(|name| name.starts_with("OTEL_"));
    assert_eq!(known.filter(|name| OTEL.iter().all(|(listed, _)| listed != name)).collect::<Vec<_>>(), [""; 0]);
    for empty in [false, true] {
        let set = |plan: Plan, (name, value): &(&'static str, &str)| plan.order(name, if empty { "" } else { value });
        let mut order = OTEL.iter().fold(Plan::on(&broker), set).launch("order");
        order.ready().await;
        let port = order.http_port().await;
        assert_eq!(Request::post(port, "/orders", &an_order()).send().await.status, 202);
        let log = order.log();
        for (name, _) in OTEL {
            let told = log.lines().filter(|line| line.contains("warn") && line.contains(&format!("{name}="))).count();
            assert_eq!(told, usize::from(!empty && name != "OTEL_SERVICE_NAME"), "{name}: {log}");
        }
        assert!(!shows_the_secret(&log), "{log}");
    }
}

#[tokio::test]
async fn white_space_around_a_value_is_none_of_it() {
    let broker = Broker::shared().await;
    let plan = Plan::on(&broker).order("AMQP_URL", format!(" {}\r\n", broker.url())).order("DRAIN_DELAY", "0s\n");
    let mut order = plan.launch("order");
    order.ready().await;
    let port = order.http_port().await;
    assert_eq!(Request::post(port, "/orders", &an_order()).send().await.status, 202);
}

#[tokio::test]
async fn a_variable_that_is_needed_and_missing_is_told() {
    let said = refused("redrive", []).await;
    assert!(said.starts_with("QUEUE is not set: expected "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[tokio::test]
async fn times_that_do_not_fit_into_each_other_are_told() {
    let said = refused("email", [("HANDLE_TIMEOUT", "30m")]).await;
    assert!(said.contains("HANDLE_TIMEOUT=\"30m\": expected a duration below 30m, after which RabbitMQ"), "{said}");
    let said = refused("order", [("SHUTDOWN_TIMEOUT", "10s")]).await;
    let expected =
        "SHUTDOWN_TIMEOUT=\"10s\": expected a duration above DRAIN_DELAY, PUBLISH_TIMEOUT and 13s for a request";
    assert!(said.starts_with(expected), "{said}");
}

#[tokio::test]
async fn an_unknown_argument_is_told_with_those_there_are() {
    for service in SERVICES {
        for arguments in [&["serve"][..], &["--verbose"], &["healthcheck", "now"], &["--help", "me"]] {
            let mut process = Process::start_with(service, arguments, []);
            assert_eq!(process.exit_code().await, 64, "{service} {arguments:?}");
            let told = format!("{service}: unknown argument {:?}: ", arguments.join(" "));
            assert!(process.log().starts_with(&told) && process.log().contains("--help"), "{}", process.log());
        }
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_the_variable_that_names_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    for (service, name) in
        [("order", "HTTP_ADDR"), ("order", "OPS_ADDR"), ("email", "OPS_ADDR"), ("analytics", "OPS_ADDR")]
    {
        let mut process = Process::start(service, [(name, taken.to_string())]);
        assert_eq!(process.exit_code().await, 1, "{}", process.log());
        assert!(process.log().contains(&format!("{name}={taken} is taken")), "{}", process.log());
    }
}

/// Everything that a process can be brought to say: everything is logged, the libraries' own lines included.
const EVERYTHING: &str = "trace,lapin=trace,lettre=trace,hyper=trace,rustls=trace,tokio=trace,mio=trace";

#[tokio::test]
async fn no_password_is_logged_and_none_is_shown_when_it_is_refused() {
    let broker = Broker::shared().await;
    let refused = broker.url().replace("guest:guest", &format!("guest:{SECRET}"));
    for service in ["order", "email", "analytics"] {
        let process = Process::start(service, [("AMQP_URL", refused.clone()), ("LOG_LEVEL", EVERYTHING.to_owned())]);
        let readyz = || async { process.ops("/readyz").await.text().to_owned() };
        let said = eventually("it is refused", readyz, |said| said.contains("access-refused")).await;
        assert!(!shows_the_secret(&said), "{said}");
        assert!(!shows_the_secret(&process.log()), "{}", process.log());
    }
    let mut redrive = Process::start(
        "redrive",
        [("AMQP_URL", refused), ("QUEUE", "email-queue".to_owned()), ("LOG_LEVEL", EVERYTHING.to_owned())],
    );
    assert_eq!(redrive.exit_code().await, 69, "{}", redrive.log());
    assert!(!shows_the_secret(&redrive.log()), "{}", redrive.log());
}

#[tokio::test]
async fn no_password_of_the_mail_server_is_logged_and_none_is_shown_when_it_is_refused() {
    let broker = Broker::shared().await;
    let smtp = SmtpServer::start(SmtpOptions::new().login("shop", "another"));
    let url = smtp.url().replace("smtp://", &format!("smtp://shop:{SECRET}@")) + "?tls=none";
    let plan = Plan::on(&broker).email("SMTP_URL", url).email("LOG_LEVEL", EVERYTHING);
    let mut email = plan.launch("email");
    email.ready().await;
    crate::email::place(&broker, "Ada").await;
    let readyz = || async { email.ops("/readyz").await.text().to_owned() };
    let said = eventually("it is refused", readyz, |said| said.contains("paused") && said.contains("535")).await;
    assert!(!shows_the_secret(&said), "{said}");
    assert!(!shows_the_secret(&email.log()), "{}", email.log());
}

#[tokio::test]
async fn the_help_shows_no_password_that_is_set() {
    for service in SERVICES {
        let secrets = SECRETS.map(|name| (name, format!("smtp://u:{SECRET}@host")));
        let mut help = Process::start_with(service, &["--help"], secrets);
        assert_eq!(help.exit_code().await, 0);
        assert!(help.log().contains("AMQP_URL") && !shows_the_secret(&help.log()), "{}", help.log());
    }
}

#[tokio::test]
async fn each_service_is_healthy_when_it_is_ready_and_not_before_nor_after() {
    let broker = Broker::shared().await;
    let ask = async |service: &str, port: u16| {
        let mut asked = Process::start_with(service, &["healthcheck"], [("OPS_ADDR", format!("127.0.0.1:{port}"))]);
        (asked.exit_code().await, asked.log())
    };
    for service in ["order", "email", "analytics"] {
        let mut ready = Plan::on(&broker).launch(service);
        ready.ready().await;
        let port = ready.ops_port().await;
        let (code, said) = ask(service, port).await;
        assert!(code == 0 && said.contains("\"state\":\"con"), "{service}: {code} {said}");

        let url = format!("amqp://127.0.0.1:{}", free_port());
        let unready = Process::start(service, [("AMQP_URL", url)]);
        let (code, said) = ask(service, unready.ops_port().await).await;
        assert!(code == 1 && said.contains("\"state\":\"connecting\""), "{service}: {code} {said}");

        ready.terminate();
        ready.exit_code().await;
        let (code, said) = ask(service, port).await;
        assert!(
            code == 1 && said.starts_with(&format!("no answer from 127.0.0.1:{port}: ")),
            "{service}: {code} {said}"
        );
    }
    assert_eq!(ask("redrive", free_port()).await.0, 64, "it serves nothing");
}
