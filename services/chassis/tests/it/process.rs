//! A whole process: arguments, environment, log, signals, exit code.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::fixture::{self, Fixture, PATIENCE, ask, binary, output};

#[test]
fn a_stop_asked_for_ends_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (mut process, _) = Fixture::start(&[]);
        process.signal(signal);
        let (code, lines) = process.end();
        assert_eq!(code, Some(0), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains(&format!("stopping signal={signal}"))), "{lines:#?}");
        assert!(lines.last().unwrap().contains("stopped"), "{lines:#?}");
    }
}

#[test]
fn a_second_signal_ends_at_once_with_130() {
    let (mut process, _) = Fixture::start(&[("PAUSE", "10m"), ("SHUTDOWN_TIMEOUT", "10m")]);
    process.signal(Signal::SIGTERM);
    process.line("stopping");
    process.signal(Signal::SIGINT);
    assert_eq!(process.end().0, Some(130));
}

#[test]
fn a_step_that_outlasts_the_shutdown_timeout_is_cut_and_named() {
    let (mut process, _) = Fixture::start(&[("PAUSE", "10m"), ("SHUTDOWN_TIMEOUT", "1s")]);
    process.signal(Signal::SIGTERM);
    let (code, lines) = process.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("WARN") && line.contains("step=pause")), "{lines:#?}");
}

#[test]
fn an_ending_that_nobody_asked_for_says_why_and_sets_the_exit_code() {
    for (ending, code, reason) in [
        ("failed", 1, "a task failed"),
        ("unavailable", 69, "what it needs is not there"),
        ("panicked", 1, r"panicked: on two\nlines at=services/chassis/examples/idle.rs:"),
    ] {
        let output = output(&[], &[("ENDING", ending)]);
        let log = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{log}");
        assert!(log.lines().any(|line| line.contains("ERROR") && line.contains(reason)), "{log}");
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn every_fault_of_the_environment_is_printed_together() {
    let output = output(&[], &[("OPS_ADDR", "9090"), ("PAUSE", ""), ("LOG_FORMAT", "xml")]);
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
    let faults = String::from_utf8(output.stderr).unwrap();
    let expected = [
        r#"OPS_ADDR="9090": expected an IP address and a port such as [::]:9090 (default: [::]:9090)"#,
        r#"LOG_FORMAT="xml": expected text or json (default: text)"#,
        r#"PAUSE="": expected a duration such as 500ms, 5s or 2m, from 0s to 10m (default: 0ms)"#,
    ];
    assert_eq!(faults.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_taken_address_is_one_clear_line() {
    let (_process, address) = Fixture::start(&[]);
    let output = output(&[], &[("OPS_ADDR", &address.to_string())]);
    let log = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("OPS_ADDR={address} is taken: stop what listens there, or set OPS_ADDR to a free address");
    assert_eq!(log.lines().filter(|line| line.contains("ERROR") && line.contains(&expected)).count(), 1, "{log}");
}

#[test]
fn an_unknown_argument_is_one_clear_line() {
    let output = output(&["chekc", "now"], &[]);
    let line =
        "idle: unknown argument \"chekc now\": idle takes none, or one of count, healthcheck, --help, --version\n";
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(64), line));
}

#[test]
fn a_command_of_the_service_gets_its_arguments_and_gives_the_exit_code() {
    let output = output(&["count", "one", "healthcheck"], &[("OPS_ADDR", "wrong, but not read")]);
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(2), [].as_slice()));
}

#[test]
fn help_names_every_variable_and_ends_well_without_a_reader() {
    let help = String::from_utf8(output(&["--help"], &[]).stdout).unwrap();
    for name in
        ["OPS_ADDR", "SHUTDOWN_TIMEOUT", "OTEL_TRACES_SAMPLER", "PAUSE", "healthcheck", "counts what follows it"]
    {
        assert!(help.contains(name), "{name} is not in {help}");
    }
    let pipe = format!("{} --help | true; exit ${{PIPESTATUS[0]}}", binary().display());
    let status = Command::new("bash").args(["-c", &pipe]).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_healthcheck_tells_a_ready_process_from_one_that_is_not() {
    let (process, address) = Fixture::start(&[("PAUSE", "10m"), ("SHUTDOWN_TIMEOUT", "10m")]);
    let check = || {
        let output = output(&["healthcheck"], &[("OPS_ADDR", &format!("0.0.0.0:{}", address.port()))]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(check(), (Some(0), "{\"ready\":true,\"state\":\"idle\",\"reason\":null}\n".to_owned()));
    process.signal(Signal::SIGTERM);
    let deadline = Instant::now() + PATIENCE;
    while ask(address, "GET /readyz").starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < deadline, "it is still ready");
    }
    assert_eq!(check(), (Some(1), "{\"ready\":false,\"state\":\"draining\",\"reason\":null}\n".to_owned()));
    drop(process);
    let (code, said) = check();
    assert_eq!(code, Some(1));
    assert!(said.starts_with(&format!("no answer from 127.0.0.1:{}: ", address.port())), "{said}");
}

#[test]
fn a_service_listens_on_ipv6_and_on_ipv4_unless_it_is_told_otherwise() {
    let reached = |listens: &str| {
        let (_process, address) = Fixture::start(&[("OPS_ADDR", listens)]);
        let said = output(&["healthcheck"], &[("OPS_ADDR", &address.to_string())]);
        assert_eq!(said.status.code(), Some(0), "{listens}: {said:?}");
        [("::1", address.port()), ("127.0.0.1", address.port())].map(|at| TcpStream::connect(at).is_ok())
    };
    assert_eq!(reached("[::]:0"), [true, true]);
    assert_eq!(reached("0.0.0.0:0"), [false, true]);
    assert_eq!(reached("[::1]:0"), [true, false]);
}

#[test]
fn a_text_line_reads_like_a_sentence_and_carries_the_trace() {
    let (mut process, _) = Fixture::start(&[]);
    process.signal(Signal::SIGTERM);
    let (_, lines) = process.end();
    let line = lines.iter().find(|line| line.contains("welcome")).unwrap();
    let (time, rest) = line.split_at("2026-11-23T21:04:24.987Z".len());
    assert!(time.ends_with('Z'), "{line}");
    let (said, trace) = rest.split_once(" trace=").unwrap();
    assert_eq!(said, " INFO  idle: welcome guests=0");
    assert!(trace.len() == 32 && trace.bytes().all(|digit| digit.is_ascii_hexdigit()), "{line}");
    assert!(lines.iter().filter(|line| !line.contains("welcome")).all(|line| !line.contains("trace=")), "{lines:#?}");
}

#[test]
fn a_json_line_is_one_object_and_carries_the_trace() {
    let (mut process, _) = Fixture::start(&[("LOG_FORMAT", "json")]);
    process.signal(Signal::SIGTERM);
    let (_, lines) = process.end();
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let line = lines.iter().find(|line| line["message"] == "welcome").unwrap();
    assert_eq!((&line["level"], &line["service"], &line["target"]), (&"info".into(), &"idle".into(), &"idle".into()));
    assert_eq!(line["guests"], 0);
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
}

#[test]
fn a_log_level_hides_what_is_below_it_and_traces_stay() {
    let variables = [("LOG_LEVEL", "error,idle=info"), ("ENDING", "failed")];
    let log = String::from_utf8(output(&[], &variables).stdout).unwrap();
    let lines: Vec<_> = log.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("welcome guests=0 trace="), "{log}");
}

#[test]
fn without_the_sdk_there_are_no_traces() {
    let variables = [("OTEL_SDK_DISABLED", "true"), ("ENDING", "failed")];
    let log = String::from_utf8(output(&[], &variables).stdout).unwrap();
    assert!(log.contains("welcome guests=0\n"), "{log}");
}

#[test]
fn a_process_without_descriptors_says_so_once_and_goes_on_when_silent_clients_are_closed() {
    // Fewer than the connections that ops would let in, so that accept is what fails.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 32; exec \"$0\""]).arg(binary());
    limited.env_clear().env("OPS_ADDR", "127.0.0.1:0");
    let (mut process, address) = Fixture::spawn(limited);
    let crowd: Vec<_> = (0..24).map(|_| TcpStream::connect(address).unwrap()).collect();
    process.line("cannot accept connections");
    assert!(ask(address, "GET /livez").starts_with("HTTP/1.1 200"));
    drop(crowd);
    process.signal(Signal::SIGTERM);
    let (code, lines) = process.end();
    assert_eq!(code, Some(0));
    assert_eq!(lines.iter().filter(|line| line.contains("cannot accept")).count(), 1, "{lines:#?}");
}

#[test]
fn a_low_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -Sn 64; ulimit -Hn 512; exec \"$0\""]).arg(binary());
    limited.env_clear().env("OPS_ADDR", "127.0.0.1:0");
    let (process, _) = Fixture::spawn(limited);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().take(2).collect::<Vec<_>>(), ["512", "512"]);
}

#[test]
fn a_client_that_never_speaks_does_not_hold_up_the_end() {
    let (mut process, address) = Fixture::start(&[]);
    let mut silent = TcpStream::connect(address).unwrap();
    let mut started = TcpStream::connect(address).unwrap();
    write!(started, "GET /li").unwrap();
    assert!(fixture::ask(address, "GET /livez").starts_with("HTTP/1.1 200"));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.end().0, Some(0));
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
}
