//! Redrive as a process, where there is nothing to move: exit codes and lines. Where there is, the journey tests it.

use std::net::TcpListener;
use std::process::{Command, Output};

fn redrive(variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_redrive")).env_clear().envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn without_a_queue_it_ends_with_64() {
    let output = redrive(&[("MAX_REDRIVES", "many")]);
    assert_eq!(output.status.code(), Some(64));
    let faults = String::from_utf8(output.stderr).unwrap();
    assert!(faults.lines().count() == 2 && faults.contains("QUEUE is not set"), "{faults}");
}

#[test]
fn without_a_broker_it_ends_with_69() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = redrive(&[("QUEUE", "email-queue"), ("AMQP_URL", &format!("amqp://{nobody}"))]);
    let log = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(69), "{log}");
    assert_eq!(
        log.lines().filter(|line| line.contains("ERROR") && line.contains(&nobody.to_string())).count(),
        1,
        "{log}"
    );
}
