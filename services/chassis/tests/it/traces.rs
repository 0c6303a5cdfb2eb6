//! Spans of a real process, as a collector receives them.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fixture::{Fixture, PATIENCE};

/// A request as the collector got it.
struct Received {
    head: String,
    traces: ExportTraceServiceRequest,
}

/// A collector that decodes what it is sent and answers each request alike.
fn collector(answer: &'static str) -> (SocketAddr, Receiver<Received>) {
    collector_behind(answer, |stream| stream)
}

/// The same, behind what `secure` makes of a connection.
fn collector_behind<S: Read + Write>(
    answer: &'static str,
    secure: impl Fn(TcpStream) -> S + Send + 'static,
) -> (SocketAddr, Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // A client that does not trust us leaves in the middle.
            let Ok(request) = receive(secure(stream), answer) else { continue };
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (address, received)
}

fn receive(stream: impl Read + Write, answer: &str) -> io::Result<Received> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body)?;
    reader.get_mut().write_all(answer.as_bytes())?;
    Ok(Received { head, traces: ExportTraceServiceRequest::decode(body.as_slice()).unwrap() })
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[test]
fn spans_are_sent_when_the_process_stops_with_the_trace_of_the_log() {
    let (address, received) = collector(OK);
    let (mut process, _) = Fixture::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=opens%20it"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=orders"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
    ]);
    process.signal(Signal::SIGTERM);
    let (code, lines) = process.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    let Received { head, traces } = received.recv_timeout(PATIENCE).unwrap();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n") && head.contains("x-key: opens it\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
    let resource = &traces.resource_spans[0].resource.as_ref().unwrap().attributes;
    let attribute = |key: &str| {
        let value = resource.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.clone()?;
        let Value::StringValue(text) = value else { return None };
        Some(text)
    };
    assert_eq!(attribute("service.name").as_deref(), Some("idle"));
    assert_eq!(attribute("team").as_deref(), Some("orders"));
    let span = &traces.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.name, "greet");
    let trace: String = span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        lines.iter().any(|line| line.contains("welcome") && line.ends_with(&format!("trace={trace}"))),
        "{lines:#?}"
    );
}

#[test]
fn a_sampler_that_is_off_sends_nothing_and_traces_keep_their_ids() {
    let (address, received) = collector(OK);
    let endpoint = format!("http://{address}");
    let (mut process, _) =
        Fixture::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_TRACES_SAMPLER", "always_off")]);
    process.signal(Signal::SIGTERM);
    let (_, lines) = process.end();
    assert!(received.try_recv().is_err());
    assert!(lines.iter().any(|line| line.contains("welcome") && line.contains("trace=")), "{lines:#?}");
}

#[test]
fn a_collector_that_is_away_or_refuses_is_one_line_and_no_reason_to_fail() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (refusing, _received) = collector("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    for (address, reason) in [(nobody, "refused"), (refusing, "503")] {
        let (mut process, _) = Fixture::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))]);
        process.signal(Signal::SIGTERM);
        let (code, lines) = process.end();
        assert_eq!(code, Some(0), "{lines:#?}");
        let troubles = lines.iter().filter(|line| line.contains("traces cannot be sent"));
        assert_eq!(troubles.filter(|line| line.contains(reason)).count(), 1, "{lines:#?}");
    }
}

#[test]
fn a_collector_that_does_not_answer_holds_up_the_end_for_a_bounded_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (mut process, _) =
        Fixture::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000")]);
    process.signal(Signal::SIGTERM);
    let (code, lines) = process.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("the last traces are lost")), "{lines:#?}");
}

#[test]
fn an_https_collector_that_nobody_can_vouch_for_is_one_line_and_no_reason_to_fail() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let nobody = empty.path().to_str().unwrap();
    let (mut process, _) =
        Fixture::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1"), ("SSL_CERT_FILE", nobody)]);
    process.signal(Signal::SIGTERM);
    let (code, lines) = process.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    let reason = "there are no root certificates for the collector: set OTEL_EXPORTER_OTLP_CERTIFICATE";
    assert_eq!(lines.iter().filter(|line| line.contains("WARN") && line.contains(reason)).count(), 1, "{lines:#?}");
}

/// What platforms set for everything that they run, and what people write.
const UNUSABLE: [(&str, &str); 18] = [
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"),
    ("OTEL_SDK_DISABLED", "1"),
    ("OTEL_TRACES_SAMPLER", "xray"),
    ("OTEL_TRACES_SAMPLER_ARG", "endpoint=http://localhost:2000"),
    ("OTEL_TRACES_EXPORTER", "otlp,console"),
    ("OTEL_RESOURCE_ATTRIBUTES", "team=orders,"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem"),
    ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/dev/null"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "authorization"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "18446744073709551615"),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
    ("OTEL_BSP_SCHEDULE_DELAY", "0"),
];

#[test]
fn whatever_an_otel_variable_holds_is_one_line_and_traces_go_out_as_far_as_they_can() {
    let (address, received) = collector(OK);
    let endpoint = format!("http://{address}");
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str());
    let (mut process, _) = Fixture::start(&[&[base], &UNUSABLE[..]].concat());
    process.signal(Signal::SIGTERM);
    let (code, lines) = process.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    for (name, _) in UNUSABLE {
        let told = lines.iter().filter(|line| line.contains("WARN") && line.contains(&format!("{name}=")));
        assert_eq!(told.count(), 1, "{name}: {lines:#?}");
    }
    let Received { traces, .. } = received.recv_timeout(PATIENCE).unwrap();
    let attributes = &traces.resource_spans[0].resource.as_ref().unwrap().attributes;
    assert!(attributes.iter().any(|attribute| attribute.key == "team"), "{attributes:?}");
}

#[test]
fn an_endpoint_that_is_no_place_is_one_line_and_nothing_is_sent() {
    let (address, received) = collector(OK);
    for wrong in ["http://127.0.0.1:99999", "http://$(HOST_IP):4318", &format!("http://{address}/?token=x")] {
        let (mut process, _) = Fixture::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)]);
        process.signal(Signal::SIGTERM);
        let (code, lines) = process.end();
        assert_eq!(code, Some(0), "{lines:#?}");
        let warnings: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
        assert!(warnings.len() == 1 && warnings[0].contains("OTEL_EXPORTER_OTLP_ENDPOINT="), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("token=x")), "{lines:#?}");
    }
    assert!(received.try_recv().is_err());
}

#[test]
fn no_otel_variable_ends_a_service() {
    let every = UNUSABLE.map(|(name, _)| name);
    let others = [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_SERVICE_NAME",
        "OTEL_PROPAGATORS",
        "OTEL_METRICS_EXPORTER",
        "OTEL_LOGS_EXPORTER",
        "OTEL_BSP_MAX_CONCURRENT_EXPORTS",
        "OTEL_BSP_EXPORT_TIMEOUT",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_SPAN_EVENT_COUNT_LIMIT",
    ];
    let values: [&[u8]; 6] = [b"", b"\xff\xfe", b"18446744073709551615", b"-1", b"\n", b"http://[::1"];
    for value in values {
        let mut command = crate::fixture::command(&[]);
        command.envs(every.iter().chain(&others).map(|name| (name, OsStr::from_bytes(value))));
        let (mut process, _) = Fixture::spawn(command);
        process.signal(Signal::SIGTERM);
        let (code, lines) = process.end();
        assert_eq!(code, Some(0), "{value:?}: {lines:#?}");
    }
}

#[test]
fn an_https_collector_is_verified() {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certified.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions().unwrap();
    let config =
        Arc::new(config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap());
    let secure = move |stream| StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
    let (address, received) = collector_behind(OK, secure);

    let certificate = file.path().to_str().unwrap();
    let trusted = ["OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"];
    let endpoints = [format!("https://{address}"), format!("https://localhost:{}", address.port())];
    for (endpoint, trusted) in endpoints.iter().zip(trusted) {
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), (trusted, certificate)];
        let (mut process, _) = Fixture::start(&variables);
        process.signal(Signal::SIGTERM);
        let (_, lines) = process.end();
        assert!(received.recv_timeout(PATIENCE).is_ok(), "{lines:#?}");
    }

    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(file.path(), other.cert.pem()).unwrap();
    let endpoint = format!("https://localhost:{}", address.port());
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate)];
    let (mut process, _) = Fixture::start(&variables);
    process.signal(Signal::SIGTERM);
    let (_, lines) = process.end();
    let troubles = lines.iter().filter(|line| line.contains("traces cannot be sent") && line.contains("certificate"));
    assert_eq!(troubles.count(), 1, "{lines:#?}");
    assert!(received.try_recv().is_err());
}
