//! The log on stdout, with panics in it.

use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};

use tracing::{Event, Subscriber, error};
use tracing_subscriber::layer::{Context, Layer};

use super::filter;
use super::line::Line;
use crate::{Env, Variable};

/// The settings of the log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// A level, or `tracing_subscriber` directives such as `info,messaging=debug` (`LOG_LEVEL`).
    pub level: String,
    /// How a line is written (`LOG_FORMAT`).
    pub format: LogFormat,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// For a collector: one object a line.
    Json,
}

impl LogSettings {
    pub(crate) fn from_env(env: &mut Env) -> Self {
        let level = Variable::new("LOG_LEVEL", "what is logged")
            .expecting("error, warn, info, debug, trace, off, or directives such as info,messaging=debug")
            .or("info");
        let format = Variable::new("LOG_FORMAT", "how a log line is written").expecting("text or json").or("text");
        Self {
            level: env.setting(level, filter::is_valid).expect("the default is a level"),
            format: env.read(format, LogFormat::parse).expect("the default is a format"),
        }
    }
}

impl LogFormat {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Writes each event as one line.
pub(super) struct Log<W> {
    service: &'static str,
    format: LogFormat,
    colour: bool,
    write: W,
}

impl Log<fn(&str)> {
    /// The log of this process. It is coloured on a terminal.
    pub(super) fn to_stdout(service: &'static str, format: LogFormat) -> Self {
        Self { service, format, colour: io::stdout().is_terminal(), write: print }
    }
}

/// A closed reader must not end the process, as it would with `println!`.
fn print(line: &str) {
    let _ = io::stdout().lock().write_all(line.as_bytes());
}

impl<S: Subscriber, W: Fn(&str) + 'static> Layer<S> for Log<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = Line::of(event);
        let written = match self.format {
            LogFormat::Text => line.text(self.colour),
            LogFormat::Json => line.json(self.service),
        };
        (self.write)(&written);
    }
}

/// From now on, a panic is one line of the log, in the log's format, and not several lines on stderr.
pub(super) fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(at, "panicked: {}", reason(panic));
    }));
}

fn reason<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    let text = panic.payload().downcast_ref::<&str>().copied();
    text.or_else(|| panic.payload().downcast_ref::<String>().map(String::as_str))
        .unwrap_or("for a reason that is no text")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::{info, subscriber, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::{Log, LogFormat};

    /// What is written of the events of `work`, without the time.
    fn written(format: LogFormat, work: impl FnOnce()) -> String {
        let text = Arc::new(Mutex::new(String::new()));
        let sink = text.clone();
        let log = Log {
            service: "order",
            format,
            colour: false,
            write: move |line: &str| sink.lock().unwrap().push_str(line),
        };
        subscriber::with_default(tracing_subscriber::registry().with(log), work);
        let text = text.lock().unwrap().clone();
        text.split_once(' ').filter(|_| format == LogFormat::Text).map_or(text.clone(), |(_, line)| line.to_owned())
    }

    #[test]
    fn a_text_line_quotes_only_what_would_not_read_as_one_value() {
        let line = written(LogFormat::Text, || {
            warn!(queue = %"email-queue", reason = "it said no", empty = "", after = ?Some(3), tries = 2, "mail deferred");
        });
        let fields = r#"queue=email-queue reason="it said no" empty="" after=Some(3) tries=2"#;
        assert_eq!(line, format!("WARN  chassis: mail deferred {fields}\n"));
    }

    #[test]
    fn no_value_breaks_a_line_or_fakes_another() {
        let evil = "x\n2026-01-01T00:00:00.000Z ERROR \u{1b}[31mfake\r";
        let line = written(LogFormat::Text, || info!(evil, shown = %evil, "{evil}"));
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        assert!(!line.trim_end_matches('\n').contains(char::is_control), "{line:?}");
        let line = written(LogFormat::Json, || info!(evil, "{evil}"));
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&object["evil"], &object["message"]), (&json!(evil), &json!(evil)));
    }

    #[test]
    fn no_value_turns_the_direction_of_a_line_or_hides_a_part_of_it() {
        let marks = "\u{202e}\u{202a}\u{2066}\u{2069}\u{2028}\u{2029}\u{200b}\u{200f}\u{61c}\u{feff}\u{ad}\u{e0041}\u{85}\u{7f}";
        for mark in marks.chars() {
            let (name, quiet) =
                (format!("Ada{mark}moc.elpmaxe@eve"), format!("2 \u{d7} \u{d1}and\u{fa} \u{200d}{mark}"));
            for format in [LogFormat::Text, LogFormat::Json] {
                let line = written(format, || info!(name, shown = %name, debug = ?name, "Sending email for: {quiet}"));
                assert!(!line.contains(mark), "{line:?}");
                assert!(line.contains("2 \u{d7} \u{d1}and\u{fa} \u{200d}\\u"), "the rest stays readable: {line:?}");
            }
            let json = written(LogFormat::Json, || info!(name, "Sending email for: {quiet}"));
            let object: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(
                (&object["name"], &object["message"]),
                (&json!(name), &json!(format!("Sending email for: {quiet}")))
            );
        }
    }

    #[test]
    fn a_json_line_keeps_types_and_never_has_a_name_twice() {
        let line = written(LogFormat::Json, || {
            info!(level = "mine", count = 3_u64, ratio = 0.5, ok = true, none = f64::NAN, "m")
        });
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&object["level"], &object["field.level"]), (&json!("info"), &json!("mine")));
        assert_eq!((&object["count"], &object["ratio"], &object["ok"]), (&json!(3), &json!(0.5), &json!(true)));
        assert_eq!(object["none"], Value::Null);
        assert_eq!(line.matches("\"level\"").count(), 1);
    }
}
