//! Measures the official Go client, if `GO_BENCH` names a command that runs it. The command takes
//! `-mode pub|drain -n N -w W -q QUEUE -qt TYPE -pf N -auto=false -url URL`, and its output ends with `… 12345 msg/s`. It
//! has to keep W confirms outstanding and no more; otherwise its rows cannot be compared with the others.

use std::process::Command;

/// Runs the command with `arguments`. Returns messages a second, or `None` if `GO_BENCH` is not set.
pub(crate) async fn rate(arguments: &[&str]) -> Option<f64> {
    let command = crate::variable("GO_BENCH")?;
    let mut words = command.split_whitespace();
    let program = words.next().expect("GO_BENCH names a command");
    let mut run = Command::new(program);
    run.args(words).args(arguments);
    let output = tokio::task::spawn_blocking(move || run.output()).await.expect("it does not panic");
    let output = output.unwrap_or_else(|error| panic!("GO_BENCH={command:?} did not start: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = text.trim_end().strip_suffix(" msg/s").and_then(|line| line.rsplit(' ').next()?.parse().ok());
    Some(figure.unwrap_or_else(|| {
        panic!("GO_BENCH={command:?} printed no rate: {text}{}", String::from_utf8_lossy(&output.stderr))
    }))
}
