//! Spans of a real process, as a collector receives them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fixture::{Fixture, PATIENCE, output};

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
fn an_https_collector_that_nobody_can_vouch_for_is_one_clear_line() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let nobody = empty.path().to_str().unwrap();
    let output = output(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1"), ("SSL_CERT_FILE", nobody)]);
    let line = "idle: traces cannot be sent: there are no root certificates for the collector: \
                set OTEL_EXPORTER_OTLP_CERTIFICATE\n";
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(64), line));
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
