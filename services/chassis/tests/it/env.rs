//! What of an environment the chassis reads, and what is said of it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use chassis::{Env, LogFormat, Secret, Settings, Variable};
use proptest::prelude::*;

fn faults(env: &Env) -> Vec<String> {
    env.faults().iter().map(ToString::to_string).collect()
}

#[test]
fn all_faults_are_found_at_once_each_variable_once() {
    let variables = [("OPS_ADDR", "here"), ("LOG_LEVEL", "loud"), ("LOG_FORMAT", ""), ("SHUTDOWN_TIMEOUT", "0s")];
    let mut env = Env::from_map(variables);
    Settings::from_env(&mut env);
    Settings::from_env(&mut env);
    let names: Vec<_> = env.faults().iter().map(chassis::Fault::name).collect();
    assert_eq!(names, ["OPS_ADDR", "LOG_LEVEL", "LOG_FORMAT", "SHUTDOWN_TIMEOUT"]);
}

#[test]
fn a_level_is_a_level_or_directives() {
    let read = |text: &str| {
        let mut env = Env::from_map([("LOG_LEVEL", text)]);
        let level = Settings::from_env(&mut env).log.level;
        env.faults().is_empty().then_some(level)
    };
    for right in ["warn", "INFO", "info,messaging=debug", "info, messaging=debug", "off,email=trace"] {
        assert_eq!(read(right).as_deref(), Some(right));
    }
    for wrong in ["verbose", "messaging", "info,", "=", "info;messaging=debug", "messaging=loud"] {
        assert_eq!(read(wrong), None, "{wrong:?}");
    }
}

#[test]
fn the_standard_variables_of_traces_are_held_to_what_is_built_in() {
    let wrong = [
        ("OTEL_SDK_DISABLED", "yes"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://user:hunter2@collector:4318/v1/traces"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "+10"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/nowhere.pem"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team"),
    ];
    for (name, value) in wrong {
        let mut env = Env::from_map([(name, value)]);
        Settings::from_env(&mut env);
        let warnings: Vec<_> = env.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(faults(&env), [""; 0], "platforms set them for all that they run");
        assert!(warnings.len() == 1 && warnings[0].starts_with(name), "{name}: {warnings:?}");
        assert!(!warnings[0].contains("hunter2"), "{warnings:?}");
    }
}

#[test]
fn a_standard_variable_is_read_as_its_specification_says() {
    let read = |name: &'static str, value: &'static str| {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        let mut env = Env::from_map([endpoint, (name, value)]);
        let trace = Settings::from_env(&mut env).trace;
        assert!(env.warnings().is_empty() && env.faults().is_empty(), "{name}={value:?}");
        trace
    };
    let mut env = Env::default();
    Settings::from_env(&mut env);
    for variable in env.variables().iter().filter(|variable| variable.name.starts_with("OTEL_")) {
        for empty in ["", " \n"] {
            read(variable.name, empty);
        }
    }
    assert!(!read("OTEL_SDK_DISABLED", "TRUE").enabled && read("OTEL_SDK_DISABLED", "False").enabled);
    assert!(read("OTEL_TRACES_EXPORTER", "None").export.is_none());
    read("OTEL_TRACES_SAMPLER", "Always_Off");
    read("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/protobuf");
}

#[test]
fn an_exporter_among_others_is_used_all_the_same() {
    for exporters in ["otlp,console", "console", "otlp,"] {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        let mut env = Env::from_map([endpoint, ("OTEL_TRACES_EXPORTER", exporters)]);
        assert!(Settings::from_env(&mut env).trace.export.is_some());
        assert_eq!(env.warnings().len(), 1, "{exporters}");
    }
}

#[test]
fn what_is_said_of_traces_goes_before_what_is_said_of_all_signals() {
    let timeout = |variables: &[(&str, &str)]| {
        let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")];
        let mut env = Env::from_map(variables.iter().chain(&endpoint).copied());
        Settings::from_env(&mut env).trace.export.unwrap().timeout.as_millis()
    };
    let (all, traces) = (("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"), ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "3000"));
    let timeouts = [&[][..], &[all], &[traces], &[all, traces]].map(timeout);
    assert_eq!(timeouts, [10_000, 2000, 3000, 3000]);
}

#[test]
fn an_endpoint_of_traces_is_full_or_a_base() {
    let read = |name: &str, value: &str| {
        let settings = Settings::from_env(&mut Env::from_map([(name, value)]));
        settings.trace.export.map(|export| export.endpoint.to_string())
    };
    let (base, full) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    assert_eq!(read(base, "http://c:4318").as_deref(), Some("http://c:4318/v1/traces"));
    assert_eq!(read(base, "https://c/otlp/").as_deref(), Some("https://c/otlp/v1/traces"));
    assert_eq!(read(full, "http://[::1]:4318/t").as_deref(), Some("http://[::1]:4318/t"));
    assert_eq!(read("OTHER", "http://c"), None);
}

#[test]
fn every_variable_that_was_read_is_known_for_the_tables() {
    let mut env = Env::default();
    Settings::from_env(&mut env);
    let known = env.variables().iter().find(|variable| variable.name == "SHUTDOWN_TIMEOUT").unwrap();
    assert_eq!(known.shown_default(), Some("25s"));
    assert_eq!(known.expected, "a duration such as 500ms, 5s or 2m, from 1s to 1h");
    assert!(env.variables().iter().all(|variable| !variable.meaning.is_empty()));
}

#[test]
fn names_in_small_letters_are_other_variables() {
    let mut env = Env::from_map([("log_format", "xml"), ("LOG_FORMAT", "json"), ("Log_Format", "yaml")]);
    assert_eq!(Settings::from_env(&mut env).log.format, LogFormat::Json);
    assert_eq!(faults(&env), [""; 0]);
}

/// Every name that the chassis reads, and one secret of a service.
fn known_names() -> Vec<&'static str> {
    let mut env = Env::default();
    Settings::from_env(&mut env);
    env.variables().iter().map(|variable| variable.name).chain(["AMQP_URL"]).collect()
}

fn any_value() -> impl Strategy<Value = OsString> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..40).prop_map(OsString::from_vec);
    let near = prop_oneof!["[0-9]{1,22}(ms|s|m|h)?", "https?://[a-z@:\\[\\]/]{0,12}", "[a-z=,.]{0,20}"];
    prop_oneof![bytes, any::<String>().prop_map(OsString::from), near.prop_map(OsString::from)]
}

proptest! {
    #[test]
    fn no_environment_panics_or_shows_a_secret(
        values in proptest::collection::vec((proptest::sample::select(known_names()), any_value()), 0..24),
        others in proptest::collection::vec((any_value(), any_value()), 0..4),
    ) {
        // What a secret variable holds is marked, so that any trace of it in what is printed is found.
        let marked = |name: &str, value: OsString| {
            let secret = ["AMQP_URL", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_ENDPOINT"].contains(&name);
            let mark = if secret { "hunter2 " } else { "" };
            OsString::from_vec([mark.as_bytes().to_vec(), value.into_vec()].concat())
        };
        let values = values.into_iter().map(|(name, value)| (OsString::from(name), marked(name, value)));
        let mut env = Env::from_map(values.chain(others));
        let settings = Settings::from_env(&mut env);
        let url = env.read(Variable::new("AMQP_URL", "").secret(), |text| (!text.contains('\n')).then(|| Secret::new(text.to_owned())));
        let shown = format!("{settings:?} {url:?} {:?} {:?}", env.faults(), faults(&env));
        prop_assert!(!shown.contains("hunter2"), "{}", shown);
    }
}
