//! Reads the services' logs, line by line because they are long.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use journey::Process;
use serde_json::Value;
use uuid::Uuid;

use crate::cause::Handling;
use crate::service::Service;

/// A line about an event or a connection.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The true time at which it was written, even if the service's clock was moved.
    pub(crate) time: SystemTime,
    fields: Value,
}

impl Line {
    /// Its message.
    pub(crate) fn message(&self) -> &str {
        self.fields["message"].as_str().unwrap_or_default()
    }

    /// Its error.
    pub(crate) fn error(&self) -> &str {
        self.fields["error"].as_str().unwrap_or_default()
    }

    /// Whether it is about a copy that carries a count of returns, and that the broker has not returned itself.
    pub(crate) fn is_copy(&self) -> bool {
        self.fields["evidence"].as_str().is_some_and(|evidence| evidence.contains("returned: Never"))
    }

    /// A line with this message and error, for tests.
    #[cfg(test)]
    pub(crate) fn saying(message: &str, error: &str) -> Self {
        Self { time: SystemTime::UNIX_EPOCH, fields: serde_json::json!({ "message": message, "error": error }) }
    }

    fn parse(line: &str, service: &Service) -> Option<Self> {
        let fields: Value = serde_json::from_str(line).ok()?;
        let time = fields["time"].as_str().and_then(|time| humantime::parse_rfc3339(time).ok());
        Some(Self { time: service.showed(time.unwrap_or(SystemTime::UNIX_EPOCH)), fields })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.fmt(f)
    }
}

/// The lines that one life of a service logged about each of these events, and when that life lost a connection to the
/// broker.
pub(crate) fn about(
    service: &Service,
    life: &Process,
    events: &HashSet<Uuid>,
) -> (HashMap<Uuid, Vec<Line>>, Vec<SystemTime>) {
    let (mut found, mut losses) = (HashMap::<_, Vec<_>>::new(), Vec::new());
    for line in life.each_line() {
        if line.contains("is out of order, and tries again") {
            losses.extend(Line::parse(&line, service).map(|line| line.time));
        }
        let Some(event) = event(&line).filter(|event| events.contains(event)) else { continue };
        found.entry(event).or_default().extend(Line::parse(&line, service));
    }
    (found, losses)
}

/// The events about which a service logged this message, in the order of its log.
pub(crate) fn said(service: &Service, message: &'static str) -> impl Iterator<Item = Uuid> {
    let said = format!("\"message\":\"{message}\"");
    service.log().filter(move |line| line.contains(&said)).filter_map(|line| event(&line))
}

/// The counts of analytics, in the order of its log.
pub(crate) fn counts(analytics: &Service) -> impl Iterator<Item = Count> {
    let lives = analytics.processes().enumerate();
    let lines = lives.flat_map(|(life, process)| process.each_line().map(move |line| (life, line)));
    let counts = lines.filter(|(_, line)| line.contains("\"message\":\"counted\"")).enumerate();
    counts.map(|(number, (life, line))| Count { event: event(&line).unwrap_or_default(), life, number, line })
}

/// A line about an event that was counted.
pub(crate) struct Count {
    /// The event; the nil UUID if the line names none.
    pub(crate) event: Uuid,
    life: usize,
    number: usize,
    line: String,
}

impl Count {
    /// Which life counted, and when.
    pub(crate) fn handling(&self, analytics: &Service) -> Handling {
        let at = Line::parse(&self.line, analytics).map_or(SystemTime::UNIX_EPOCH, |line| line.time);
        Handling { life: self.life, at, number: self.number }
    }
}

/// The lines of panics. A process that gets no memory panics too, when it cannot start a thread; those lines are left out.
pub(crate) fn panics(service: &Service) -> impl Iterator<Item = String> {
    service.log().filter(|line| line.contains("panicked") && !line.contains("Cannot allocate memory"))
}

/// When a service wrote a line of level warn or above, and whether it is about a single event.
pub(crate) fn alarmed(service: &Service) -> impl Iterator<Item = (SystemTime, bool)> {
    let loud = |line: &String| line.contains("\"level\":\"warn\"") || line.contains("\"level\":\"error\"");
    let lines = service.log().filter(loud);
    lines.filter_map(|line| Some((Line::parse(&line, service)?.time, line.contains(EVENT))))
}

const EVENT: &str = "\"event_id\":\"";

fn event(line: &str) -> Option<Uuid> {
    let at = line.find(EVENT)? + EVENT.len();
    line.get(at..at + 36)?.parse().ok()
}

/// Whether one of these times lies between two moments. It may lie a millisecond outside, because the times of log lines
/// are not more exact.
pub(crate) fn between(times: &[SystemTime], from: SystemTime, until: SystemTime) -> bool {
    let slack = Duration::from_millis(1);
    times.iter().any(|&time| time + slack >= from && time <= until + slack)
}
