//! One log line: an event, its fields, and the trace it belongs to.

use std::fmt::{self, Write};
use std::time::SystemTime;

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceContextExt, TraceId};
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// The names that every JSON line uses. A field with one of these names gets a prefix.
const TAKEN: [&str; 7] = ["time", "level", "service", "target", "message", "trace_id", "span_id"];

/// An event, ready to be written in either format.
pub(super) struct Line<'a> {
    time: SystemTime,
    level: Level,
    target: &'a str,
    trace: Option<(TraceId, SpanId)>,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl<'a> Line<'a> {
    pub(super) fn of(event: &Event<'a>) -> Self {
        let metadata = event.metadata();
        let mut line = Self {
            time: SystemTime::now(),
            level: *metadata.level(),
            target: metadata.target(),
            trace: current_trace(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        line
    }

    /// Writes it for a person: time, level, crate, message, fields.
    pub(super) fn text(&self, colour: bool) -> String {
        let (dim, strong, plain) = if colour { ("\x1b[2m", paint(self.level), "\x1b[0m") } else { ("", "", "") };
        let time = humantime::format_rfc3339_millis(self.time);
        let speaker = self.target.split("::").next().unwrap_or(self.target);
        let mut text = format!("{dim}{time}{plain} {strong}{:<5}{plain} {dim}{speaker}:{plain} ", self.level.as_str());
        text.push_str(&on_one_line(&self.message));
        for (name, value) in &self.fields {
            let value = match value {
                Value::String(value) => quoted(value),
                value => value.to_string(),
            };
            write!(text, " {dim}{name}={plain}{value}").expect("a string takes any text");
        }
        if let Some((trace, _)) = self.trace {
            write!(text, " {dim}trace={trace}{plain}").expect("a string takes any text");
        }
        text.push('\n');
        text
    }

    /// Writes it for a collector: one JSON object.
    pub(super) fn json(&self, service: &str) -> String {
        let mut json = Vec::new();
        self.write_json(service, &mut serde_json::Serializer::new(&mut json))
            .expect("a line has only keys that are texts");
        json.push(b'\n');
        let json = String::from_utf8(json).expect("JSON is UTF-8");
        match json.chars().rev().skip(1).any(deceives) {
            true => escaped_json(&json),
            false => json,
        }
    }

    fn write_json<S: Serializer>(&self, service: &str, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("time", &humantime::format_rfc3339_millis(self.time).to_string())?;
        object.serialize_entry("level", &self.level.as_str().to_ascii_lowercase())?;
        object.serialize_entry("service", service)?;
        object.serialize_entry("target", self.target)?;
        object.serialize_entry("message", &self.message)?;
        for (name, value) in &self.fields {
            match TAKEN.contains(name) {
                true => object.serialize_entry(&format!("field.{name}"), value)?,
                false => object.serialize_entry(name, value)?,
            }
        }
        if let Some((trace, span)) = self.trace {
            object.serialize_entry("trace_id", &trace.to_string())?;
            object.serialize_entry("span_id", &span.to_string())?;
        }
        object.end()
    }

    fn record(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(message)) => self.message = message,
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record(field, value.to_string().into());
    }
}

/// The trace of the span that runs on this thread. The layer of traces attaches it when the span is entered, whatever
/// the log's level.
fn current_trace() -> Option<(TraceId, SpanId)> {
    Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| (span.trace_id(), span.span_id()))
    })
}

fn paint(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

/// The message, without characters that would break the line or fake another one.
fn on_one_line(text: &str) -> String {
    if text.contains(deceives) { escaped(text) } else { text.to_owned() }
}

/// A value, quoted if it would not read as one value.
fn quoted(text: &str) -> String {
    let splits = |letter: char| letter.is_whitespace() || deceives(letter);
    if text.is_empty() || text.contains(splits) { format!("\"{}\"", escaped(text)) } else { text.to_owned() }
}

fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match deceives(letter) || letter == '"' || letter == '\\' {
            true => line.extend(letter.escape_default()),
            false => line.push(letter),
        }
    }
    line
}

/// Outside its texts JSON is ASCII, and in a text any character may be written by its UTF-16 code units.
fn escaped_json(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for letter in json.chars() {
        match deceives(letter) && letter != '\n' {
            true => letter
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| write!(line, "\\u{unit:04x}").expect("a string takes any text")),
            false => line.push(letter),
        }
    }
    line
}

/// Whether a character breaks a line, or makes a reader see another text than there is: control characters, Unicode's
/// line breaks, invisible characters, and those that turn the direction of the text. The joiners U+200C and U+200D stay,
/// because names are written with them.
fn deceives(letter: char) -> bool {
    let invisible = matches!(
        letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    letter.is_control() || invisible
}
