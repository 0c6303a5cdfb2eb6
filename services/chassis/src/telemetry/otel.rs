//! Reads the standard `OTEL_*` variables that Warren uses. A value that cannot be used is left out with a warning,
//! and the service runs.

use std::fs;
use std::net::Ipv6Addr;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use opentelemetry_sdk::trace::Sampler;
use rustls::RootCertStore;

use crate::{Env, Variable, authorities, whole};

/// Whether traces exist, and where they go.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// Whether there are traces. Without them there are no trace ids, neither in the log nor in messages
    /// (`OTEL_SDK_DISABLED`).
    pub enabled: bool,
    /// The name under which traces are found, if it is not the service's own.
    pub service_name: Option<String>,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// Where spans are sent; `None` if no endpoint is set.
    pub export: Option<Export>,
}

/// Where and how spans are sent.
#[derive(Clone, Debug)]
pub struct Export {
    /// The full URL of the collector's traces endpoint.
    pub endpoint: Uri,
    /// How long one request may take.
    pub timeout: Duration,
    /// The certificate authorities for an `https` endpoint; `None` for the system's.
    pub roots: Option<RootCertStore>,
    /// How spans wait until they are sent.
    pub batches: Batches,
}

/// How spans wait until they are sent: the variables `OTEL_BSP_…` of OpenTelemetry's batch span processor.
#[derive(Clone, Copy, Debug)]
pub struct Batches {
    /// The most spans that wait to be sent.
    pub queue: usize,
    /// The most spans of one request.
    pub size: usize,
    /// How long a span waits for others at most.
    pub delay: Duration,
}

impl TraceSettings {
    pub(crate) fn from_env(env: &mut Env) -> Self {
        let disabled = Variable::new("OTEL_SDK_DISABLED", "leave out traces and trace ids altogether")
            .expecting("true or false")
            .or("false");
        let enabled = env.read(disabled, |text| text.to_ascii_lowercase().parse().ok()) != Some(true);
        let export = Export::from_env(env);
        let sampler = sampler(env, export.is_some());
        Self { enabled, service_name: service_name(env), sampler, export }
    }
}

impl Export {
    fn from_env(env: &mut Env) -> Option<Self> {
        let exporter =
            Variable::new("OTEL_TRACES_EXPORTER", "whether spans are sent").expecting("otlp or none").or("otlp");
        let exporter = env.setting(exporter, |text| is_one_of(text, &["otlp", "none"]));
        let base = env.read(
            endpoint("OTEL_EXPORTER_OTLP_ENDPOINT", "where spans are sent, without `/v1/traces` and without a query"),
            base,
        );
        let traces =
            env.read(endpoint("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "where spans are sent, as the full URL"), url);
        for name in ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] {
            let protocol = Variable::new(name, "how spans are sent")
                .expecting("http/protobuf, the only protocol that is built in")
                .or("http/protobuf");
            env.setting(protocol, |text| is_one_of(text, &["http/protobuf"]));
        }
        // The exporter reads these itself; here only their form is checked.
        for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
            let headers = Variable::new(name, "headers of each request to the collector")
                .expecting("NAME=VALUE, more after commas")
                .otherwise("none");
            env.setting(headers.secret(), |text| pairs(text, is_header));
        }
        for name in ["OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"] {
            let compression =
                Variable::new(name, "how spans are compressed").expecting("none, the only choice").or("none");
            env.setting(compression, |text| is_one_of(text, &["none"]));
        }
        let (timeout, roots, batches) = (timeout(env), roots(env), batches(env));
        let sent = exporter.is_none_or(|exporter| exporter.eq_ignore_ascii_case("otlp"));
        let endpoint = traces.or(base).filter(|_| sent)?;
        Some(Self { endpoint, timeout, roots, batches })
    }
}

/// The names of choices are read in upper or lower case, as the specification says.
fn is_one_of(text: &str, choices: &[&str]) -> bool {
    choices.iter().any(|choice| choice.eq_ignore_ascii_case(text))
}

/// The SDK would accept any number: it would allocate the memory of a long queue at once, and keep a processor busy
/// with a delay of 0.
fn batches(env: &mut Env) -> Batches {
    let queue = Variable::new("OTEL_BSP_MAX_QUEUE_SIZE", "how many spans may wait to be sent");
    let size = Variable::new("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "how many spans one request may carry");
    let delay = Variable::new("OTEL_BSP_SCHEDULE_DELAY", "how long a span waits for others at most, in milliseconds");
    Batches {
        queue: env.number(queue.or("2048"), 1..=65_536),
        size: env.number(size.or("512"), 1..=65_536),
        delay: Duration::from_millis(env.number(delay.or("5000"), 10..=3_600_000)),
    }
}

/// The variable for traces precedes the variable for all signals, here and below.
fn timeout(env: &mut Env) -> Duration {
    let variable = |name| {
        Variable::new(name, "how long one request may take, in milliseconds")
            .expecting("a whole number from 1 to 600000")
    };
    let all = env.read(variable("OTEL_EXPORTER_OTLP_TIMEOUT").or("10000"), milliseconds);
    let traces = variable("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT").otherwise("OTEL_EXPORTER_OTLP_TIMEOUT");
    env.read(traces, milliseconds).or(all).expect("the default is a number")
}

fn milliseconds(text: &str) -> Option<Duration> {
    whole(text).filter(|number| (1..=600_000).contains(number)).map(Duration::from_millis)
}

fn roots(env: &mut Env) -> Option<RootCertStore> {
    let variable = |name, otherwise| {
        Variable::new(name, "certificate authorities to verify an `https` endpoint with")
            .expecting("a readable PEM file with certificates")
            .otherwise(otherwise)
    };
    let all = env.read(variable("OTEL_EXPORTER_OTLP_CERTIFICATE", "the system's roots"), read_roots);
    let traces = variable("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE");
    env.read(traces, read_roots).or(all)
}

fn read_roots(path: &str) -> Option<RootCertStore> {
    authorities(Some(&fs::read(path).ok()?)).ok()
}

/// It may contain a password by mistake. Then it is refused, and it is never printed.
fn endpoint(name: &'static str, meaning: &'static str) -> Variable {
    let variable = Variable::new(name, meaning)
        .expecting("http://HOST:PORT or https://HOST:PORT, without user, password, fragment and unexpanded variables");
    variable.otherwise("none, spans are not sent").secret()
}

/// The path of the traces is appended to it, so it has no query.
fn base(text: &str) -> Option<Uri> {
    let text = Some(text).filter(|text| !text.contains('?'))?;
    url(&format!("{}/v1/traces", text.trim_end_matches('/')))
}

/// The library takes much for an address to which nothing can be sent, or something only to a wrong place.
fn url(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let scheme_is_known = matches!(url.scheme_str(), Some("http" | "https"));
    let authority = url.authority()?.as_str();
    let port = authority.strip_prefix(url.host()?)?;
    let port_is_one =
        port.is_empty() || port.strip_prefix(':').and_then(whole).is_some_and(|port| (1..=65_535).contains(&port));
    let as_it_stands = !["$(", "${", "{{", "#"].iter().any(|sign| text.contains(sign));
    (scheme_is_known && port_is_one && is_host(url.host()?) && as_it_stands).then_some(url)
}

/// A name, or an address: of IPv6 in brackets.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    }
}

fn service_name(env: &mut Env) -> Option<String> {
    let name =
        Variable::new("OTEL_SERVICE_NAME", "the name under which traces are found").otherwise("the service's own");
    let attributes = Variable::new("OTEL_RESOURCE_ATTRIBUTES", "further attributes of this process, on each trace")
        .expecting("NAME=VALUE, more after commas")
        .otherwise("none");
    let variable = attributes.name;
    let attributes = env.setting(attributes, |_| true);
    // The SDK reads these itself, and leaves out what is not a pair; this reader does the same.
    if attributes.as_ref().is_some_and(|text| !pairs(text, |name, _| !name.is_empty())) {
        env.fault(variable, "NAME=VALUE, more after commas");
    }
    env.setting(name, |_| true).or_else(|| {
        let named = attributes?;
        named.split(',').find_map(|pair| pair.trim().strip_prefix("service.name=")).map(str::to_owned)
    })
}

/// Without an exporter nothing is recorded, but every trace has an id, for the log and for later services.
fn sampler(env: &mut Env, exported: bool) -> Sampler {
    let share = Variable::new("OTEL_TRACES_SAMPLER_ARG", "the share of traces that the ratio samplers record")
        .expecting("a number from 0 to 1")
        .or("1");
    let share = env.read(share, |text| text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share)));
    let share = share.expect("the default is a number");
    let variable = Variable::new("OTEL_TRACES_SAMPLER", "which traces are recorded")
        .expecting(
            "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio",
        )
        .otherwise("parentbased_always_on where spans are sent");
    let root = if exported { Sampler::AlwaysOn } else { Sampler::AlwaysOff };
    env.read(variable, |text| {
        let text = text.to_ascii_lowercase();
        let (parent_based, root) = match text.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, text.as_str()),
        };
        let root = match root {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            "traceidratio" => Sampler::TraceIdRatioBased(share),
            _ => return None,
        };
        Some(if parent_based { Sampler::ParentBased(Box::new(root)) } else { root })
    })
    .unwrap_or_else(|| Sampler::ParentBased(Box::new(root)))
}

/// Whether a text is `NAME=VALUE`, with more pairs after commas, and each pair is accepted.
fn pairs(text: &str, accepts: impl Fn(&str, &str) -> bool) -> bool {
    text.split(',').all(|pair| pair.split_once('=').is_some_and(|(name, value)| accepts(name.trim(), value.trim())))
}

fn is_header(name: &str, value: &str) -> bool {
    HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{base, url};

    #[test]
    fn an_endpoint_is_a_place_to_which_something_can_be_sent() {
        for (text, at) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example.com/", "https://otel.example.com/v1/traces"),
            ("HTTP://otel_collector:4318/some/path/", "http://otel_collector:4318/some/path/v1/traces"),
            ("http://[::1]:65535", "http://[::1]:65535/v1/traces"),
        ] {
            assert_eq!(base(text).map(|url| url.to_string()).as_deref(), Some(at), "{text}");
        }
        assert!(url("https://otel.example.com/v1/traces?tenant=shop").is_some(), "a full URL is sent to as it is");
        for wrong in [
            "http://127.0.0.1:99999",
            "http://127.0.0.1:0",
            "http://127.0.0.1:",
            "http://h:+80",
            "http://h:$(PORT)",
            "http://$(HOST_IP):4318",
            "http://${HOST_IP}:4318",
            "http://{{ host }}:4318",
            "http://h:4318/$(TENANT)",
            "http://$HOST_IP:4318",
            "http://%HOST%:4318",
            "http://<host>:4318",
            "http://host;other:4318",
            "http://[::g]:4318",
            "http://h:4318/?token=x",
            "http://h:4318#part",
            "http://h:4318/#/v1",
            "http://u:p@h:4318",
            "http://",
            "http://:4318",
            "h:4318",
            "grpc://h:4317",
            "/v1",
        ] {
            assert_eq!(base(wrong), None, "{wrong}");
        }
        assert_eq!(url("http://h:4318/v1/traces#part"), None);
    }
}
