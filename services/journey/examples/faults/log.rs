//! What the services' logs say, read line by line: they are long.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use uuid::Uuid;

/// A line that speaks of an event or of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Line(Value);

impl Line {
    /// When it was written.
    pub(crate) fn time(&self) -> SystemTime {
        let time = self.0["time"].as_str().and_then(|time| humantime::parse_rfc3339(time).ok());
        time.unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// What it says.
    pub(crate) fn message(&self) -> &str {
        self.0["message"].as_str().unwrap_or_default()
    }

    /// The error it names.
    pub(crate) fn error(&self) -> &str {
        self.0["error"].as_str().unwrap_or_default()
    }

    fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok().map(Self)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The lines about these events, by event.
pub(crate) fn about(log: &str, events: &HashSet<Uuid>) -> HashMap<Uuid, Vec<Line>> {
    let mut found = HashMap::<_, Vec<_>>::new();
    for line in log.lines() {
        let Some(event) = event(line, "\"event_id\":\"").filter(|event| events.contains(event)) else { continue };
        found.entry(event).or_default().extend(Line::parse(line));
    }
    found
}

/// The events that analytics counted, with repetitions.
pub(crate) fn counted(log: &str) -> impl Iterator<Item = Uuid> {
    let lines = log.lines().filter(|line| line.contains("\"message\":\"counted\""));
    lines.filter_map(|line| event(line, "\"event.id\":\""))
}

/// When a connection to the broker was lost.
pub(crate) fn losses(log: &str) -> Vec<SystemTime> {
    let lines = log.lines().filter(|line| line.contains("is out of order, and tries again"));
    lines.filter_map(Line::parse).map(|line| line.time()).collect()
}

/// The lines of a panic.
pub(crate) fn panics(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter(|line| line.contains("panicked"))
}

fn event(line: &str, before: &str) -> Option<Uuid> {
    let at = line.find(before)? + before.len();
    line.get(at..at + 36)?.parse().ok()
}

/// Whether something happened between two moments, or as shortly about them as a log line's time is exact.
pub(crate) fn between(times: &[SystemTime], from: SystemTime, until: SystemTime) -> bool {
    let slack = Duration::from_millis(1);
    times.iter().any(|&time| time + slack >= from && time <= until + slack)
}
